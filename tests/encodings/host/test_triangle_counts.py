import networkx as nx
import numpy as np
import pytest
from _walk_cases import complete, grid, loops_and_duplicates, mixed, undirected

import graphattn_jax as ga
from graphattn_jax.encodings import triangle_counts


@pytest.mark.parametrize("seed", range(3))
def test_equals_networkx(seed):
    network = nx.barabasi_albert_graph(40, 4, seed=seed)
    counts = triangle_counts(ga.graphs.from_networkx(network))
    assert counts.dtype == np.int32
    assert counts.tolist() == [nx.triangles(network, i) for i in range(40)]
    assert counts.sum() > 0


def test_complete_graphs_and_lattices():
    assert triangle_counts(complete(6)).tolist() == [10] * 6
    assert triangle_counts(grid(3, 4)).tolist() == [0] * 12


def test_self_loops_and_duplicates_do_not_count():
    graph = loops_and_duplicates()
    assert triangle_counts(graph).tolist() == [0] * 4
    closed = undirected([(0, 1), (1, 2), (0, 2), (0, 1), (2, 2)], 3)
    assert triangle_counts(closed).tolist() == [1, 1, 1]


def test_directed_graphs():
    ring = ga.graphs.from_edge_list([0, 1, 2], [1, 2, 0])
    with pytest.raises(ValueError, match="triangle_counts needs an undirected graph"):
        triangle_counts(ring)
    assert triangle_counts(ring, directed="symmetrize").tolist() == [1, 1, 1]


def test_batch_padding_and_permutation(rng):
    graph = mixed()
    n = ga.graphs.num_nodes(graph)
    counts = triangle_counts(graph)
    alone = [triangle_counts(g) for g in ga.graphs.unbatch(graph)]
    np.testing.assert_array_equal(counts, np.concatenate(alone))
    assert counts.max() > 1
    padded = ga.graphs.pad(graph, ga.graphs.Budget(n + 3, len(graph.senders) + 5, 9))
    np.testing.assert_array_equal(triangle_counts(padded), np.r_[counts, 0, 0, 0])
    order = np.lexsort((rng.random(n), ga.graphs.node_graph_ids(graph)))
    moved = ga.testing.permute_nodes(graph, order)
    np.testing.assert_array_equal(triangle_counts(moved), counts[order])


def test_no_nodes_and_no_edges():
    assert triangle_counts(undirected([], 0)).shape == (0,)
    assert triangle_counts(undirected([], 2)).tolist() == [0, 0]
