import numpy as np
import pytest
from _walk_cases import complete, loops_and_duplicates, mixed, star, undirected

import graphattn_jax as ga
from graphattn_jax.encodings import common_neighbours


def dense_counts(graph):
    simple = (ga.graphs.to_dense(graph) > 0) & ~np.eye(ga.graphs.num_nodes(graph), dtype=bool)
    return (simple.astype(int) @ simple.astype(int)).astype(np.int32)


@pytest.mark.parametrize("entries", [7, 2**22], ids=["many blocks", "one block"])
@pytest.mark.parametrize("graph", [mixed(), loops_and_duplicates(), star(6), complete(5)])
def test_equals_the_square_of_the_simple_adjacency(graph, entries, monkeypatch):
    monkeypatch.setattr("graphattn_jax.encodings.host._common_neighbours._ENTRIES", entries)
    for pattern in (None, ga.graphs.all_pairs(graph)):
        pairs = graph if pattern is None else pattern
        counts = common_neighbours(graph, pattern=pattern)
        assert counts.dtype == np.int32
        want = dense_counts(graph)[pairs.receivers, pairs.senders]
        np.testing.assert_array_equal(counts, want)


def test_complete_graph_and_clipping():
    graph = complete(6)
    np.testing.assert_array_equal(common_neighbours(graph), np.full(30, 4))
    np.testing.assert_array_equal(common_neighbours(graph, max_count=3), np.full(30, 3))
    np.testing.assert_array_equal(common_neighbours(graph, max_count=4), np.full(30, 4))


def test_directed_graphs():
    graph = ga.graphs.from_edge_list([0, 1, 0], [1, 2, 2])
    with pytest.raises(ValueError, match="common_neighbours needs an undirected graph"):
        common_neighbours(graph)
    np.testing.assert_array_equal(common_neighbours(graph, directed="symmetrize"), [1, 1, 1])


def test_padding_pairs_get_zero():
    graph = complete(4)
    padded = ga.graphs.pad(graph, ga.graphs.Budget(6, 15, 2))
    np.testing.assert_array_equal(common_neighbours(padded), [2] * 12 + [0] * 3)


def test_permutation_equivariance(rng):
    graph = mixed()
    ids = ga.graphs.node_graph_ids(graph)
    moved = ga.testing.permute_nodes(graph, np.lexsort((rng.random(len(ids)), ids)))
    np.testing.assert_array_equal(common_neighbours(moved), common_neighbours(graph))


def test_no_edges():
    graph = undirected([], 2)
    assert common_neighbours(graph).shape == (0,)
    np.testing.assert_array_equal(
        common_neighbours(graph, pattern=ga.graphs.all_pairs(graph)), np.zeros(4)
    )


def test_errors():
    with pytest.raises(ValueError, match="max_count must be a positive integer, got int 0"):
        common_neighbours(star(2), max_count=0)
    with pytest.raises(ValueError, match="pattern must have the nodes of graph"):
        common_neighbours(star(2), pattern=star(3))
    with pytest.raises(ValueError, match="directed must be one of 'error', 'symmetrize'"):
        common_neighbours(star(2), directed="keep")
