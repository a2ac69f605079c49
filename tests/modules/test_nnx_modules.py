import inspect
import pickle
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from _module_cases import CASES, GPS, GRAPH, LAYER_NORM, STATEFUL
from flax import nnx

from graphattn_jax import attention, models
from graphattn_jax.modules import linen
from graphattn_jax.modules import nnx as modules

KEY = jax.random.key(0)


def build(name, seed=0, **more):
    case = CASES[name]
    return getattr(modules, name)(**case.widths, **case.options, **more, rngs=nnx.Rngs(seed))


def assert_trees_equal(got, wanted):
    assert jax.tree.structure(got) == jax.tree.structure(wanted)
    jax.tree.map(np.testing.assert_array_equal, got, wanted)


@pytest.mark.parametrize("name", CASES)
def test_module_equals_function(name):
    case, module = CASES[name], build(name)
    made = case.init(KEY)
    params, state = made if name in STATEFUL else (made, None)
    before = modules.to_params(module)
    assert jax.tree.structure(before) == jax.tree.structure(made)
    modules.from_params(module, params, state)
    assert_trees_equal(modules.to_params(module), made)

    module.eval()
    graphdef, variables = nnx.split(module)

    @jax.jit
    def both(variables, made):
        merged = nnx.merge(graphdef, variables)
        got = merged(*case.inputs, **case.call)
        out = case.apply(*(made if name in STATEFUL else (made,)), *case.inputs, **case.call)
        return got, out[0] if name in STATEFUL else out, modules.to_params(merged)

    got, wanted, after = both(variables, made)
    assert jax.tree.structure(got) == jax.tree.structure(wanted)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-6, atol=1e-7), got, wanted)
    assert_trees_equal(after, made)


@pytest.mark.parametrize("name", CASES)
def test_variables_have_the_names_of_both_worlds(name):
    """The state of an NNX module has the paths of the Linen module's variables."""
    case, module = CASES[name], build(name)
    made = case.init(KEY)
    variables = linen.from_params(*made) if name in STATEFUL else linen.from_params(made)

    def shapes(tree):
        flat = nnx.to_flat_state(tree) if isinstance(tree, nnx.State) else None
        if flat is not None:
            return {tuple(map(str, path)): leaf.shape for path, leaf in flat}
        return {
            tuple(key.key for key in path): leaf.shape
            for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
        }

    assert shapes(nnx.state(module, nnx.Param)) == shapes(variables["params"])
    wanted = {"batch_stats": variables["batch_stats"]} if "batch_stats" in variables else {}
    assert shapes(nnx.state(module, nnx.BatchStat)) == shapes(wanted)


def test_initial_values_depend_on_the_key():
    rngs = nnx.Rngs(0)
    first, second = modules.GAT(4, 2, rngs=rngs), modules.GAT(4, 2, rngs=rngs)
    assert not np.allclose(first.weight[...], second.weight[...])
    same = modules.GAT(4, 2, rngs=nnx.Rngs(0))
    np.testing.assert_array_equal(first.weight[...], same.weight[...])


def test_attributes():
    layer = modules.GAT(4, 2, heads=3, use_bias=False, rngs=nnx.Rngs(params=0))
    assert isinstance(layer.weight, nnx.Param)
    assert layer.bias is None
    assert (layer.options.heads, layer.options.score) == (3, "standard")
    assert not hasattr(layer, "rngs")
    assert "heads=3" in repr(layer)
    parameters = inspect.signature(modules.GAT.__init__).parameters
    assert list(parameters)[1:4] == ["in_features", "channels", "heads"]
    assert list(parameters)[-2:] == ["deterministic", "rngs"]


