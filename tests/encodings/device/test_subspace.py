import jax
import networkx as nx
import numpy as np
import pytest

import graphattn_jax as ga
from graphattn_jax.encodings import (
    SubspaceIteration,
    laplacian,
    laplacian_eigenvectors,
    subspace_eigenvectors,
)

KEY = jax.random.key(0)


def check(graph, eigen, normalization="symmetric"):
    """Unit vectors whose true residuals are those reported, orthogonal to each other."""
    matrix = laplacian(graph, normalization=normalization)
    vectors = np.asarray(eigen.vectors, float)
    residuals = np.linalg.norm(matrix @ vectors - vectors * np.asarray(eigen.values, float), axis=0)
    np.testing.assert_allclose(residuals, eigen.residuals, atol=5e-6)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(vectors.shape[1]), atol=1e-5)
    return residuals


@pytest.mark.parametrize("normalization", ["symmetric", "combinatorial"])
def test_agrees_with_the_exact_one(graph_of, normalization):
    graph = graph_of(nx.gnm_random_graph(120, 400, seed=0))
    upper = 2.0 if normalization == "symmetric" else 2.0 * graph_degrees(graph).max()
    search = SubspaceIteration(tolerance=1e-6, iterations=60)
    got = subspace_eigenvectors(KEY, graph, 5, normalization=normalization, search=search)
    want = laplacian_eigenvectors(graph, 5, normalization=normalization)
    np.testing.assert_allclose(got.values, want.values, rtol=1e-5)
    np.testing.assert_allclose(got.vectors, want.vectors, atol=2e-3)
    assert check(graph, got, normalization).max() < 1e-5 * upper


def graph_degrees(graph):
    return np.bincount(graph.receivers, minlength=int(graph.n_node.sum()))


@pytest.mark.parametrize(
    "graph, values",
    [
        (nx.hypercube_graph(6), [1 / 3] * 6 + [2 / 3] * 3),
        (nx.cycle_graph(60), 1 - np.cos(2 * np.pi * np.repeat([1, 2, 3, 4, 5], 2)[:9] / 60)),
        (nx.complete_graph(30), [30 / 29] * 9),
    ],
    ids=["hypercube", "cycle", "complete"],
)
def test_closed_forms_with_all_copies(graph, values, graph_of):
    graph = graph_of(graph)
    got = subspace_eigenvectors(
        KEY, graph, 9, search=SubspaceIteration(iterations=60, tolerance=1e-5)
    )
    np.testing.assert_allclose(got.values[0], values, atol=1e-5)
    check(graph, got)


def test_jit_and_padding(graph_of):
    graph = graph_of(nx.gnm_random_graph(40, 160, seed=0))
    graph = graph._replace(nodes=np.zeros((40, 1), np.float32))
    want = laplacian_eigenvectors(graph, 3)
    padded = ga.graphs.pad(graph, ga.graphs.Budget(48, len(graph.senders) + 8, 3))
    search = SubspaceIteration(tolerance=1e-6)
    run = jax.jit(lambda key, graph: subspace_eigenvectors(key, graph, 3, search=search))
    got = run(KEY, padded)
    np.testing.assert_allclose(got.values[:40], want.values, atol=1e-5)
    np.testing.assert_allclose(got.vectors[:40], want.vectors, atol=2e-3)
    assert got.mask[:40].all() and not got.mask[40:].any()
    assert not got.vectors[40:].any() and not got.values[40:].any()


def test_residuals_tell_of_no_convergence(graph_of):
    graph = graph_of(nx.cycle_graph(300))
    early = subspace_eigenvectors(KEY, graph, 4, search=SubspaceIteration(iterations=1, degree=5))
    assert early.residuals.max() > 1e-2
    check(graph, early)
    late = subspace_eigenvectors(KEY, graph, 4, search=SubspaceIteration(iterations=60, degree=40))
    assert late.residuals.max() < 3e-4


@pytest.mark.parametrize("normalization", ["symmetric", "combinatorial"])
@pytest.mark.parametrize("weight", [1.0, 100.0])
def test_a_block_nearly_as_wide_as_the_graph_reaches_the_largest_eigenvalue(
    normalization, weight, graph_of
):
    """A path, whose largest eigenvalue is the bound of the filter."""
    graph = graph_of(nx.path_graph(10))
    options = {"normalization": normalization, "edge_weight": np.full(18, weight, np.float32)}
    got = subspace_eigenvectors(KEY, graph, 1, **options, search=SubspaceIteration(tolerance=1e-6))
    want = laplacian_eigenvectors(graph, 1, **options)
    np.testing.assert_allclose(got.values, want.values, rtol=1e-3)
    projectors = [np.asarray(x.vectors) @ np.asarray(x.vectors).T for x in (got, want)]
    np.testing.assert_allclose(*projectors, atol=1e-3)


def test_errors(graph_of):
    graph = graph_of(nx.path_graph(9))
    with pytest.raises(ValueError, match="graph must be one graph, got a batch of 2"):
        subspace_eigenvectors(KEY, ga.graphs.batch([graph, graph]), 2)
    with pytest.raises(ValueError, match="more than k \\+ extra = 10 nodes, got 9"):
        subspace_eigenvectors(KEY, graph, 2)
    with pytest.raises(ValueError, match="degree must be at most 40"):
        SubspaceIteration(degree=41)
    with pytest.raises(ValueError, match="iterations must be a positive integer"):
        SubspaceIteration(iterations=0)
    with pytest.raises(ValueError, match="tolerance must be a positive number, got 0"):
        SubspaceIteration(tolerance=0)
    with pytest.raises(ValueError, match="normalization must be one of 'symmetric', 'comb"):
        subspace_eigenvectors(KEY, graph, 2, normalization="random_walk")
