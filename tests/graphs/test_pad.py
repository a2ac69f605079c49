import jax
import jraph
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphattn_jax as ga

deterministic = settings(max_examples=25, deadline=None, derandomize=True)


@given(data=st.data(), spare=st.tuples(st.integers(1, 5), st.integers(0, 20), st.integers(1, 3)))
@deterministic
def test_unpad_inverts_pad(data, spare, batch_strategy, assert_same):
    graph = ga.graphs.batch(data.draw(batch_strategy))
    total = (graph.n_node.sum(), graph.n_edge.sum(), len(graph.n_node))
    budget = ga.graphs.Budget(*(int(t) + s for t, s in zip(total, spare, strict=True)))
    padded = ga.graphs.validate(ga.graphs.pad(graph, budget))
    assert type(padded) is ga.graphs.PreparedGraph
    assert ga.graphs.num_nodes(padded) == budget.n_node
    assert ga.graphs.num_edges(padded) == budget.n_edge
    assert ga.graphs.num_graphs(padded) == budget.n_graph
    assert_same(ga.graphs.unpad(padded), graph)


def test_padding_edges_are_spread_sorted_and_among_padding_nodes(two_graphs):
    padded = ga.graphs.pad(two_graphs, ga.graphs.Budget(n_node=9, n_edge=16, n_graph=4))
    senders, receivers = padded.senders[5:], padded.receivers[5:]
    assert (np.diff(receivers) >= 0).all()
    assert receivers.min() == 5 and receivers.max() == 8
    np.testing.assert_array_equal(senders, receivers)
    assert sorted(np.bincount(receivers - 5)) == [2, 3, 3, 3]
    assert padded.n_node.tolist() == [3, 2, 4, 0] and padded.n_edge.tolist() == [2, 3, 11, 0]


def test_real_rows_keep_order_and_padding_features_are_zero(two_graphs):
    padded = ga.graphs.pad(two_graphs, ga.graphs.Budget(8, 8, 4))
    np.testing.assert_array_equal(padded.senders[:5], two_graphs.senders)
    np.testing.assert_array_equal(padded.edges[:5], two_graphs.edges)
    for x, real in ((padded.nodes, 5), (padded.edges, 5), (padded.globals, 2)):
        assert x.dtype == np.float32 and not x[real:].any() and x[:real].any()


def test_empty_batch(two_graphs):
    nothing = jax.tree.map(lambda x: x[:0], two_graphs)
    padded = ga.graphs.validate(ga.graphs.pad(nothing, ga.graphs.Budget(4, 4, 3)))
    assert not ga.graphs.graph_mask(padded).any() and not ga.graphs.node_mask(padded).any()
    assert ga.graphs.unpad(padded).nodes.shape == (0, 1)


def test_unpad_reads_graphs_padded_by_jraph_when_marked(two_graphs):
    theirs = jraph.pad_with_graphs(two_graphs, 8, 9, 4)
    marked = ga.graphs.PaddedGraphsTuple(*theirs)
    np.testing.assert_array_equal(ga.graphs.unpad(marked).nodes, two_graphs.nodes)
    assert ga.graphs.num_nodes(ga.graphs.unpad(theirs)) == 8


def test_jraph_unpads_ours(two_graphs):
    ours = ga.graphs.pad(two_graphs, ga.graphs.Budget(8, 9, 4))
    theirs = jraph.unpad_with_graphs(ours)
    for a, b in zip(theirs, two_graphs, strict=True):
        np.testing.assert_array_equal(a, b)


def test_unpad_of_model_output_on_the_device(two_graphs):
    padded = ga.graphs.pad(two_graphs, ga.graphs.Budget(8, 9, 4))
    output = jax.jit(lambda g: g._replace(nodes=2.0 * g.nodes))(padded)
    np.testing.assert_array_equal(ga.graphs.unpad(output).nodes, 2 * two_graphs.nodes)


def test_fill_ratio(two_graphs):
    padded = ga.graphs.pad(two_graphs, ga.graphs.Budget(10, 20, 4))
    assert ga.graphs.fill_ratio(padded) == (0.5, 0.25, 0.5)
    assert ga.graphs.fill_ratio(two_graphs) == (1.0, 1.0, 1.0)
    edgeless = ga.graphs.from_edge_list([], [], num_nodes=1)
    assert ga.graphs.fill_ratio(ga.graphs.pad(edgeless, ga.graphs.Budget(2, 0, 2))).edges == 1.0


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        ((5, 9, 4), r"1 nodes too many \(5, room for 4\)"),
        ((8, 3, 4), r"2 edges too many \(5, room for 3\)"),
        ((8, 9, 2), r"1 graphs too many \(2, room for 1\)"),
        ((5, 3, 2), r"Budget\(n_node=6, n_edge=5, n_graph=3\) would fit"),
    ],
)
def test_too_large(two_graphs, budget, message):
    with pytest.raises(ValueError, match=message):
        ga.graphs.pad(two_graphs, ga.graphs.Budget(*budget))


def test_padding_twice_is_refused(two_graphs):
    padded = ga.graphs.pad(two_graphs, ga.graphs.Budget(8, 9, 4))
    with pytest.raises(ValueError, match="pad got a padded graph"):
        ga.graphs.pad(padded, ga.graphs.Budget(16, 16, 8))


def test_an_unpadded_graph_comes_back_as_it_was(two_graphs, assert_same):
    prepared = ga.graphs.prepare(two_graphs)
    assert_same(ga.graphs.unpad(two_graphs), two_graphs)
    assert_same(ga.graphs.unpad(jax.device_put(prepared)), prepared)
    assert ga.graphs.fill_ratio(prepared) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"globals": np.ones((3, 1))}, "globals must have 2 rows, the number of graphs"),
        ({"nodes": np.ones((4, 1))}, "nodes must have 5 rows"),
        ({"edges": {"x": np.ones((6, 1))}}, r"edges\['x'\] must have 5 rows"),
        ({"n_node": np.array([3, 1])}, "nodes must have 4 rows, the sum of n_node"),
        ({"n_edge": np.array([3, 3])}, "senders has 5 ids, but n_edge adds up to 6"),
    ],
)
def test_rows_that_do_not_fit(two_graphs, change, message):
    with pytest.raises(ValueError, match=message):
        ga.graphs.pad(two_graphs._replace(**change), ga.graphs.Budget(16, 16, 8))


def test_block_size(two_graphs):
    budget = ga.graphs.Budget(8, 9, 4)
    assert ga.graphs.pad(two_graphs, budget).layout.blocks is None
    blocks = ga.graphs.pad(two_graphs, budget, block_size=3).layout.blocks
    assert blocks.node.tolist() == [[0, 1, 2], [3, 4, 8], [8, 8, 8], [8, 8, 8]]
    with pytest.raises(ValueError, match=r"block_size must be at least 3, .* got 2"):
        ga.graphs.pad(two_graphs, budget, block_size=2)
