import pickle
from functools import partial

import flax.errors
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from _module_cases import BUCKETS, CASES, GPS, GRAPH, LAYER_NORM, PLAIN
from flax import linen as nn

from graphattn_jax import attention, graphs, message_passing, models
from graphattn_jax.modules import linen

KEY = jax.random.key(0)
GAT = attention.GAT(channels=2, heads=2)
DROPPING = attention.GAT(channels=2, dropout=0.5)


def wrap(value, **options):
    wrapper = linen.Network if isinstance(value, models.Network) else linen.Layer
    return wrapper(value, **options)


def assert_trees_equal(got, wanted):
    assert jax.tree.structure(got) == jax.tree.structure(wanted)
    jax.tree.map(np.testing.assert_array_equal, got, wanted)


def names(tree):
    """Paths of the leaves with their shapes."""
    return {
        tuple(jax.tree_util.keystr((key,), simple=True) for key in path): leaf.shape
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }


@pytest.mark.parametrize("name", CASES)
def test_a_module_is_its_value(name):
    case = CASES[name]
    module, made = wrap(case.value), case.init(KEY)
    params, state = made if case.is_network else (made, None)
    variables = linen.from_params(params, state)
    assert_trees_equal(linen.to_params(module, variables), made)

    @jax.jit
    def both(variables, made):
        return module.apply(variables, case.graph, **case.call), case.apply(made)

    got, wanted = both(variables, made)
    assert jax.tree.structure(got) == jax.tree.structure(wanted)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-6, atol=1e-7), got, wanted)


@pytest.mark.parametrize("name", CASES)
def test_init_makes_what_the_value_makes(name):
    case = CASES[name]
    module = wrap(case.value)
    variables = jax.eval_shape(lambda: module.init(KEY, case.graph, **case.call))
    made = jax.eval_shape(lambda: case.init(KEY))
    params, state = made if case.is_network else (made, None)
    assert names(variables.get("params", {})) == {
        k or ("value",): v for k, v in names(params).items()
    }
    assert names(variables.get("batch_stats", {})) == names(state)


def test_initial_values_depend_on_the_key_and_on_the_place():
    class Network(nn.Module):
        @nn.compact
        def __call__(self, graph):
            for _ in range(2):
                graph = linen.Layer(GAT)(graph).graph
            return graph.nodes

    init = jax.jit(Network().init)
    params = init(KEY, PLAIN)["params"]
    assert sorted(params) == ["Layer_0", "Layer_1"]
    first, second = params["Layer_0"]["weight"], params["Layer_1"]["weight"]
    assert first.shape == second.shape and not np.allclose(first, second)
    other = init(jax.random.key(1), PLAIN)["params"]["Layer_0"]["weight"]
    assert not np.allclose(first, other)


def test_one_module_called_twice_shares_its_parameters():
    class Network(nn.Module):
        @nn.compact
        def __call__(self, graph):
            layer = linen.Layer(message_passing.GCN())
            return layer(layer(graph).graph).graph.nodes

    params = Network().init(KEY, PLAIN)["params"]
    assert list(params) == ["Layer_0"]


def test_transformations_of_flax():
    class Block(nn.Module):
        @nn.compact
        def __call__(self, graph, _):
            return nn.remat(linen.Layer)(GAT)(graph).graph, None

    class Network(nn.Module):
        @nn.compact
        def __call__(self, graph):
            split = {"params": True}
            blocks = nn.scan(Block, variable_axes={"params": 0}, split_rngs=split, length=3)
            return blocks()(graph, None)[0].nodes

    graph = jax.tree.map(jnp.asarray, PLAIN)
    variables = Network().init(KEY, graph)
    assert {x.shape[0] for x in jax.tree.leaves(variables)} == {3}
    (params,) = variables["params"]["ScanBlock_0"].values()
    stacked = linen.to_params(linen.Layer(GAT), {"params": params})
    wanted = graph
    for index in range(3):
        wanted = GAT.apply(jax.tree.map(lambda x, i=index: x[i], stacked), wanted).graph
    np.testing.assert_allclose(Network().apply(variables, graph), wanted.nodes, rtol=1e-5)


