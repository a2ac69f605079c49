"""What every network of graphs promises."""

import json
from dataclasses import replace
from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _networks import (
    MOLECULES,
    NETWORKS,
    Mean,
    batched,
    compiled,
    evaluated,
    main_graph,
    ready,
    renamed,
    start,
)

from graphattn_jax import graphs, models, nn, ops, testing, values

each_network = pytest.mark.parametrize("name", NETWORKS)
each_stateful = pytest.mark.parametrize(
    "name", ["gps-gated", "gps-pna", "exphormer", "grit", "graphormer"]
)


@each_network
def test_a_molecule_in_a_batch_is_as_alone(name):
    """With other padding and other neighbours."""
    alone = [evaluated(name, [molecule]) for molecule in MOLECULES]
    assert np.ptp(np.concatenate(alone)) > 1e-2
    np.testing.assert_allclose(
        evaluated(name, MOLECULES), np.concatenate(alone), rtol=2e-4, atol=2e-5
    )


@each_network
def test_nodes_may_be_renamed(name):
    molecule = MOLECULES[0]
    order = np.random.default_rng(0).permutation(6)
    want, found = (evaluated(name, [m]) for m in (molecule, renamed(molecule, order)))
    want = want[order] if NETWORKS[name].of_nodes else want
    np.testing.assert_allclose(found, want, rtol=2e-4, atol=2e-5)


@each_network
def test_what_padding_holds_does_not_matter(name):
    graph = ready(name, MOLECULES)
    want = compiled(name)(graph)
    if isinstance(graph, models.Patterned):
        found = compiled(name)(models.Patterned(*(spoilt(g) for g in graph)))
    else:
        found = compiled(name)(spoilt(graph))
    graph = main_graph(graph)
    real = graphs.node_mask(graph) if NETWORKS[name].of_nodes else graphs.graph_mask(graph)
    np.testing.assert_allclose(found[real], want[real], rtol=1e-5, atol=1e-6)


def spoilt(graph):
    """With other features in padding nodes and edges."""

    def other(x, real):
        real = real.reshape(-1, *[1] * (np.ndim(x) - 1))
        return np.where(real, x, ~x if x.dtype == bool else x + np.ones((), x.dtype))

    node, edge = graphs.node_mask(graph), graphs.edge_mask(graph)
    return graph._replace(
        nodes=jax.tree.map(lambda x: other(x, node), graph.nodes),
        edges=jax.tree.map(lambda x: other(x, edge), graph.edges),
    )


def without_dropout(network):
    """Neither the network's nor its layers'."""
    layers = {
        name: replace(layer, dropout=0.0)
        for name, layer in vars(network).items()
        if isinstance(layer, nn.Layer) and hasattr(layer, "dropout")
    }
    return replace(network, dropout=0.0, **layers)


@each_stateful
def test_training_sees_real_nodes_only(name):
    """Loss, gradients and running statistics do not depend on the padding, and need no key where nothing is random."""
    network = without_dropout(NETWORKS[name].network)
    params, state = start(name)

    def loss(params, graph):
        out = network.apply(params, state, graph, training=True)
        return jnp.sum(jnp.sin(out.prediction[: len(MOLECULES)])), out.state

    run = jax.jit(jax.value_and_grad(loss, has_aux=True))
    want = run(params, ready(name, MOLECULES, None))
    found = run(params, ready(name, MOLECULES))
    chex.assert_trees_all_close(found, want, rtol=5e-4, atol=5e-5)


@each_network
@jax.disable_jit()
def test_forward_mode_of_the_reference_is_the_directional_derivative(name):
    """In training, with batch statistics and dropout."""
    network, (params, state) = NETWORKS[name].network, start(name)
    graph = ready(name, MOLECULES)
    direction = jax.tree.map(lambda x: jax.random.normal(jax.random.key(1), x.shape), params)

    def loss(network):
        def run(params):
            out = network.apply(params, state, graph, training=True, key=jax.random.key(0))
            return jnp.sum(jnp.sin(out.prediction[: len(MOLECULES)]))

        return run

    _, found = jax.jvp(loss(nn.with_implementation(network, "reference")), (params,), (direction,))
    gradients = jax.grad(loss(network))(params)
    want = sum(map(jnp.vdot, jax.tree.leaves(gradients), jax.tree.leaves(direction)))
    np.testing.assert_allclose(found, want, rtol=2e-2, atol=1e-3)