@pytest.mark.parametrize("name", ["GAT", "PlainNetwork"])
def test_dropout(name):
    case, module = CASES[name], build(name, dropout_rate=0.5)

    def out(**options):
        return np.asarray(jax.tree.leaves(module(GRAPH, **case.call, **options))[0])

    assert module.deterministic is False
    assert not np.allclose(out(), out())
    same = [out(rngs=nnx.Rngs(dropout=3)) for _ in range(2)]
    np.testing.assert_array_equal(*same)
    np.testing.assert_array_equal(same[0], out(rngs=nnx.Rngs(dropout=3).dropout))
    module.eval()
    wanted = case.apply(modules.to_params(module), GRAPH, **case.call)
    np.testing.assert_array_equal(out(), jax.tree.leaves(wanted)[0])
    assert not np.allclose(out(deterministic=False), out())
    module.train()
    assert not np.allclose(out(), out(deterministic=True))


def test_modules_do_not_share_dropout_keys():
    rngs = nnx.Rngs(0)
    layers = [modules.GAT(4, 2, dropout_rate=0.5, rngs=rngs) for _ in range(2)]
    modules.from_params(layers[1], modules.to_params(layers[0]))
    assert not np.allclose(layers[0](GRAPH).nodes, layers[1](GRAPH).nodes)


def test_statistics_are_renewed_in_training_only():
    module = build("GPSNetwork")
    params, old = modules.to_params(module)
    call = nnx.jit(lambda module: module(GRAPH))
    module.eval()
    call(module)
    assert_trees_equal(modules.to_params(module), (params, old))
    module.train()
    call(module)
    unchanged, new = modules.to_params(module)
    assert_trees_equal(unchanged, params)
    network = jax.jit(partial(models.gps_network, config=GPS, training=True))
    _, wanted = network(params, old, GRAPH, dropout_key=KEY)
    # Another key drops other attention weights, which these means do not depend on.
    means = [s.layers.local_norm.mean for s in (new, wanted)]
    np.testing.assert_allclose(*means, rtol=1e-6)
    assert not np.allclose(means[0], old.layers.local_norm.mean)


@pytest.mark.parametrize("name", ["GAT", "GPSNetwork"])
def test_split_merge_and_clone(name):
    case, module = CASES[name], build(name)
    module.eval()
    wanted = jax.tree.leaves(module(GRAPH, **case.call))[0]
    graphdef, state = nnx.split(module)
    assert graphdef == nnx.split(module)[0] and hash(graphdef) == hash(nnx.split(module)[0])

    @jax.jit
    def apply(state, graph):
        return jax.tree.leaves(nnx.merge(graphdef, state)(graph, **case.call))[0]

    np.testing.assert_allclose(apply(state, GRAPH), wanted, rtol=1e-5, atol=1e-6)
    copy = nnx.clone(module)
    assert_trees_equal(modules.to_params(copy), modules.to_params(module))
    np.testing.assert_array_equal(jax.tree.leaves(copy(GRAPH, **case.call))[0], wanted)


@jax.numpy_dtype_promotion("standard")  # optax itself is not strict
def test_training_lowers_the_loss():
    config = models.GPSConfig(models.InputSpec(nodes=4), width=8, heads=2, num_layers=1, pool=None)

    class Network(nnx.Module):
        def __init__(self, rngs):
            self.attention = modules.GATv2(4, channels=4, dropout_rate=0.1, rngs=rngs)
            self.network = modules.GPSNetwork(config=config, rngs=rngs)

        def __call__(self, graph):
            return self.network(self.attention(graph))

    network = Network(nnx.Rngs(0))
    optimizer = nnx.Optimizer(network, optax.adam(0.02), wrt=nnx.Param)
    target = jnp.array([[1.0], [-1.0], [0.5], [0.0]])

    @nnx.jit
    def step(network, optimizer):
        value, grads = nnx.value_and_grad(lambda net: jnp.mean((net(GRAPH) - target) ** 2))(network)
        optimizer.update(network, grads)
        return value

    values = [float(step(network, optimizer)) for _ in range(30)]
    assert np.mean(values[-5:]) < 0.7 * np.mean(values[:5])
    network.eval()
    np.testing.assert_array_equal(network(GRAPH), network(GRAPH))