def test_keys_of_both_kinds():
    module = linen.Layer(DROPPING)
    new, old = jax.random.key(3), jax.random.PRNGKey(3)
    assert_trees_equal(module.init(new, PLAIN), module.init(old, PLAIN))
    variables = module.init(new, PLAIN)
    outs = [
        module.apply(variables, PLAIN, deterministic=False, rngs={"dropout": key}).graph.nodes
        for key in (new, old)
    ]
    np.testing.assert_array_equal(*outs)


@pytest.mark.parametrize("name", ["GATv2", "PlainNetwork"])
def test_dropout(name):
    case = CASES[name]
    module, made = wrap(case.value), case.init(KEY)
    variables = linen.from_params(made[0] if case.is_network else made)

    def out(seed, deterministic, module=module):
        rngs = None if seed is None else {"dropout": jax.random.key(seed)}
        out = module.apply(variables, PLAIN, deterministic=deterministic, rngs=rngs)
        return np.asarray(jax.tree.leaves(out)[0])

    np.testing.assert_array_equal(out(0, False), out(0, False))
    assert not np.allclose(out(0, False), out(1, False))
    assert not np.allclose(out(0, False), out(None, True))
    np.testing.assert_array_equal(out(0, True), out(None, None))
    np.testing.assert_array_equal(out(None, True), jax.tree.leaves(case.apply(made))[0])
    training = wrap(case.value, deterministic=False)
    np.testing.assert_array_equal(out(0, None, training), out(0, False))
    np.testing.assert_array_equal(out(None, True, training), out(None, True))


def test_statistics_are_renewed_in_training_only():
    module = linen.Network(GPS)
    variables = jax.jit(partial(module.init, deterministic=False))(KEY, GRAPH)
    params, state = linen.to_params(module, variables)
    assert_trees_equal(state, GPS.init(KEY)[1])
    rngs = {"dropout": jax.random.key(1)}
    apply = jax.jit(partial(module.apply, mutable=["batch_stats"]), static_argnames="deterministic")
    _, kept = apply(variables, GRAPH, deterministic=True)
    assert_trees_equal(kept["batch_stats"], variables["batch_stats"])
    _, renewed = apply(variables, GRAPH, deterministic=False, rngs=rngs)
    _, new = linen.to_params(module, {"params": variables["params"], **renewed})
    wanted = jax.jit(partial(GPS.apply, training=True))(params, state, GRAPH, key=KEY).state
    # Another key drops other attention weights, which these means do not depend on.
    local = [s.layers.local_norm.mean for s in (new, wanted)]
    np.testing.assert_allclose(*local, rtol=1e-6)
    assert not np.allclose(new.layers.local_norm.mean, state.layers.local_norm.mean)
    with pytest.raises(flax.errors.ModifyScopeVariableError):
        module.apply(variables, GRAPH, deterministic=False, rngs=rngs)


def test_layer_norms_have_no_statistics():
    module = linen.Network(LAYER_NORM)
    variables = module.init(KEY, PLAIN)
    assert list(variables) == ["params"]
    module.apply(variables, PLAIN, deterministic=False, rngs={"dropout": KEY})


def test_attention_is_sown_where_it_is_asked_for():
    module = linen.Network(GPS)
    variables = module.init(KEY, GRAPH)
    assert "intermediates" not in variables
    _, sown = module.apply(variables, GRAPH, mutable=["intermediates"])
    params, state = linen.to_params(module, variables)
    wanted = GPS.apply(params, state, GRAPH).attention
    ((got,),) = sown["intermediates"]["attention"]
    np.testing.assert_allclose(got.weights, wanted[0].weights, atol=1e-6)


def test_padding():
    padded = graphs.pad(GRAPH, graphs.Budget(8, 16, 3), block_size=4)
    module = linen.Network(GPS)
    apply = jax.jit(module.apply)
    variables = linen.from_params(*GPS.init(KEY))
    got = apply(variables, padded)
    np.testing.assert_allclose(got[:1], apply(variables, GRAPH), rtol=1e-5, atol=1e-6)


