"""What every message-passing layer promises: its equation, and what may not change a result."""

import re

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _rows import (
    EDGE_WIDTH,
    OUT,
    ROWS,
    WIDTH,
    each_bipartite_row,
    each_row,
    on_features,
    plain,
)
from jax.test_util import check_grads

from graphattn_jax import graphs, nn, testing, training, values

SUMS = [row for row in ROWS if row.name in ("gcn", "gcn-weighted", "sage", "gine")]


def layer_on_features(row, graph, *, with_layout=True):
    return on_features(row.outputs, graphs.prepare(graph) if with_layout else graph)


@each_row
@jax.disable_jit()
def test_layer_equals_its_dense_reference_in_values_and_gradients(row):
    graph = row.graph()
    testing.assert_implementations_agree(
        {
            "dense": on_features(row.dense, graph),
            "layout": layer_on_features(row, graph),
            "none": layer_on_features(row, graph, with_layout=False),
        },
        row.init(),
        graph.nodes,
        graph.edges,
        rtol=2e-5,
        atol=2e-6,
    )


def bipartite_graph(row, edge_mask=None):
    """From 6 nodes to 5, the last of which hears nothing."""
    rng = np.random.default_rng(0)
    pairs = rng.permutation(6 * 4)[:12]
    senders, receivers, edges = (
        rng.normal(size=shape).astype(np.float32)
        for shape in ((6, row.senders), (5, WIDTH), (12, row.edges or EDGE_WIDTH))
    )
    return graphs.bipartite(
        pairs % 6,
        pairs // 6,
        sender_nodes=senders,
        receiver_nodes=receivers,
        edges=edges,
        edge_mask=edge_mask,
    )


@each_bipartite_row
@jax.disable_jit()
def test_bipartite_edges_in_values_and_gradients(row):
    graph = bipartite_graph(row)
    testing.assert_implementations_agree(
        {
            "dense": on_features(row.dense, graph),
            "layout": on_features(row.outputs, graph),
            "none": on_features(row.outputs, plain(graph)),
        },
        row.init((row.senders, WIDTH)),
        graph.nodes,
        graph.edges,
        rtol=2e-5,
        atol=2e-6,
    )


@each_bipartite_row
@jax.disable_jit()
def test_masked_bipartite_edges_are_as_if_not_there(row):
    params, mask = row.init((row.senders, WIDTH)), np.arange(12) % 3 > 0
    masked, full = bipartite_graph(row, mask), bipartite_graph(row)
    fewer = graphs.bipartite(
        full.senders[mask],
        full.receivers[mask],
        sender_nodes=full.nodes.senders,
        receiver_nodes=full.nodes.receivers,
        edges=full.edges[mask],
    )
    got, want = row.outputs(params, masked)[0], row.outputs(params, fewer)[0]
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    out = row.apply(params, masked)
    assert out.nodes.senders is masked.nodes.senders and len(out.nodes.receivers) == 5


@each_row
@jax.disable_jit()
def test_nodes_may_be_renamed(row):
    testing.assert_permutation_equivariant(row.apply, row.init(), row.graph())


@each_row
@jax.disable_jit()
def test_edges_may_be_listed_in_any_order(row):
    testing.assert_edge_order_invariant(row.apply, row.init(), row.graph())


@each_row
@jax.disable_jit()
def test_forward_mode_of_the_reference_is_the_directional_derivative(row):
    slow = row._replace(layer=nn.with_implementation(row.layer, "reference"))
    arguments = row.init(), jnp.asarray(row.graph().nodes)
    direction = jax.tree.map(lambda x: jax.random.normal(jax.random.key(1), x.shape), arguments)

    def loss(row):
        graph = graphs.prepare(row.graph())
        return lambda params, x: sum(
            jnp.sum(jnp.sin(y)) for y in row.outputs(params, graph._replace(nodes=x))
        )

    _, found = jax.jvp(loss(slow), arguments, direction)
    gradients = jax.grad(loss(row), argnums=(0, 1))(*arguments)
    want = sum(map(jnp.vdot, jax.tree.leaves(gradients), jax.tree.leaves(direction)))
    np.testing.assert_allclose(found, want, rtol=1e-3, atol=1e-4)


@each_row
@pytest.mark.parametrize("with_layout", [True, False], ids=["layout", "no_layout"])
@jax.disable_jit()
def test_padding_changes_nothing(row, with_layout):
    def layer(params, graph):
        return row.apply(params, graph if with_layout else plain(graph))

    wild = (np.nan, np.inf, -np.inf, 1e30)
    testing.assert_padding_invariant(
        layer, row.init(), row.graph(), fill=wild, rtol=2e-5, atol=2e-6
    )


@each_row
@jax.disable_jit()
def test_a_graph_in_a_batch_is_as_alone(row):
    testing.assert_batch_invariant(row.apply, row.init(), [row.graph(0), row.graph(1, 5, 8)])


@each_row
def test_one_trace_serves_a_bucket_and_equals_eager(row):
    def loss(params, graph):
        nodes = row.apply(params, graph).nodes
        return jnp.sum(jnp.square(nodes), where=graphs.node_mask(graph)[:, None]), nodes

    eager = jax.value_and_grad(loss, has_aux=True)
    chex.clear_trace_counter()
    compiled = jax.jit(jax.value_and_grad(chex.assert_max_traces(loss, n=1), has_aux=True))
    budget = graphs.Budget(n_node=12, n_edge=32, n_graph=2)
    params = row.init()
    for seed, num_edges in ((1, 16), (2, 21)):
        padded = graphs.pad(row.graph(seed, num_edges=num_edges), budget)
        with jax.disable_jit():
            expected = eager(params, padded)
        chex.assert_trees_all_close(compiled(params, padded), expected, rtol=1e-4, atol=1e-5)