def test_view_leaves_the_module_alone():
    module = modules.GAT(4, 2, dropout_rate=0.5, rngs=nnx.Rngs(0))
    view = nnx.view(module, deterministic=True)
    np.testing.assert_array_equal(view(GRAPH).nodes, view(GRAPH).nodes)
    assert not module.deterministic


def test_tree_mode():
    """No feature of the graph mode is used, such as references that are shared."""
    with nnx.set_graph_mode(False):
        module = modules.GAT(4, 2, dropout_rate=0.5, rngs=nnx.Rngs(0))
        call = nnx.jit(lambda module: module(GRAPH).nodes)
        assert not np.allclose(call(module), call(module))


def test_pickle_and_ensemble():
    module = modules.GAT(4, 2, rngs=nnx.Rngs(0))
    copy = pickle.loads(pickle.dumps(module))
    assert copy.options == module.options
    assert_trees_equal(modules.to_params(copy), modules.to_params(module))
    ensemble = nnx.vmap(lambda key: modules.GAT(4, 2, rngs=nnx.Rngs(key)))(jax.random.split(KEY, 3))
    assert ensemble.weight.shape == (3, 4, 1, 2)


def test_inputs_by_name():
    layer = modules.GCN(4, 2, rngs=nnx.Rngs(0))
    np.testing.assert_array_equal(layer(graph=GRAPH).nodes, layer(GRAPH).nodes)
    with pytest.raises(TypeError, match="deterministic"):
        layer(GRAPH, deterministic=True)
    with pytest.raises(TypeError, match="graph"):
        layer()


def test_weights_go_from_linen_to_nnx():
    layer = linen.GAT(**CASES["GAT"].options)
    variables = layer.init(KEY, GRAPH)
    module = build("GAT")
    modules.from_params(module, linen.to_params(layer, variables))
    call = CASES["GAT"].call
    np.testing.assert_array_equal(
        module(GRAPH, **call).nodes, layer.apply(variables, GRAPH, **call).nodes
    )


def test_errors():
    layer = modules.GAT(4, 2, rngs=nnx.Rngs(0))
    with pytest.raises(TypeError, match="channels"):
        modules.GAT(4, rngs=nnx.Rngs(0))
    with pytest.raises(TypeError, match="rngs"):
        modules.GAT(4, 2)
    with pytest.raises(TypeError, match="chanels"):
        modules.GAT(4, chanels=2, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match="channels must be a positive integer"):
        modules.GAT(4, 0, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match=r"graph\.nodes must be an array of shape \[N, 4\]"):
        layer(GRAPH._replace(nodes=np.ones((4, 5), np.float32)))
    with pytest.raises(TypeError, match="score"):
        layer(GRAPH, score="cosine")
    with pytest.raises(
        ValueError, match=r"params\.weight must have shape \[4, 1, 2\], got \(5, 1, 2\)"
    ):
        modules.from_params(layer, attention.init_gat(KEY, 5, 2))
    with pytest.raises(ValueError, match="params must have the structure"):
        modules.from_params(layer, attention.init_gat(KEY, 4, 2, bias=False))
    with pytest.raises(ValueError, match="no running statistics"):
        modules.from_params(layer, modules.to_params(layer), state=())
    for function in (modules.to_params, lambda module: modules.from_params(module, None)):
        with pytest.raises(ValueError, match=r"ga\.modules\.nnx, got Linear"):
            function(nnx.Linear(2, 3, rngs=nnx.Rngs(0)))


def test_parameters_that_do_not_fit_change_nothing():
    layer = modules.GATv2(4, 2, rngs=nnx.Rngs(0))
    before = modules.to_params(layer)
    wrong = before._replace(sender_weight=before.sender_weight + 1, bias=jnp.zeros(3))
    with pytest.raises(ValueError, match=r"params\.bias"):
        modules.from_params(layer, wrong)
    assert_trees_equal(modules.to_params(layer), before)


def test_layer_norms_have_no_statistics():
    module = modules.GPSLayer(config=LAYER_NORM, rngs=nnx.Rngs(0))
    assert not nnx.to_flat_state(nnx.state(module, nnx.BatchStat))
    module(GRAPH)
