"""What every message-passing layer promises: its equation, and what may not change a result."""

import re

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _rows import EDGE_WIDTH, OUT, ROWS, WIDTH, directed_graph, each_row, on_features, outputs
from jax.test_util import check_grads

from graphattn_jax import graphs, testing, training

GRAPH = directed_graph(0)
SUMS = [row for row in ROWS if row.name in ("gcn", "gcn-weighted", "sage", "gine")]


def layer_on_features(row, graph=GRAPH, *, with_layout=True):
    layout = graphs.layout(graph) if with_layout else None
    return on_features(lambda p, g: outputs(p, row.apply(p, g, layout)), graph)


@each_row
@jax.disable_jit()
def test_layer_equals_its_dense_reference_in_values_and_gradients(row):
    ways = {"layout": layer_on_features(row), "none": layer_on_features(row, with_layout=False)}
    testing.assert_implementations_agree(
        {"dense": on_features(row.dense, GRAPH), **ways},
        row.init(),
        GRAPH.nodes,
        GRAPH.edges,
        rtol=2e-5,
        atol=2e-6,
    )


@each_row
@jax.disable_jit()
def test_nodes_may_be_renamed(row):
    testing.assert_permutation_equivariant(row.apply, row.init(), GRAPH)


@each_row
@jax.disable_jit()
def test_edges_may_be_listed_in_any_order(row):
    testing.assert_edge_order_invariant(row.apply, row.init(), GRAPH)


@each_row
@pytest.mark.parametrize("with_layout", [True, False], ids=["layout", "no_layout"])
@jax.disable_jit()
def test_padding_changes_nothing(row, with_layout):
    def layer(params, graph, layout):
        return row.apply(params, graph, layout if with_layout else None)

    testing.assert_padding_invariant(layer, row.init(), GRAPH, rtol=2e-5, atol=2e-6)


@each_row
@jax.disable_jit()
def test_a_graph_in_a_batch_is_as_alone(row):
    batch = [directed_graph(0), directed_graph(1, 5, 8)]
    testing.assert_batch_invariant(row.apply, row.init(), batch)


@each_row
def test_one_trace_serves_a_bucket_and_equals_eager(row):
    def loss(params, graph, layout):
        nodes = row.apply(params, graph, layout).nodes
        return jnp.sum(jnp.square(nodes), where=layout.node_mask[:, None]), nodes

    eager = jax.value_and_grad(loss, has_aux=True)
    chex.clear_trace_counter()
    compiled = jax.jit(jax.value_and_grad(chex.assert_max_traces(loss, n=1), has_aux=True))
    budget = graphs.Budget(n_node=12, n_edge=32, n_graph=2)
    params = row.init()
    for seed, num_edges in ((1, 16), (2, 21)):
        padded = graphs.pad(directed_graph(seed, num_edges=num_edges), budget)
        layout = graphs.layout(padded)
        with jax.disable_jit():
            expected = eager(params, padded, layout)
        chex.assert_trees_all_close(
            compiled(params, padded, layout), expected, rtol=1e-4, atol=1e-5
        )


@each_row
@jax.disable_jit()
def test_layer_gradients_in_float64(row):
    with jax.enable_x64(True):
        inputs = jax.tree.map(
            lambda x: jnp.asarray(x, jnp.float64), (row.init(), GRAPH.nodes, GRAPH.edges)
        )
        # Small steps: rectifiers and extrema have kinks.
        check_grads(layer_on_features(row), inputs, order=1, modes=["rev"], eps=1e-6)


@each_row
@jax.disable_jit()
def test_layer_in_bfloat16_errs_at_most_twice_as_much_as_the_plain_computation(row):
    graph = directed_graph(0, 40, 200)  # the largest error of a few entries would be chance
    testing.assert_low_precision_error(
        layer_on_features(row, graph),
        on_features(row.dense, graph),
        row.init(),
        graph.nodes,
        graph.edges,
        gradients=False,
    )


