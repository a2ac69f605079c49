import networkx as nx
import numpy as np
import pytest

import graphattn_jax as ga
from graphattn_jax.encodings import (
    distance_buckets,
    extend_to_virtual_nodes,
    shortest_path_distances,
)


def reference(graph, max_distance, directed=False):
    """Floyd and Warshall, pair by pair: `[receiver, sender]`."""
    n = ga.graphs.num_nodes(graph)
    hops = np.where(np.eye(n, dtype=bool), 0.0, np.inf)
    for j, i in zip(graph.senders, graph.receivers, strict=True):
        if i != j:
            hops[i, j] = 1
            if not directed:
                hops[j, i] = 1
    for k in range(n):
        hops = np.minimum(hops, hops[:, k, None] + hops[None, k, :])
    far = np.where(np.isinf(hops), max_distance + 2, max_distance + 1)
    return np.where(hops <= max_distance, hops, far).astype(np.int32)


def of_all_pairs(graph, max_distance, **options):
    pairs = ga.graphs.all_pairs(graph)
    n = ga.graphs.num_nodes(graph)
    values = shortest_path_distances(graph, max_distance, pattern=pairs, **options)
    return values.reshape(n, n)


@pytest.mark.parametrize("max_distance", [1, 3, 20])
@pytest.mark.parametrize("num_edges", [0, 20, 30, 120])
def test_is_floyd_warshall(num_edges, max_distance):
    graph = ga.testing.random_graph(num_edges, 25, num_edges, 1, undirected=True)
    got = of_all_pairs(graph, max_distance)
    np.testing.assert_array_equal(got, reference(graph, max_distance))
    np.testing.assert_array_equal(got, got.T)


@pytest.mark.parametrize("num_edges", [10, 25, 60])
def test_directed_paths_run_from_sender_to_receiver(num_edges):
    graph = ga.testing.random_graph(num_edges, 20, num_edges, 1)
    got = of_all_pairs(graph, 2, directed="keep")
    np.testing.assert_array_equal(got, reference(graph, 2, directed=True))
    assert (got != got.T).any()
    both_ways = of_all_pairs(graph, 2, directed="symmetrize")
    np.testing.assert_array_equal(both_ways, reference(graph, 2))


def test_a_directed_path():
    graph = ga.graphs.from_edge_list([0, 1, 2], [1, 2, 3])
    got = of_all_pairs(graph, 2, directed="keep")  # K + 1 = 3 is beyond, 4 unreachable
    assert got.tolist() == [[0, 4, 4, 4], [1, 0, 4, 4], [2, 1, 0, 4], [3, 2, 1, 0]]


def test_more_senders_than_bits_in_a_word():
    """Components of 150, 70 and 1 nodes: three, two and one blocks of senders."""
    parts = [
        ga.graphs.from_networkx(nx.cycle_graph(150)),
        ga.graphs.from_networkx(nx.path_graph(70)),
        ga.graphs.from_edge_list([], [], num_nodes=1),
    ]
    graph = ga.graphs.batch([ga.graphs.add_reverse_edges(part) for part in parts])
    pairs = ga.graphs.all_pairs(graph)
    got = shortest_path_distances(graph, 200, pattern=pairs)
    gap = np.abs(np.subtract.outer(np.arange(150), np.arange(150)))
    np.testing.assert_array_equal(got[:22500].reshape(150, 150), np.minimum(gap, 150 - gap))
    np.testing.assert_array_equal(got[22500:-1].reshape(70, 70), gap[:70, :70])
    assert got[-1] == 0


def test_directed_blocks_know_what_no_path_leads_to():
    graph = ga.graphs.from_edge_list(np.arange(139), np.arange(1, 140))
    got = of_all_pairs(graph, 3, directed="keep")
    gap = np.subtract.outer(np.arange(140), np.arange(140))
    np.testing.assert_array_equal(got, np.where(gap < 0, 5, np.minimum(gap, 4)))


def test_only_the_pairs_asked_for():
    graph = ga.testing.random_graph(0, 30, 60, 1, undirected=True)
    rng = np.random.default_rng(0)
    senders, receivers = rng.integers(0, 30, (2, 40))
    pattern = ga.graphs.from_edge_list(senders, receivers, num_nodes=30)
    got = shortest_path_distances(graph, 3, pattern=pattern)
    np.testing.assert_array_equal(got, reference(graph, 3)[receivers, senders])


def test_own_edges_are_one_hop_and_loops_none():
    graph = ga.graphs.from_edge_list([0, 0, 1, 1, 1], [0, 1, 0, 0, 1])
    assert shortest_path_distances(graph, 1, directed="symmetrize").tolist() == [0, 1, 1, 1, 0]


def test_buckets_are_distinct_and_counted():
    buckets = distance_buckets(4)
    numbers = {*range(5), buckets.beyond, buckets.unreachable, buckets.virtual}
    assert numbers == set(range(buckets.count))


def test_a_large_sparse_graph_with_few_pairs():
    """A cycle of 100,000 nodes: no array of all pairs is made."""
    ids = np.arange(100_000)
    graph = ga.graphs.add_reverse_edges(ga.graphs.from_edge_list(ids, (ids + 1) % 100_000))
    pattern = ga.graphs.from_edge_list([0, 0, 0, 7], [3, 99_998, 50_000, 5], num_nodes=100_000)
    assert shortest_path_distances(graph, 4, pattern=pattern).tolist() == [3, 2, 5, 2]


def test_virtual_nodes_have_their_own_bucket():
    parts = [
        ga.graphs.from_edge_list([0, 1], [1, 0]),
        ga.graphs.from_edge_list([], [], num_nodes=1),
    ]
    pattern = ga.graphs.all_pairs(ga.graphs.batch(parts))
    values = shortest_path_distances(ga.graphs.batch(parts), 2, pattern=pattern)
    virtual = distance_buckets(2).virtual
    got = extend_to_virtual_nodes(values, pattern, virtual)
    grown = ga.graphs.add_virtual_node(pattern)
    is_virtual = np.isin(np.stack([grown.senders, grown.receivers]), [2, 4]).any(0)
    np.testing.assert_array_equal(got == virtual, is_virtual)
    np.testing.assert_array_equal(got[~is_virtual], values)
    assert got.dtype == np.int32


def test_virtual_rows_of_any_width():
    graph = ga.graphs.from_edge_list([0, 1], [1, 0], nodes=[[1.0], [2.0]])
    got = extend_to_virtual_nodes(np.ones((2, 3), np.float32), graph, 0)
    assert got.shape == (6, 3)
    assert got.sum() == 6
    with pytest.raises(ValueError, match="values must have one row for each of 2 edges"):
        extend_to_virtual_nodes(np.ones(3), graph, 0)


def test_errors():
    arrow = ga.graphs.from_edge_list([0], [1])
    with pytest.raises(ValueError, match="max_distance must be a positive integer, got int 0"):
        shortest_path_distances(arrow, 0)
    with pytest.raises(ValueError, match="shortest_path_distances needs an undirected graph"):
        shortest_path_distances(arrow, 2)
    with pytest.raises(ValueError, match="directed must be one of"):
        shortest_path_distances(arrow, 2, directed="both")
    with pytest.raises(ValueError, match="pattern must have the nodes of graph, got 3 and 2"):
        shortest_path_distances(arrow, 2, pattern=ga.graphs.from_edge_list([0], [2]))
