import numpy as np
import pytest

from graphattn_jax import graphs, testing


def pairs(graph):
    return list(zip(graph.senders.tolist(), graph.receivers.tolist()))


@pytest.mark.parametrize(("num_nodes", "num_edges"), [(6, 30), (5, 20), (7, 10), (4, 0), (1, 0)])
@pytest.mark.parametrize("undirected", [False, True])
def test_random_edges_are_distinct_without_loops(num_nodes, num_edges, undirected):
    graph = testing.random_graph(0, num_nodes, num_edges, 3, undirected=undirected, edge_width=2)
    edges = pairs(graph)
    assert len(edges) == len(set(edges)) == num_edges
    assert all(s != r for s, r in edges)
    assert graph.nodes.shape == (num_nodes, 3) and graph.nodes.dtype == np.float32
    assert graph.edges.shape == (num_edges, 2) and graph.edges.dtype == np.float32
    graphs.validate(graph)
    if undirected:
        features = dict(zip(edges, graph.edges.tolist()))
        assert all(features[r, s] == features[s, r] for s, r in edges)


def test_random_graph_options():
    graph = testing.random_graph(0, 5, 8, 3, self_loops=True, edge_width=1)
    assert pairs(graph)[8:] == [(i, i) for i in range(5)]
    assert graph.edges.shape == (13, 1)
    assert testing.random_graph(0, 5, 8, 3).edges is None
    again = testing.random_graph(0, 5, 8, 3)
    other = testing.random_graph(1, 5, 8, 3)
    assert pairs(again) == pairs(testing.random_graph(0, 5, 8, 3)) != pairs(other)
    assert np.any(again.nodes != other.nodes)


def test_permuting_nodes_keeps_the_graph(rng):
    graph = testing.random_graph(0, 6, 12, 2, edge_width=2)
    permutation = rng.permutation(6)
    moved = testing.permute_nodes(graph, permutation)
    np.testing.assert_array_equal(moved.nodes, graph.nodes[permutation])
    # Every edge still joins the same features, in the same row.
    np.testing.assert_array_equal(moved.nodes[moved.senders], graph.nodes[graph.senders])
    np.testing.assert_array_equal(moved.nodes[moved.receivers], graph.nodes[graph.receivers])
    np.testing.assert_array_equal(moved.edges, graph.edges)


def test_permuting_edges_moves_their_features_too(rng):
    graph = testing.random_graph(0, 6, 12, 2, edge_width=2)
    permutation = rng.permutation(12)
    moved = testing.permute_edges(graph, permutation)
    for name in ("edges", "senders", "receivers"):
        np.testing.assert_array_equal(getattr(moved, name), getattr(graph, name)[permutation])
    assert moved.nodes is graph.nodes


def test_a_padded_graph_stays_padded():
    graph = graphs.pad(testing.random_graph(0, 3, 4, 2), graphs.Budget(5, 6, 2))
    for moved in (
        testing.permute_nodes(graph, np.array([1, 0, 2, 4, 3])),
        testing.permute_edges(graph, np.array([1, 0, 2, 3, 5, 4])),
    ):
        assert type(moved) is graphs.PaddedGraphsTuple
        assert graphs.prepare(moved).layout.node_mask.tolist() == [True] * 3 + [False] * 2


def test_bipartite_graphs_are_refused():
    graph = graphs.bipartite([0], [0], sender_nodes=np.ones((2, 1)), receiver_nodes=np.ones((1, 1)))
    for permute in (testing.permute_nodes, testing.permute_edges):
        with pytest.raises(
            ValueError, match=f"{permute.__name__} is for graphs with one set of nodes"
        ):
            permute(graph, np.array([0]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g: testing.random_graph(0, 3, 7, 2), r"num_edges must lie in \[0, 6\] for 3 nodes"),
        (lambda g: testing.random_graph(0, 3, 3, 2, undirected=True), "must be even"),
        (lambda g: testing.random_graph(0, 0, 0, 2), "num_nodes must be a positive integer"),
        (lambda g: testing.permute_nodes(g, np.array([0, 0, 1, 2])), "each of the 4 nodes once"),
        (lambda g: testing.permute_nodes(g, np.array([2, 1, 0, 3])), "moves nodes between the"),
        (
            lambda g: testing.permute_edges(g, np.array([0, 1])),
            r"permutation must have shape \[4\]",
        ),
        (lambda g: testing.permute_edges(g, np.array([3, 1, 2, 0])), "moves edges between the"),
    ],
)
def test_errors(call, message):
    pair = testing.random_graph(0, 2, 2, 3)
    with pytest.raises(ValueError, match=message):
        call(graphs.batch([pair, pair]))
