import pickle
from functools import partial

import flax.errors
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from _module_cases import CASES, GPS, GRAPH, LAYER_NORM, STATEFUL
from flax import linen as nn

from graphattn_jax import attention, graphs, models
from graphattn_jax.modules import linen

KEY = jax.random.key(0)


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
def test_module_equals_function(name):
    case = CASES[name]
    module = getattr(linen, name)(**case.options)
    made = case.init(KEY)
    params, state = made if name in STATEFUL else (made, None)
    variables = linen.from_params(params, state)
    assert_trees_equal(linen.to_params(module, variables), made)

    deterministic = {"deterministic": True} if hasattr(module, "deterministic") else {}

    @jax.jit
    def both(variables, made):
        out = case.apply(*(made if name in STATEFUL else (made,)), *case.inputs, **case.call)
        return (
            module.apply(variables, *case.inputs, **case.call, **deterministic),
            out[0] if name in STATEFUL else out,
        )

    got, wanted = both(variables, made)
    assert jax.tree.structure(got) == jax.tree.structure(wanted)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-6, atol=1e-7), got, wanted)


@pytest.mark.parametrize("name", CASES)
def test_init_makes_what_the_function_makes(name):
    case = CASES[name]
    module = getattr(linen, name)(**case.options)
    variables = jax.eval_shape(lambda: module.init(KEY, *case.inputs, **case.call))
    made = jax.eval_shape(lambda: case.init(KEY))
    params, state = made if name in STATEFUL else (made, None)
    assert names(variables["params"]) == names(params)
    assert names(variables.get("batch_stats", {})) == names(state)


def test_initial_values_depend_on_the_key_and_on_the_place():
    class Network(nn.Module):
        @nn.compact
        def __call__(self, graph):
            for _ in range(2):
                graph = linen.GAT(channels=2, heads=2)(graph)
            return graph.nodes

    init = jax.jit(Network().init)
    params = init(KEY, GRAPH)["params"]
    assert sorted(params) == ["GAT_0", "GAT_1"]
    first, second = params["GAT_0"]["weight"], params["GAT_1"]["weight"]
    assert first.shape == second.shape and not np.allclose(first, second)
    other = init(jax.random.key(1), GRAPH)["params"]["GAT_0"]["weight"]
    assert not np.allclose(first, other)


def test_one_module_called_twice_shares_its_parameters():
    class Network(nn.Module):
        @nn.compact
        def __call__(self, graph):
            layer = linen.GCN(out_features=4)
            return layer(layer(graph)).nodes

    params = Network().init(KEY, GRAPH)["params"]
    assert list(params) == ["GCN_0"]


def test_transformations_of_flax():
    class Block(nn.Module):
        @nn.compact
        def __call__(self, graph, _):
            return nn.remat(linen.GAT)(channels=2, heads=2)(graph), None

    class Network(nn.Module):
        @nn.compact
        def __call__(self, graph):
            split = {"params": True}
            blocks = nn.scan(Block, variable_axes={"params": 0}, split_rngs=split, length=3)
            return blocks()(graph, None)[0].nodes

    graph = jax.tree.map(jnp.asarray, GRAPH)
    variables = Network().init(KEY, graph)
    assert {x.shape[0] for x in jax.tree.leaves(variables)} == {3}
    (params,) = variables["params"]["ScanBlock_0"].values()
    stacked = linen.to_params(linen.GAT(channels=2, heads=2), {"params": params})
    wanted = graph
    for layer in range(3):
        wanted = attention.gat(jax.tree.map(lambda x, i=layer: x[i], stacked), wanted)
    np.testing.assert_allclose(Network().apply(variables, graph), wanted.nodes, rtol=1e-5)


def test_inputs_by_name():
    layer = linen.GCN(2)
    variables = layer.init(KEY, graph=GRAPH)
    np.testing.assert_array_equal(
        layer.apply(variables, graph=GRAPH).nodes, layer.apply(variables, GRAPH).nodes
    )
    with pytest.raises(TypeError, match="deterministic"):
        layer.apply(variables, GRAPH, deterministic=True)
    with pytest.raises(TypeError, match="graph"):
        layer.apply(variables)


