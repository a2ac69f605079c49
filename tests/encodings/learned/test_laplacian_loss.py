import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _walk_cases import cycle, dense_transition, grid, mixed, star, undirected

import graphattn_jax as ga
from graphattn_jax.encodings import laplacian_loss


def dense_loss(p, graph, orthogonality, weight=None):
    """One graph."""
    step = dense_transition(graph, weight, symmetric=True)
    laplacian = np.diag((step.sum(1) > 0).astype(float)) - step
    k = p.shape[1]
    off = np.linalg.norm(p.T @ p - np.eye(k)) ** 2
    return (np.trace(p.T @ laplacian @ p) + orthogonality * off) / k


def positions_of(graph):
    shape = (ga.graphs.num_nodes(graph), 3)
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def test_equals_the_dense_formula(rng):
    graph = grid(2, 3)
    weight, p = np.tile(rng.uniform(0.5, 2, 7), 2), positions_of(graph)
    for orthogonality in (0.0, 0.7):
        total, count = laplacian_loss(p, graph, orthogonality=orthogonality, edge_weight=weight)
        want = dense_loss(p.astype(np.float64), graph, orthogonality, weight)
        np.testing.assert_allclose(total, want, rtol=1e-5)
        assert count == 1 and total.dtype == jnp.float32


def test_lowest_eigenvectors_give_the_mean_of_their_eigenvalues_and_no_less_is_possible():
    graph = cycle(7)
    values, vectors = np.linalg.eigh(np.eye(7) - dense_transition(graph, symmetric=True))
    low = jnp.asarray(vectors[:, :3], jnp.float32)
    total, _ = laplacian_loss(low, graph)
    np.testing.assert_allclose(total, values[:3].mean(), atol=1e-5)
    higher, _ = laplacian_loss(jnp.asarray(vectors[:, 2:5], jnp.float32), graph)
    np.testing.assert_allclose(higher, values[2:5].mean(), atol=1e-5)

    loss = jax.jit(jax.value_and_grad(lambda p: laplacian_loss(p, graph, orthogonality=5.0)[0]))
    p = jnp.asarray(positions_of(graph)) / 3
    for _ in range(400):
        value, gradient = loss(p)
        p = p - 0.03 * gradient
    np.testing.assert_allclose(value, values[:3].mean(), atol=0.03)


def test_sum_and_count_over_graphs_and_padding():
    graph = mixed()
    p = positions_of(graph)
    parts = np.split(p, np.cumsum(graph.n_node)[:-1])
    alone = sum(
        dense_loss(q.astype(np.float64), g, 1.0) for q, g in zip(parts, ga.graphs.unbatch(graph))
    )
    total, count = laplacian_loss(p, graph)
    np.testing.assert_allclose(total, alone, rtol=1e-5)
    assert count == 6
    n = len(p)
    padded = ga.graphs.pad(graph, ga.graphs.Budget(n + 4, len(graph.senders) + 6, 9))
    noisy = np.concatenate([p, np.full((4, 3), np.nan, np.float32)])

    def loss(p):
        return laplacian_loss(p, padded)[0]

    value, gradient = jax.jit(jax.value_and_grad(loss))(noisy)
    np.testing.assert_allclose(value, alone, rtol=1e-5)
    assert np.isfinite(gradient[:n]).all() and abs(gradient[:n]).max() > 0
    np.testing.assert_array_equal(gradient[n:], np.zeros((4, 3)))
    assert laplacian_loss(noisy, ga.graphs.PaddedGraphsTuple(*padded))[1] == 6


def test_no_edges_cost_only_orthogonality():
    p = np.eye(3, dtype=np.float32)
    total, _ = laplacian_loss(p, undirected([], 3))
    np.testing.assert_allclose(total, 0, atol=1e-7)


def test_errors():
    with pytest.raises(ValueError, match=r"positions must have shape \[4, D\], got \(3, 2\)"):
        laplacian_loss(np.ones((3, 2), np.float32), star(3))
    with pytest.raises(ValueError, match="positions must be floating point"):
        laplacian_loss(np.ones((4, 2), np.int32), star(3))