@each_network
@jax.disable_jit()
def test_padding_that_is_not_finite_reaches_no_prediction_and_no_gradient(name):
    network = NETWORKS[name].network
    params, state = start(name)
    graph = ready(name, MOLECULES)
    real = graphs.node_mask(main_graph(graph)) if NETWORKS[name].of_nodes else np.arange(6) < 3

    def loss(params, graph):
        y = network.apply(params, state, graph).prediction
        return jnp.sum(jnp.sin(jnp.where(real[:, None], y, 0)))

    found = jax.value_and_grad(loss)(params, wild(graph))
    chex.assert_trees_all_close(found, jax.value_and_grad(loss)(params, graph), rtol=1e-4)


@pytest.mark.parametrize(
    ("network", "prepare"),
    [
        (models.GPS(models.Inputs(3, 2), width=12, num_layers=1), lambda graph: graph),
        (
            models.GRITNetwork(3, 2, width=16, num_layers=1, norm="layer", walks=3),
            partial(models.prepare_grit, walks=3),
        ),
        (
            models.Graphormer(3, None, width=16, num_layers=1, max_distance=3),
            partial(models.prepare_graphormer, max_distance=3),
        ),
    ],
    ids=["gps", "grit", "graphormer"],
)
@jax.disable_jit()
def test_nor_do_float_features(network, prepare):
    graph = testing.random_graph(0, 5, 10, 3, edge_width=2, undirected=True)
    has_edges = getattr(network, "edges", 2) is not None
    graph = prepare(graph if has_edges else graph._replace(edges=None))
    graph = graphs.pad(graph, graphs.Budget(10, 60, 3))
    params, state = network.init(jax.random.key(0))

    def loss(params, graph):
        return jnp.sum(network.apply(params, state, graph).prediction[:1])

    found = jax.value_and_grad(loss)(params, wild(graph))
    chex.assert_trees_all_close(found, jax.value_and_grad(loss)(params, graph), rtol=1e-4)


def wild(graph):
    """With NaN, inf and large numbers in the floats of padding nodes and edges."""
    if isinstance(graph, models.Patterned):
        return models.Patterned(*map(wild, graph))

    def other(x, real):
        if not jnp.issubdtype(x.dtype, jnp.floating):
            return x
        values = np.resize([np.nan, np.inf, -np.inf, 1e30], x.shape).astype(x.dtype)
        return np.where(real.reshape(-1, *[1] * (np.ndim(x) - 1)), x, values)

    node, edge = graphs.node_mask(graph), graphs.edge_mask(graph)
    return graph._replace(
        nodes=jax.tree.map(lambda x: other(x, node), graph.nodes),
        edges=jax.tree.map(lambda x: other(x, edge), graph.edges),
    )