def test_keys_of_both_kinds():
    module = linen.GAT(channels=2, dropout_rate=0.5)
    new, old = jax.random.key(3), jax.random.PRNGKey(3)
    assert_trees_equal(module.init(new, GRAPH), module.init(old, GRAPH))
    variables = module.init(new, GRAPH)
    outs = [
        module.apply(variables, GRAPH, deterministic=False, rngs={"dropout": key}).nodes
        for key in (new, old)
    ]
    np.testing.assert_array_equal(*outs)


@pytest.mark.parametrize("name", ["GAT", "PlainNetwork"])
def test_dropout(name):
    case = CASES[name]
    module = getattr(linen, name)(**case.options, dropout_rate=0.5)
    variables = linen.from_params(case.init(KEY))

    def out(seed, deterministic):
        rngs = None if seed is None else {"dropout": jax.random.key(seed)}
        out = module.apply(variables, GRAPH, deterministic=deterministic, rngs=rngs, **case.call)
        return np.asarray(jax.tree.leaves(out)[0])

    np.testing.assert_array_equal(out(0, False), out(0, False))
    assert not np.allclose(out(0, False), out(1, False))
    assert not np.allclose(out(0, False), out(None, True))
    np.testing.assert_array_equal(out(0, True), out(None, True))
    wanted = case.apply(linen.to_params(module, variables), GRAPH, **case.call)
    np.testing.assert_array_equal(out(None, True), jax.tree.leaves(wanted)[0])


def test_deterministic_of_the_constructor():
    module = linen.GAT(channels=2, dropout_rate=0.5, deterministic=True)
    variables = module.init(KEY, GRAPH)
    assert np.isfinite(module.apply(variables, GRAPH).nodes).all()


def test_statistics_are_renewed_in_training_only():
    module = linen.GPSNetwork(config=GPS)
    variables = jax.jit(partial(module.init, deterministic=False))(KEY, GRAPH)
    params, state = linen.to_params(module, variables)
    assert_trees_equal(state, models.init_gps_network(KEY, GPS)[1])

    rngs = {"dropout": jax.random.key(1)}
    apply = jax.jit(partial(module.apply, mutable=["batch_stats"]), static_argnames="deterministic")
    _, kept = apply(variables, GRAPH, deterministic=True)
    assert_trees_equal(kept["batch_stats"], variables["batch_stats"])
    _, renewed = apply(variables, GRAPH, deterministic=False, rngs=rngs)
    _, new = linen.to_params(module, {"params": variables["params"], **renewed})
    network = jax.jit(partial(models.gps_network, config=GPS, training=True))
    _, wanted = network(params, state, GRAPH, dropout_key=jax.random.key(1))
    # Another key drops other attention weights, which these means do not depend on.
    local = [s.layers.local_norm.mean for s in (new, wanted)]
    np.testing.assert_allclose(*local, rtol=1e-6)
    assert not np.allclose(new.layers.local_norm.mean, state.layers.local_norm.mean)
    with pytest.raises(flax.errors.ModifyScopeVariableError):
        module.apply(variables, GRAPH, deterministic=False, rngs=rngs)


def test_layer_norms_have_no_statistics():
    module = linen.GPSLayer(config=LAYER_NORM)
    variables = module.init(KEY, GRAPH)
    assert list(variables) == ["params"]
    module.apply(variables, GRAPH, deterministic=False, rngs={"dropout": KEY})


def test_padding_and_layout():
    padded = graphs.pad(GRAPH, graphs.Budget(8, 16, 3))
    module = linen.GPSNetwork(config=GPS)
    variables = linen.from_params(*models.init_gps_network(KEY, GPS))
    apply = jax.jit(partial(module.apply, deterministic=True))
    wanted = apply(variables, GRAPH)
    got = apply(variables, padded, layout=graphs.layout(padded, block_size=4))
    np.testing.assert_allclose(got[:1], wanted, rtol=1e-5, atol=1e-6)