@each_row
@jax.disable_jit()
def test_layer_gradients_in_float64(row):
    graph = row.graph()
    with jax.enable_x64(True):
        inputs = jax.tree.map(
            lambda x: jnp.asarray(x, jnp.float64), (row.init(), graph.nodes, graph.edges)
        )
        # Small steps: rectifiers and extrema have kinks.
        check_grads(layer_on_features(row, graph), inputs, order=1, modes=["rev"], eps=1e-6)


@each_row
@jax.disable_jit()
def test_layer_in_bfloat16_errs_at_most_twice_as_much_as_the_plain_computation(row):
    graph = row.graph(0, 40, 200)  # the largest error of a few entries would be chance
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
    graph = row.graph()

    def has_one(with_layout):
        run = layer_on_features(row, graph, with_layout=with_layout)
        arguments = row.init(), graph.nodes, graph.edges
        jaxpr = jax.make_jaxpr(jax.grad(lambda *a: run(*a)[0].sum(), argnums=(0, 1)))(*arguments)
        return re.search(rf"\[{len(graph.senders)}(,1)?,({WIDTH}|{OUT})\]", str(jaxpr)) is not None

    assert has_one(with_layout=False)
    assert not has_one(with_layout=True)


@each_row
def test_layer_keeps_the_dtype_of_the_features(row):
    testing.assert_dtype_preserved(row.apply, row.init(), row.graph())


@each_row
def test_layer_parameters_survive_a_checkpoint(row, tmp_path):
    params = row.init()
    training.save_params(tmp_path / "params.npz", params)
    loaded = training.load_params(tmp_path / "params.npz", jax.tree.map(jnp.zeros_like, params))
    jax.tree.map(np.testing.assert_array_equal, loaded, params)


@each_row
def test_layer_is_a_value_that_goes_to_json_and_back(row):
    again = values.from_json(values.to_json(row.layer))
    assert again == row.layer and hash(again) == hash(row.layer)


@each_row
def test_the_width_of_the_output_is_that_of_the_input_unless_chosen(row):
    layer = type(row.layer)()
    graph = row.graph()._replace(edges=np.ones((25, WIDTH), np.float32))
    params = layer.init(jax.random.key(0), WIDTH, None if row.edges is None else WIDTH)
    assert layer.apply(params, graph).graph.nodes.shape == graph.nodes.shape


@each_row
@jax.disable_jit()
def test_ids_out_of_range_raise_outside_jit(row):
    graph, params = row.graph(), row.init()
    for name, bad in (("senders", 8), ("receivers", 8), ("senders", -1)):
        ids = getattr(graph, name).copy()
        ids[3] = bad
        with pytest.raises(ValueError, match=rf"must lie in \[0, 8\) .* got {bad} at position 3"):
            row.apply(params, graph._replace(**{name: ids}))


@each_row
def test_parameters_of_another_layer_raise(row):
    with pytest.raises(
        ValueError, match=rf"params must be the \w+Params of {type(row.layer).__name__}"
    ):
        row.apply((), row.graph())


@each_row
def test_features_of_another_width_raise(row):
    graph, params = row.graph(), row.init()
    with pytest.raises(ValueError, match=rf"graph.nodes must be an array of shape \[N, {WIDTH}\]"):
        row.apply(params, graph._replace(nodes=np.ones((8, WIDTH + 1), np.float32)))
    if row.edges is not None:
        wanted = rf"graph.edges must be an array of shape \[E, {row.edges}\]"
        for edges in (None, np.ones((25, row.edges + 1), np.float32)):
            with pytest.raises(ValueError, match=wanted):
                row.apply(params, graph._replace(edges=edges))


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


def make_graph(row, senders, receivers, num_nodes):
    rng = np.random.default_rng(0)
    return graphs.from_edge_list(
        np.array(senders, np.int32),
        np.array(receivers, np.int32),
        num_nodes=num_nodes,
        nodes=rng.normal(size=(num_nodes, WIDTH)).astype(np.float32),
        edges=rng.normal(size=(len(senders), row.edges or EDGE_WIDTH)).astype(np.float32),
    )


def assert_finite(row, graph):
    run = on_features(row.outputs, graph)
    testing.assert_finite_gradients(run, row.init(), graph.nodes, graph.edges)


@each_row
@pytest.mark.parametrize("scale", [0.0, 100.0])
@pytest.mark.usefixtures("debug_nans")
@jax.disable_jit()
def test_degenerate_graphs_are_finite(row, scale):
    graph = graphs.batch([make_graph(row, *structure) for structure in STRUCTURES])
    graph = graph._replace(nodes=(scale * graph.nodes).astype(np.float32))
    assert_finite(row, graphs.prepare(graph))


@each_row
@pytest.mark.usefixtures("debug_nans")
@jax.disable_jit()
def test_nothing_to_hear(row):
    """No nodes; and nothing but padding, with and without a layout."""
    graph = make_graph(row, [], [], 0)
    assert_finite(row, graphs.prepare(graph))
    padded = graphs.pad(graph, graphs.Budget(n_node=3, n_edge=5, n_graph=2))
    assert_finite(row, padded)
    assert_finite(row, plain(padded))


@each_row
@jax.disable_jit()
def test_a_node_without_incoming_edges_hears_nothing(row):
    """Its result is that of a graph of it alone, whatever the others are."""
    graph, params = row.graph(), row.init()
    together = row.apply(params, graphs.prepare(graph)).nodes[-1]
    alone = make_graph(row, [], [], 1)._replace(nodes=graph.nodes[-1:])
    np.testing.assert_allclose(together, row.apply(params, alone).nodes[0], rtol=1e-6, atol=1e-7)
