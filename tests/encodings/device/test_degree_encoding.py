import jax
import numpy as np
import pytest
from _walk_cases import mixed, star, undirected

import graphattn_jax as ga
from graphattn_jax.encodings import degree_encoding


def test_classes_are_clipped_degrees_plus_one():
    graph = star(5)
    for top, hub in ((9, 6), (5, 6), (3, 4), (1, 2)):
        classes = degree_encoding(graph, top)
        assert classes.tolist() == [hub, 2, 2, 2, 2, 2]
        assert classes.dtype == np.int32


def test_directions_duplicates_and_self_loops():
    graph = ga.graphs.from_edge_list([0, 0, 0, 2], [1, 1, 2, 2], num_nodes=4)
    assert degree_encoding(graph, 9).tolist() == [1, 3, 3, 1]
    assert degree_encoding(graph, 9, direction="out").tolist() == [4, 1, 2, 1]


def test_degree_zero_is_not_padding_and_encoding_commutes_with_pad():
    graph = mixed()
    n = ga.graphs.num_nodes(graph)
    budget = ga.graphs.Budget(n + 4, len(graph.senders) + 6, 9)
    classes = degree_encoding(graph, 3)
    assert classes.min() == 1 and classes.max() == 4
    after = degree_encoding(ga.graphs.pad(graph, budget), 3)
    before = ga.graphs.pad(graph._replace(nodes=classes), budget).nodes
    np.testing.assert_array_equal(after, before)
    assert after[n:].tolist() == [0] * 4


def test_under_jit():
    graph = ga.testing.random_graph(0, 6, 20, 2)
    padded = ga.graphs.pad(graph, ga.graphs.Budget(9, 24, 2))
    traced = jax.jit(lambda g: degree_encoding(g, 3))(padded)
    assert isinstance(traced, jax.Array) and traced.dtype == np.int32
    np.testing.assert_array_equal(traced, degree_encoding(padded, 3))


def test_no_nodes():
    assert degree_encoding(undirected([], 0), 3).shape == (0,)


def test_errors():
    with pytest.raises(ValueError, match="max_degree must be a positive integer, got int 0"):
        degree_encoding(star(2), 0)
    with pytest.raises(ValueError, match="direction must be one of 'in', 'out'"):
        degree_encoding(star(2), 3, direction="both")
