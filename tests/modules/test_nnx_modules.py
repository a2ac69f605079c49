import pickle
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from _module_cases import CASES, GPS, GRAPH, LAYER_NORM, PLAIN
from flax import nnx

from graphattn_jax import attention, message_passing, models
from graphattn_jax.modules import linen
from graphattn_jax.modules import nnx as modules

KEY = jax.random.key(0)
GAT = attention.GAT(channels=2)
DROPPING = attention.GAT(channels=2, dropout=0.5)


def build(name, seed=0):
    case = CASES[name]
    if case.is_network:
        return modules.Network(case.value, rngs=nnx.Rngs(seed))
    return modules.Layer(case.value, *case.widths, rngs=nnx.Rngs(seed))


def layer(value=GAT, seed=0, **options):
    return modules.Layer(value, 4, rngs=nnx.Rngs(seed), **options)


def assert_trees_equal(got, wanted):
    assert jax.tree.structure(got) == jax.tree.structure(wanted)
    jax.tree.map(np.testing.assert_array_equal, got, wanted)


@pytest.mark.parametrize("name", CASES)
def test_a_module_is_its_value(name):
    case, module = CASES[name], build(name)
    made = case.init(KEY)
    params, state = made if case.is_network else (made, None)
    before = modules.to_params(module)
    assert jax.tree.structure(before) == jax.tree.structure(made)
    modules.from_params(module, params, state)
    assert_trees_equal(modules.to_params(module), made)

    module.eval()
    graphdef, variables = nnx.split(module)

    @jax.jit
    def both(variables, made):
        merged = nnx.merge(graphdef, variables)
        return merged(case.graph, **case.call), case.apply(made), modules.to_params(merged)

    got, wanted, after = both(variables, made)
    assert jax.tree.structure(got) == jax.tree.structure(wanted)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-6, atol=1e-7), got, wanted)
    assert_trees_equal(after, made)


@pytest.mark.parametrize("name", CASES)
def test_variables_have_the_names_of_both_worlds(name):
    """The state of an NNX module has the paths of the Linen module's variables."""
    case, module = CASES[name], build(name)
    made = case.init(KEY)
    variables = linen.from_params(*made) if case.is_network else linen.from_params(made)

    def shapes(tree):
        if isinstance(tree, nnx.State):
            return {tuple(map(str, p)): leaf.shape for p, leaf in nnx.to_flat_state(tree)}
        return {
            tuple(key.key for key in path): leaf.shape
            for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
        }

    state = {"params": nnx.Param, "batch_stats": nnx.BatchStat}
    for collection, variable in state.items():
        wanted = {k: v for k, v in variables.items() if k == collection}
        assert shapes(nnx.state(module, variable)) == shapes(wanted)


def test_initial_values_depend_on_the_key():
    rngs = nnx.Rngs(0)
    first, second = (modules.Layer(GAT, 4, rngs=rngs) for _ in range(2))
    assert not np.allclose(first.params.weight[...], second.params.weight[...])
    np.testing.assert_array_equal(first.params.weight[...], layer().params.weight[...])


def test_attributes():
    value = attention.GAT(2, heads=3, use_bias=False)
    module = modules.Layer(value, 4, rngs=nnx.Rngs(params=0))
    assert isinstance(module.params.weight, nnx.Param)
    assert "bias" not in module.params and module.rngs is None
    assert module.layer == value and "heads=3" in repr(module)


@pytest.mark.parametrize("name", ["GATv2", "PlainNetwork"])
def test_dropout(name):
    case, module = CASES[name], build(name)

    def out(**options):
        return np.asarray(jax.tree.leaves(module(PLAIN, **options))[0])

    assert module.deterministic is False
    assert not np.allclose(out(), out())
    same = [out(rngs=nnx.Rngs(dropout=3)) for _ in range(2)]
    np.testing.assert_array_equal(*same)
    np.testing.assert_array_equal(same[0], out(rngs=nnx.Rngs(dropout=3).dropout))
    module.eval()
    wanted = case.apply(modules.to_params(module))
    np.testing.assert_array_equal(out(), jax.tree.leaves(wanted)[0])
    assert not np.allclose(out(deterministic=False), out())
    module.train()
    assert not np.allclose(out(), out(deterministic=True))


def test_modules_do_not_share_dropout_keys():
    rngs = nnx.Rngs(0)
    first, second = (modules.Layer(DROPPING, 4, rngs=rngs) for _ in range(2))
    modules.from_params(second, modules.to_params(first))
    assert not np.allclose(first(PLAIN).graph.nodes, second(PLAIN).graph.nodes)


def test_statistics_are_renewed_in_training_only():
    module = build("GPS")
    params, old = modules.to_params(module)
    call = nnx.jit(lambda module: module(GRAPH))
    module.eval()
    call(module)
    assert_trees_equal(modules.to_params(module), (params, old))
    module.train()
    call(module)
    unchanged, new = modules.to_params(module)
    assert_trees_equal(unchanged, params)
    wanted = jax.jit(partial(GPS.apply, training=True))(params, old, GRAPH, key=KEY).state
    # Another key drops other attention weights, which these means do not depend on.
    means = [s.layers.local_norm.mean for s in (new, wanted)]
    np.testing.assert_allclose(*means, rtol=1e-6)
    assert not np.allclose(means[0], old.layers.local_norm.mean)