@jax.numpy_dtype_promotion("standard")  # optax itself is not strict
def test_training_lowers_the_loss():
    config = models.GPSConfig(models.InputSpec(nodes=4), width=8, heads=2, num_layers=1, pool=None)

    class Network(nn.Module):
        @nn.compact
        def __call__(self, graph, *, training):
            graph = linen.GATv2(channels=4, dropout_rate=0.1)(graph, deterministic=not training)
            return linen.GPSNetwork(config=config)(graph, deterministic=not training)

    module, optimizer = Network(), optax.adam(0.02)
    variables = jax.jit(partial(module.init, training=False))(KEY, GRAPH)
    target = jnp.array([[1.0], [-1.0], [0.5], [0.0]])

    def loss(params, stats, key):
        y, new = module.apply(
            {"params": params, "batch_stats": stats},
            GRAPH,
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


def test_class_is_a_value():
    module = linen.GAT(8, heads=2, score="cosine")
    assert module == linen.GAT(channels=8, heads=2, score="cosine") != linen.GAT(8)
    assert hash(module) == hash(linen.GAT(8, heads=2, score="cosine"))
    assert "score = 'cosine'" in repr(module) and repr(module).startswith("GAT(")
    assert pickle.loads(pickle.dumps(module)) == module
    assert module.copy(heads=4).heads == 4


def test_errors():
    gat = linen.GAT(channels=2, dropout_rate=0.5)
    variables = gat.init(KEY, GRAPH)
    with pytest.raises(ValueError, match="deterministic"):
        gat.apply(variables, GRAPH)
    with pytest.raises(flax.errors.InvalidRngError, match="dropout"):
        gat.apply(variables, GRAPH, deterministic=False)
    with pytest.raises(flax.errors.ScopeParamShapeError, match="weight"):
        gat.apply(variables, GRAPH._replace(nodes=np.ones((4, 5), np.float32)), deterministic=True)
    with pytest.raises(ValueError, match=r"graph\.nodes must"):
        gat.init(KEY, GRAPH._replace(nodes=None))
    with pytest.raises(ValueError, match=r"graph\.edges must"):
        linen.GRIT(channels=2).init(KEY, GRAPH._replace(edges=None))
    with pytest.raises(ValueError, match="channels must be a positive integer"):
        linen.GAT(channels=0).init(KEY, GRAPH)
    with pytest.raises(TypeError, match="channels"):
        linen.GAT()
    with pytest.raises(TypeError, match="score"):
        gat.apply(variables, GRAPH, score="cosine", deterministic=True)
    with pytest.raises(ValueError, match="dropout_key"):
        gps = linen.GPSLayer(config=LAYER_NORM)
        gps.apply(gps.init(KEY, GRAPH), GRAPH, deterministic=False)
    with pytest.raises(ValueError, match=r"params must .*\['bias'\] missing"):
        linen.to_params(
            gat, {"params": {k: v for k, v in variables["params"].items() if k != "bias"}}
        )
    with pytest.raises(ValueError, match=r"\['bias'\] in excess"):
        linen.to_params(linen.GAT(channels=2, use_bias=False), variables)
    with pytest.raises(ValueError, match=r"ga\.modules\.linen, got Dense"):
        linen.to_params(nn.Dense(3), variables)


def test_variables_of_other_options():
    shared = linen.from_params(attention.init_gat(KEY, 4, 2, score="shared"))
    with pytest.raises(ValueError, match="GAT must have params/sender_vector"):
        linen.GAT(channels=2).apply(shared, GRAPH)
    with pytest.raises(flax.errors.ScopeParamShapeError, match="weight"):
        linen.GAT(channels=2, heads=3, score="shared").apply(shared, GRAPH)
    params, _ = models.init_gps_network(KEY, GPS)
    with pytest.raises(ValueError, match="GPSNetwork must have batch_stats/layers"):
        linen.GPSNetwork(config=GPS).apply(
            linen.from_params(params), GRAPH, deterministic=True, mutable=["batch_stats"]
        )
