"""Every solver against LAPACK and closed forms, on graphs that are easy for one and hard for another."""

import networkx as nx
import numpy as np
import pytest

from graphattn_jax.encodings import laplacian
from graphattn_jax.encodings.host import _eigensolvers
from graphattn_jax.encodings.host._eigensolvers import (
    FACTOR_OPERATIONS,
    chebyshev,
    dense,
    factor_operations,
    norm_bound,
    shift_invert,
    smallest_eigenpairs,
)

CUBE = nx.hypercube_graph(9)
CUBE_VALUES = np.repeat(2 * np.arange(10) / 9, [1, 9, 36, 84, 126, 126, 84, 36, 9, 1])
TREE = nx.balanced_tree(2, 8)
RANDOM = nx.random_regular_graph(6, 500, seed=0)


def matrix_of(graph_of, graph, normalization="symmetric"):
    return laplacian(graph_of(graph), normalization=normalization)


def check_pairs(matrix, values, vectors, tol=1e-6):
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(len(values)), atol=1e-7)
    assert np.linalg.norm(matrix @ vectors - vectors * values, axis=0).max() <= tol


@pytest.mark.parametrize("solver", [chebyshev, shift_invert], ids=lambda f: f.__name__)
@pytest.mark.parametrize("graph", [CUBE, TREE, RANDOM], ids=["cube", "tree", "random"])
@pytest.mark.parametrize("normalization", ["symmetric", "combinatorial"])
def test_no_copy_of_a_multiple_eigenvalue_is_missing(graph_of, solver, graph, normalization):
    matrix = matrix_of(graph_of, graph, normalization)
    want = np.linalg.eigvalsh(matrix.toarray())[:17]
    vectors = solver(matrix, 17)
    if vectors is None:  # it may give up, not be wrong
        assert solver is chebyshev and graph is TREE
        return
    values = np.sort(np.sum(vectors * (matrix @ vectors), axis=0))
    np.testing.assert_allclose(values, want, atol=1e-7)


def test_hypercube_closed_form(graph_of):
    matrix = matrix_of(graph_of, CUBE)
    values, vectors = smallest_eigenpairs(matrix, 20)
    np.testing.assert_allclose(values, CUBE_VALUES[:20], atol=1e-9)
    check_pairs(matrix, values, vectors)


def test_ring_and_expander_of_three_thousand_nodes(graph_of):
    ring = matrix_of(graph_of, nx.cycle_graph(3000))
    values, vectors = smallest_eigenpairs(ring, 9)
    want = 1 - np.cos(2 * np.pi * ((np.arange(9) + 1) // 2) / 3000)
    np.testing.assert_allclose(values, want, atol=1e-12)
    check_pairs(ring, values, vectors)
    expander = matrix_of(graph_of, nx.random_regular_graph(8, 3000, seed=0))
    values, vectors = smallest_eigenpairs(expander, 9)
    check_pairs(expander, values, vectors)
    # The second eigenvalue of a random regular graph is near 1 - 2 sqrt(d - 1) / d.
    np.testing.assert_allclose(values[1], 1 - 2 * np.sqrt(7) / 8, atol=0.02)
    assert factor_operations(ring) < 2e4 < FACTOR_OPERATIONS < factor_operations(expander)
    assert chebyshev(ring, 9) is None


def test_star_and_complete_graph(graph_of):
    star = matrix_of(graph_of, nx.star_graph(399))
    values, vectors = smallest_eigenpairs(star, 6)
    np.testing.assert_allclose(values, [0, 1, 1, 1, 1, 1], atol=1e-9)
    check_pairs(star, values, vectors)
    complete = matrix_of(graph_of, nx.complete_graph(60))
    values, vectors = smallest_eigenpairs(complete, 6)
    np.testing.assert_allclose(values, [0] + [60 / 59] * 5, atol=1e-9)
    check_pairs(complete, values, vectors)


def test_what_does_not_converge_falls_through_to_the_next(graph_of, monkeypatch):
    matrix = matrix_of(graph_of, TREE)
    want, _ = dense(matrix, 5)
    asked = []

    def bad(matrix, count):
        asked.append("bad")
        return np.eye(matrix.shape[0], count)  # orthonormal, and no eigenvectors

    def gives_up(matrix, count):
        asked.append("gives up")

    monkeypatch.setattr(_eigensolvers, "shift_invert", bad)
    monkeypatch.setattr(_eigensolvers, "chebyshev", gives_up)
    values, vectors = smallest_eigenpairs(matrix, 5)
    assert asked == ["bad", "gives up"]
    np.testing.assert_allclose(values, want, atol=1e-12)
    check_pairs(matrix, values, vectors)
    monkeypatch.setattr(_eigensolvers, "FACTOR_OPERATIONS", 0.0)
    smallest_eigenpairs(matrix, 5)
    assert asked[2:] == ["gives up", "bad"]


@pytest.mark.parametrize("normalization", ["symmetric", "combinatorial"])
def test_norm_bound(graph_of, normalization):
    loops = nx.path_graph(4)
    loops.add_edges_from([(1, 1), (3, 3)])
    for graph in (nx.star_graph(9), nx.complete_bipartite_graph(3, 4), nx.path_graph(6), loops):
        matrix = matrix_of(graph_of, graph, normalization)
        assert np.linalg.eigvalsh(matrix.toarray())[-1] <= norm_bound(matrix) * (1 + 1e-12)


def test_envelope_of_a_path_is_one_per_row(graph_of):
    assert factor_operations(matrix_of(graph_of, nx.path_graph(50))) == 49


@pytest.mark.parametrize("normalization", ["symmetric", "combinatorial"])
def test_filter_on_a_small_world_equals_dense(graph_of, normalization):
    world = nx.connected_watts_strogatz_graph(600, 8, 0.1, seed=0)
    matrix = matrix_of(graph_of, world, normalization)
    want, _ = dense(matrix, 9)
    vectors = chebyshev(matrix, 9)
    values = np.sort(np.sum(vectors * (matrix @ vectors), axis=0))
    np.testing.assert_allclose(values, want, atol=1e-9 * norm_bound(matrix))
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(9), atol=1e-7)


def test_small_world_without_gaps_needs_no_factor(graph_of, monkeypatch):
    monkeypatch.delattr(_eigensolvers, "dense")
    matrix = matrix_of(graph_of, nx.connected_watts_strogatz_graph(4000, 8, 0.1, seed=0))
    monkeypatch.setattr(_eigensolvers, "shift_invert", lambda matrix, count: None)
    assert factor_operations(matrix) > FACTOR_OPERATIONS
    values, vectors = smallest_eigenpairs(matrix, 9)
    assert np.diff(values)[1:].max() < 3e-3 < values[1]
    check_pairs(matrix, values, vectors, tol=1e-8)