@pytest.mark.parametrize("row", SUMS, ids=lambda row: row.name)
def test_weighted_sums_form_no_array_of_edges_times_channels(row):
    """With a layout, neither forwards nor backwards; without one there is such an array."""

    def has_one(with_layout):
        run = layer_on_features(row, with_layout=with_layout)
        arguments = row.init(), GRAPH.nodes, GRAPH.edges
        jaxpr = jax.make_jaxpr(jax.grad(lambda *a: run(*a)[0].sum(), argnums=(0, 1)))(*arguments)
        return re.search(rf"\[{len(GRAPH.senders)}(,1)?,({WIDTH}|{OUT})\]", str(jaxpr)) is not None

    assert has_one(with_layout=False)
    assert not has_one(with_layout=True)


@each_row
def test_layer_keeps_the_dtype_of_the_features(row):
    testing.assert_dtype_preserved(row.apply, row.init(), GRAPH)


@each_row
def test_layer_parameters_survive_a_checkpoint(row, tmp_path):
    params = row.init()
    training.save_params(tmp_path / "params.npz", params)
    loaded = training.load_params(tmp_path / "params.npz", jax.tree.map(jnp.zeros_like, params))
    jax.tree.map(np.testing.assert_array_equal, loaded, params)


# Senders, receivers, number of nodes.
STRUCTURES = (
    ([], [], 1),
    ([0], [0], 1),  # a self-loop
    ([], [], 0),
    ([0], [2], 4),  # isolated nodes
    ([0, 1, 2], [0, 1, 2], 3),
    ([0, 0, 0, 1, 1], [1, 1, 1, 0, 1], 2),  # parallel edges
    ([1, 2, 3, 0, 0, 0], [0, 0, 0, 1, 2, 3], 4),
)


def make_graph(senders, receivers, num_nodes):
    rng = np.random.default_rng(0)
    return graphs.from_edge_list(
        np.array(senders, np.int32),
        np.array(receivers, np.int32),
        num_nodes=num_nodes,
        nodes=rng.normal(size=(num_nodes, WIDTH)).astype(np.float32),
        edges=rng.normal(size=(len(senders), EDGE_WIDTH)).astype(np.float32),
    )


def assert_finite(row, graph, layout):
    run = on_features(lambda p, g: outputs(p, row.apply(p, g, layout)), graph)
    testing.assert_finite_gradients(run, row.init(), graph.nodes, graph.edges)


@each_row
@pytest.mark.parametrize("scale", [0.0, 100.0])
@pytest.mark.usefixtures("debug_nans")
@jax.disable_jit()
def test_degenerate_graphs_are_finite(row, scale):
    graph = graphs.batch([make_graph(*structure) for structure in STRUCTURES])
    graph = graph._replace(nodes=(scale * graph.nodes).astype(np.float32))
    assert_finite(row, graph, graphs.layout(graph))


@each_row
@pytest.mark.usefixtures("debug_nans")
@jax.disable_jit()
def test_nothing_to_hear(row):
    """No nodes; and nothing but padding, with and without a layout."""
    graph = make_graph([], [], 0)
    assert_finite(row, graph, graphs.layout(graph))
    padded = graphs.pad(graph, graphs.Budget(n_node=3, n_edge=5, n_graph=2))
    assert_finite(row, padded, graphs.layout(padded))
    assert_finite(row, padded, None)


@each_row
@jax.disable_jit()
def test_a_node_without_incoming_edges_hears_nothing(row):
    """Its result is that of a graph of it alone, whatever the others are."""
    together = row.apply(row.init(), GRAPH, graphs.layout(GRAPH)).nodes[-1]
    alone = make_graph([], [], 1)._replace(nodes=GRAPH.nodes[-1:])
    np.testing.assert_allclose(
        together, row.apply(row.init(), alone, None).nodes[0], rtol=1e-6, atol=1e-7
    )