@pytest.mark.parametrize("name", ["GAT", "GPS"])
def test_split_merge_and_clone(name):
    case, module = CASES[name], build(name)
    module.eval()
    wanted = jax.tree.leaves(module(case.graph, **case.call))[0]
    graphdef, state = nnx.split(module)
    assert graphdef == nnx.split(module)[0] and hash(graphdef) == hash(nnx.split(module)[0])

    @jax.jit
    def apply(state, graph):
        return jax.tree.leaves(nnx.merge(graphdef, state)(graph, **case.call))[0]

    np.testing.assert_allclose(apply(state, case.graph), wanted, rtol=1e-5, atol=1e-6)
    copy = nnx.clone(module)
    assert_trees_equal(modules.to_params(copy), modules.to_params(module))
    np.testing.assert_array_equal(jax.tree.leaves(copy(case.graph, **case.call))[0], wanted)


@jax.numpy_dtype_promotion("standard")  # optax itself is not strict
def test_training_lowers_the_loss():
    gps = models.GPS(
        models.Inputs(nodes=4),
        width=8,
        num_layers=1,
        pool=None,
        attention=attention.GlobalAttention(heads=2, output=True, dropout=0.5),
    )

    class Network(nnx.Module):
        def __init__(self, rngs):
            self.attention = modules.Layer(attention.GATv2(4, dropout=0.1), 4, rngs=rngs)
            self.network = modules.Network(gps, rngs=rngs)

        def __call__(self, graph):
            return self.network(self.attention(graph).graph)

    network = Network(nnx.Rngs(0))
    optimizer = nnx.Optimizer(network, optax.adam(0.02), wrt=nnx.Param)
    target = jnp.array([[1.0], [-1.0], [0.5], [0.0]])

    @nnx.jit
    def step(network, optimizer):
        value, grads = nnx.value_and_grad(lambda net: jnp.mean((net(PLAIN) - target) ** 2))(network)
        optimizer.update(network, grads)
        return value

    values = [float(step(network, optimizer)) for _ in range(30)]
    assert np.mean(values[-5:]) < 0.7 * np.mean(values[:5])
    network.eval()
    np.testing.assert_array_equal(network(PLAIN), network(PLAIN))


def test_view_leaves_the_module_alone():
    module = layer(DROPPING)
    view = nnx.view(module, deterministic=True)
    np.testing.assert_array_equal(view(PLAIN).graph.nodes, view(PLAIN).graph.nodes)
    assert not module.deterministic


def test_tree_mode():
    """No feature of the graph mode is used, such as references that are shared."""
    with nnx.set_graph_mode(False):
        module = layer(DROPPING)
        call = nnx.jit(lambda module: module(PLAIN).graph.nodes)
        assert not np.allclose(call(module), call(module))


def test_pickle_and_ensemble():
    module = layer()
    copy = pickle.loads(pickle.dumps(module))
    assert copy.layer == module.layer
    assert_trees_equal(modules.to_params(copy), modules.to_params(module))
    build_one = lambda key: modules.Layer(GAT, 4, rngs=nnx.Rngs(key))  # noqa: E731
    ensemble = nnx.vmap(build_one)(jax.random.split(KEY, 3))
    assert ensemble.params.weight.shape == (3, 4, 1, 2)


def test_weights_go_from_linen_to_nnx():
    case = CASES["GAT"]
    wrapped = linen.Layer(case.value)
    variables = wrapped.init(KEY, case.graph)
    module = build("GAT")
    modules.from_params(module, linen.to_params(wrapped, variables))
    np.testing.assert_array_equal(
        module(case.graph, **case.call).graph.nodes,
        wrapped.apply(variables, case.graph, **case.call).graph.nodes,
    )


def test_errors():
    module = layer()
    with pytest.raises(TypeError, match="rngs"):
        modules.Layer(GAT, 4)
    with pytest.raises(ValueError, match=r"graph\.nodes must be an array of shape \[N, 4\]"):
        module(PLAIN._replace(nodes=np.ones((4, 5), np.float32)))
    with pytest.raises(TypeError, match="score"):
        module(PLAIN, score="cosine")
    with pytest.raises(ValueError, match="needs key= in training"):
        modules.Layer(DROPPING, 4, rngs=nnx.Rngs(params=0))(PLAIN)
    with pytest.raises(
        ValueError, match=r"params\.weight must have shape \[4, 1, 2\], got \(5, 1, 2\)"
    ):
        modules.from_params(module, GAT.init(KEY, 5))
    with pytest.raises(ValueError, match="params must have the structure"):
        modules.from_params(module, attention.GAT(2, use_bias=False).init(KEY, 4))
    with pytest.raises(ValueError, match="state must have the structure"):
        modules.from_params(module, modules.to_params(module), state=())
    for function in (modules.to_params, lambda module: modules.from_params(module, None)):
        with pytest.raises(ValueError, match=r"ga\.modules\.nnx, got Linear"):
            function(nnx.Linear(2, 3, rngs=nnx.Rngs(0)))


def test_parameters_that_do_not_fit_change_nothing():
    module = layer(attention.GATv2(2))
    before = modules.to_params(module)
    wrong = before._replace(sender_weight=before.sender_weight + 1, bias=jnp.zeros(3))
    with pytest.raises(ValueError, match=r"params\.bias"):
        modules.from_params(module, wrong)
    assert_trees_equal(modules.to_params(module), before)


def test_layer_norms_have_no_statistics():
    module = modules.Network(LAYER_NORM, rngs=nnx.Rngs(0))
    assert not nnx.to_flat_state(nnx.state(module, nnx.BatchStat))
    module(PLAIN)


def test_a_layer_without_anything_random_needs_no_stream():
    module = modules.Layer(message_passing.GCN(2), 4, rngs=nnx.Rngs(params=0))
    np.testing.assert_array_equal(module(PLAIN).graph.nodes, module(graph=PLAIN).graph.nodes)
