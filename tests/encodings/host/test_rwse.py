import numpy as np
import pytest
from _walk_cases import (
    complete,
    cycle,
    dense_powers,
    grid,
    loops_and_duplicates,
    mixed,
    star,
    undirected,
)

import graphattn_jax as ga
from graphattn_jax.encodings import rwse


@pytest.fixture(params=["stacks", "columns"])
def method(request, monkeypatch):
    """Both ways of computing, each for components of all sizes."""
    if request.param == "columns":
        monkeypatch.setattr("graphattn_jax.encodings.host._rwse.DENSE_NODES", 1)
        monkeypatch.setattr("graphattn_jax.encodings.host._rwse.COLUMNS", 3)
    return request.param


def dense_rwse(graph, k, weight=None):
    return np.diagonal(dense_powers(graph, k, weight)).T[:, 1:]


@pytest.mark.parametrize("k", [1, 2, 3, 8])
@pytest.mark.parametrize("graph", [mixed(), loops_and_duplicates()])
def test_equals_the_diagonal_of_dense_powers(graph, k, method):
    values = rwse(graph, k)
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, dense_rwse(graph, k), atol=1e-6)


def test_closed_forms():
    t = np.arange(1, 9)
    for n in (5, 6):
        want = np.mean(np.cos(2 * np.pi * np.arange(n)[:, None] / n) ** t, axis=0)
        np.testing.assert_allclose(rwse(cycle(n), 8), np.tile(want, (n, 1)), atol=1e-6)
    n = 7
    want = (1 + (n - 1) * (-1 / (n - 1)) ** t) / n
    np.testing.assert_allclose(rwse(complete(n), 8), np.tile(want, (n, 1)), atol=1e-6)
    hub = (t % 2 == 0).astype(float)
    np.testing.assert_allclose(rwse(star(4), 8), np.stack([hub] + [hub / 4] * 4), atol=1e-6)


@pytest.mark.parametrize("method", ["columns"], indirect=True)
def test_bands_of_a_lattice_with_more_columns_than_a_block(method):
    graph = grid(9, 8)
    np.testing.assert_allclose(rwse(graph, 7), dense_rwse(graph, 7), atol=1e-6)


@pytest.mark.parametrize("edges", [900, 15000], ids=["sparse", "dense"])
def test_large_components_as_they_are(edges):
    graph = ga.testing.random_graph(3, 200, edges, 1, undirected=True)
    np.testing.assert_allclose(rwse(graph, 16), dense_rwse(graph, 16), rtol=1e-5, atol=1e-7)


def test_weights(rng, method):
    graph = grid(4, 4)
    weight = rng.uniform(0.1, 5, len(graph.senders))
    reverse = ga.ops.reverse_edges(graph.senders, graph.receivers)
    weight = (weight + weight[reverse]) / 2
    values = rwse(graph, 6, edge_weight=weight[:, None])
    np.testing.assert_allclose(values, dense_rwse(graph, 6, weight), atol=1e-6)
    np.testing.assert_allclose(rwse(graph, 6, edge_weight=1e-20 * weight), values, atol=1e-6)


def test_three_steps_with_weights_and_loops(rng):
    graph = ga.testing.random_graph(2, 40, 300, 1, undirected=True)
    graph = ga.graphs.coalesce(ga.graphs.add_self_loops(graph)._replace(edges=None))
    weight = rng.uniform(0.1, 5, len(graph.senders))
    weight = weight + weight[ga.ops.reverse_edges(graph.senders, graph.receivers)]
    values = rwse(graph, 3, edge_weight=weight)
    np.testing.assert_allclose(values, dense_rwse(graph, 3, weight), rtol=1e-5)
    np.testing.assert_allclose(values, rwse(graph, 4, edge_weight=weight)[:, :3], rtol=1e-5)


def test_directed_graphs(rng, method):
    graph = ga.testing.random_graph(1, 10, 40, 1)
    with pytest.raises(ValueError, match=r"rwse needs an undirected graph.*add_reverse_edges"):
        rwse(graph, 3)
    np.testing.assert_allclose(rwse(graph, 7, directed="keep"), dense_rwse(graph, 7), atol=1e-6)
    both = ga.graphs.coalesce(ga.graphs.add_reverse_edges(graph))
    np.testing.assert_allclose(rwse(graph, 7, directed="symmetrize"), rwse(both, 7), atol=1e-6)


def test_a_walk_ends_at_a_node_that_receives_nothing():
    graph = ga.graphs.from_edge_list([0, 1], [1, 2])
    np.testing.assert_array_equal(rwse(graph, 3, directed="keep"), np.zeros((3, 3)))


def test_batch_is_each_graph_alone():
    graph = mixed()
    alone = np.concatenate([rwse(g, 5) for g in ga.graphs.unbatch(graph)])
    np.testing.assert_allclose(rwse(graph, 5), alone, atol=1e-7)


def test_padding_rows_are_zero():
    graph = mixed()
    n = ga.graphs.num_nodes(graph)
    padded = ga.graphs.pad(graph, ga.graphs.Budget(n + 5, len(graph.senders) + 9, 9))
    values = rwse(padded, 5)
    np.testing.assert_array_equal(values[n:], np.zeros((5, 5)))
    np.testing.assert_array_equal(values[:n], rwse(graph, 5))


def test_permutation_equivariance(rng):
    graph = grid(5, 30)
    order = rng.permutation(150)
    moved = ga.testing.permute_nodes(graph, order)
    np.testing.assert_allclose(rwse(moved, 6), rwse(graph, 6)[order], atol=1e-6)


def test_no_nodes_and_no_edges():
    assert rwse(undirected([], 0), 3).shape == (0, 3)
    np.testing.assert_array_equal(rwse(undirected([], 2), 3), np.zeros((2, 3)))


def test_errors():
    with pytest.raises(ValueError, match="k must be a positive integer, got int 0"):
        rwse(cycle(4), 0)
    with pytest.raises(ValueError, match="edge_weight must be finite and not negative, got -1"):
        rwse(cycle(4), 2, edge_weight=-np.ones(8))
    with pytest.raises(ValueError, match="directed must be one of 'error', 'symmetrize', 'keep'"):
        rwse(cycle(4), 2, directed="yes")