@jax.numpy_dtype_promotion("standard")  # optax itself is not strict
def test_training_lowers_the_loss():
    gps = models.GPS(
        models.Inputs(nodes=4),
        width=16,
        num_layers=1,
        pool=None,
        attention=attention.GlobalAttention(heads=2, output=True, dropout=0.5),
    )

    class Network(nn.Module):
        @nn.compact
        def __call__(self, graph, *, training):
            layer = linen.Layer(attention.GATv2(channels=4, dropout=0.1))
            graph = layer(graph, deterministic=not training).graph
            return linen.Network(gps)(graph, deterministic=not training)

    module, optimizer = Network(), optax.adam(0.02)
    variables = jax.jit(partial(module.init, training=False))(KEY, PLAIN)
    target = jnp.array([[1.0], [-1.0], [0.5], [0.0]])

    def loss(params, stats, key):
        y, new = module.apply(
            {"params": params, "batch_stats": stats},
            PLAIN,
            training=True,
            rngs={"dropout": key},
            mutable=["batch_stats"],
        )
        return jnp.mean((y - target) ** 2), new["batch_stats"]

    @jax.jit
    def step(params, stats, opt_state, key):
        (value, stats), grads = jax.value_and_grad(loss, has_aux=True)(params, stats, key)
        updates, opt_state = optimizer.update(grads, opt_state)
        return optax.apply_updates(params, updates), stats, opt_state, value

    params, stats = variables["params"], variables["batch_stats"]
    opt_state, values = optimizer.init(params), []
    for i in range(30):
        params, stats, opt_state, value = step(params, stats, opt_state, jax.random.key(i))
        values.append(float(value))
    assert np.mean(values[-5:]) < 0.7 * np.mean(values[:5])
    assert step._cache_size() == 1


def test_a_module_is_a_value_too():
    module = linen.Layer(attention.GAT(8, heads=2, score=attention.Cosine()))
    assert module == linen.Layer(attention.GAT(8, heads=2, score=attention.Cosine()))
    assert module != linen.Layer(attention.GAT(8)) and module.layer.heads == 2
    assert hash(module) == hash(linen.Layer(attention.GAT(8, heads=2, score=attention.Cosine())))
    assert "Cosine(temperature=1.0)" in repr(module)
    assert pickle.loads(pickle.dumps(module)) == module


def test_errors():
    module = linen.Layer(DROPPING)
    variables = module.init(KEY, PLAIN)
    with pytest.raises(ValueError, match="needs key= in training"):
        module.apply(variables, PLAIN, deterministic=False)
    with pytest.raises(flax.errors.ScopeParamShapeError, match="weight"):
        module.apply(variables, PLAIN._replace(nodes=np.ones((4, 5), np.float32)))
    with pytest.raises(ValueError, match=r"graph\.nodes must"):
        module.init(KEY, PLAIN._replace(nodes=None))
    with pytest.raises(ValueError, match="reads edge features"):
        linen.Layer(attention.GRIT(channels=2)).init(KEY, PLAIN)
    with pytest.raises(TypeError, match="score"):
        module.apply(variables, PLAIN, score="cosine")
    with pytest.raises(TypeError, match="graph"):
        module.apply(variables)
    less = {"params": {k: v for k, v in variables["params"].items() if k != "bias"}}
    with pytest.raises(ValueError, match=r"params must .*\['bias'\] missing"):
        linen.to_params(module, less)
    with pytest.raises(ValueError, match=r"\['bias'\] in excess"):
        linen.to_params(linen.Layer(attention.GAT(2, use_bias=False)), variables)
    with pytest.raises(ValueError, match=r"ga\.modules\.linen, got Dense"):
        linen.to_params(nn.Dense(3), variables)


def test_variables_of_another_value():
    shared = linen.from_params(attention.GAT(2, score=attention.Shared()).init(KEY, 4))
    with pytest.raises(ValueError, match="must have params/sender_vector"):
        linen.Layer(attention.GAT(2)).apply(shared, PLAIN)
    with pytest.raises(flax.errors.ScopeParamShapeError, match="weight"):
        linen.Layer(attention.GAT(2, 3, score=attention.Shared())).apply(shared, PLAIN)
    biased = attention.RelativeBias(GAT, 3)
    nested = linen.from_params(biased.init(KEY, 4))
    nested["params"]["layer"]["other"] = nested["params"]["layer"].pop("bias")
    with pytest.raises(
        ValueError, match=r"\['layer/bias'\] missing and \['layer/other'\] in excess"
    ):
        linen.Layer(biased).apply(nested, BUCKETS)
    params, _ = GPS.init(KEY)
    with pytest.raises(ValueError, match="must have batch_stats/layers"):
        linen.Network(GPS).apply(linen.from_params(params), GRAPH, mutable=["batch_stats"])