@pytest.mark.parametrize("name", ["gps-zinc", "exphormer", "grit", "graphormer"])
def test_dropout_follows_its_key_and_a_bucket_is_traced_once(name):
    params, state = start(name)
    network = NETWORKS[name].network

    traces = []

    @jax.jit
    def step(graph, key):
        traces.append(name)
        return network.apply(params, state, graph, training=True, key=key).prediction

    step(ready(name, MOLECULES[:2]), jax.random.key(0))
    batch = ready(name, MOLECULES[1:])
    one, same, other = (step(batch, jax.random.key(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, other)
    assert len(traces) == 1


@each_network
def test_training_without_a_key_is_an_error_where_something_is_random(name):
    network, (params, state) = NETWORKS[name].network, start(name)
    graph = ready(name, MOLECULES)
    fields = vars(network).values()
    rates = [getattr(field, "dropout", 0.0) for field in fields if isinstance(field, nn.Layer)]
    if any(rates) or network.dropout:
        with pytest.raises(ValueError, match="key="):
            network.apply(params, state, graph, training=True)


@pytest.mark.parametrize("name", ["gps-zinc", "grit", "graphormer"])
def test_evaluation_ignores_the_key_and_keeps_the_statistics(name):
    network, (params, state) = NETWORKS[name].network, start(name)
    graph = ready(name, MOLECULES)
    out = network.apply(params, state, graph, key=jax.random.key(0))
    np.testing.assert_array_equal(out.prediction, network.apply(params, state, graph).prediction)
    assert out.state is state


@pytest.mark.parametrize("name", ["san", "grit", "grit-sparse-nodes", "graphormer-symmetric"])
def test_a_prepared_batch_is_the_batch_of_prepared_graphs(name):
    prepare = NETWORKS[name].prepare
    alone = [prepare(molecule) for molecule in MOLECULES]
    chex.assert_trees_all_equal(prepare(graphs.batch(MOLECULES)), batched(alone))


@each_network
def test_a_plain_graph_gives_what_a_prepared_one_gives(name):
    network, (params, state) = NETWORKS[name].network, start(name)
    plain = batched([NETWORKS[name].prepare(m) for m in MOLECULES])
    want = network.apply(params, state, ready(name, MOLECULES, None)).prediction
    found = network.apply(params, state, plain).prediction
    np.testing.assert_allclose(found, want, rtol=2e-4, atol=2e-5)


@each_network
def test_the_attention_of_every_layer_can_be_read(name):
    network, (params, state) = NETWORKS[name].network, start(name)
    graph = ready(name, MOLECULES)
    maps = jax.jit(network.apply)(params, state, graph).attention
    assert len(maps) == 2
    if "own-layers" in name or "message-passing" in name:
        assert maps == (None, None)
        return
    pattern = graph.pattern if isinstance(graph, models.Patterned) else graph
    real = np.asarray(graphs.edge_mask(pattern))
    for layer in maps:
        assert isinstance(layer, ops.Attention)
        if layer.weights.ndim == 4:
            assert layer.weights.shape == (6, 2, 9, 9)
            continue
        assert layer.weights.shape[0] == layer.logits.shape[0] == len(real)
        sums = ops.segment_sum(layer.weights[real], pattern.receivers[real], 28)
        if "symmetric" not in name:
            np.testing.assert_allclose(sums[np.unique(pattern.receivers[real])], 1, atol=1e-4)


@pytest.mark.parametrize("name", ["gps-zinc", "gps-gatv2", "exphormer", "san", "graphormer"])
def test_attention_that_is_not_read_is_not_computed(name):
    """Not even traced: it stays what could be computed."""
    network, (params, state) = NETWORKS[name].network, start(name)
    computed = []

    @jax.jit
    def prediction(graph):
        out = network.apply(params, state, graph)
        computed.extend("_computed" in vars(layer) for layer in out.attention)
        return out.prediction

    jax.eval_shape(prediction, ready(name, MOLECULES))
    assert computed == [False, False]


@each_network
def test_a_network_is_a_value(name):
    network = NETWORKS[name].network
    data = json.loads(json.dumps(values.to_json(network)))
    again = values.from_json(data, types=[Mean])
    assert again == network and hash(again) == hash(network)
    assert again != replace(network, width=24)
    assert repr(again) == repr(network) and repr(network).startswith(type(network).__name__ + "(")

    traces = []

    def run(network, params, state, graph):
        traces.append(name)
        return network.apply(params, state, graph).prediction.shape

    run = jax.jit(run, static_argnums=0)
    jax.eval_shape(lambda *a: run(network, *a), *start(name), ready(name, MOLECULES))
    jax.eval_shape(lambda *a: run(again, *a), *start(name), ready(name, MOLECULES))
    assert len(traces) == 1


@pytest.mark.parametrize("name", ["gps-zinc", "exphormer", "grit", "graphormer"])
def test_arrays_of_another_network_are_refused(name):
    network, (params, state) = NETWORKS[name].network, start(name)
    graph = ready(name, MOLECULES)
    with pytest.raises(ValueError, match=f"params must be the .* of {type(network).__name__}"):
        network.apply(params.readout if name != "graphormer" else params.blocks, state, graph)
    if state is not None:
        with pytest.raises(ValueError, match="state must be the"):
            network.apply(params, None, graph)
