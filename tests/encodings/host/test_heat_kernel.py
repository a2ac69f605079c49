import jax
import networkx as nx
import numpy as np
import pytest
import scipy.linalg

import graphattn_jax as ga
from graphattn_jax.encodings import (
    chebyshev_coefficients,
    chebyshev_filter,
    heat_kernel_diagonal,
    heat_kernel_diagonal_estimate,
    laplacian,
)

TIMES = np.array([0.0, 0.3, 2.0, 20.0])


@pytest.mark.parametrize("normalization", ["symmetric", "combinatorial", "random_walk"])
def test_diagonal_of_the_matrix_exponential(normalization, mixed_batch):
    batch = ga.graphs.batch(mixed_batch)
    matrix = laplacian(batch, normalization=normalization).toarray()
    want = np.stack([np.diag(scipy.linalg.expm(-t * matrix)) for t in TIMES], 1)
    got = heat_kernel_diagonal(batch, TIMES, normalization=normalization)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, want, atol=1e-6)
    np.testing.assert_array_equal(got[11], np.ones(4))  # isolated


def test_closed_forms(graph_of):
    n = 7
    complete = heat_kernel_diagonal(graph_of(nx.complete_graph(n)), TIMES)
    want = 1 / n + (1 - 1 / n) * np.exp(-TIMES * n / (n - 1))
    np.testing.assert_allclose(complete, np.tile(want, (n, 1)), atol=1e-6)
    cycle = heat_kernel_diagonal(graph_of(nx.cycle_graph(n)), TIMES)
    values = 1 - np.cos(2 * np.pi * np.arange(n) / n)
    want = np.exp(-np.outer(TIMES, values)).mean(1)
    np.testing.assert_allclose(cycle, np.tile(want, (n, 1)), atol=1e-6)


def test_columns_by_chebyshev_agree_and_keep_the_heat(graph_of):
    graph = graph_of(nx.gnm_random_graph(20, 40, seed=1))
    options = {"normalization": "combinatorial"}
    upper = 2 * laplacian(graph, **options).diagonal().max()
    exact = heat_kernel_diagonal(graph, np.array([0.7]), **options)[:, 0]
    coefficients = chebyshev_coefficients(lambda x: np.exp(-0.7 * x), 40, upper=upper)
    columns = chebyshev_filter(
        graph, np.eye(20, dtype=np.float32), coefficients, upper=upper, **options
    )
    np.testing.assert_allclose(np.diag(columns), exact, atol=1e-5)
    np.testing.assert_allclose(columns.sum(1), np.ones(20), atol=1e-5)


def test_padding_weights_and_nothing(mixed_batch, graph_of):
    batch = ga.graphs.batch(mixed_batch)
    size = int(batch.n_node.sum())
    want = heat_kernel_diagonal(batch, TIMES)
    alone = np.concatenate([heat_kernel_diagonal(g, TIMES) for g in mixed_batch])
    np.testing.assert_allclose(want, alone, atol=1e-6)
    padded = ga.graphs.pad(batch, ga.graphs.Budget(size + 5, len(batch.senders) + 9, 8))
    got = heat_kernel_diagonal(padded, TIMES)
    np.testing.assert_array_equal(got[:size], want)
    assert not got[size:].any()
    path = graph_of(nx.path_graph(4))
    heavy = heat_kernel_diagonal(path, TIMES, normalization="combinatorial", edge_weight=[3.0] * 6)
    slow = heat_kernel_diagonal(path, 3 * TIMES, normalization="combinatorial")
    np.testing.assert_allclose(heavy, slow, atol=1e-6)
    assert heat_kernel_diagonal(path, np.zeros(0)).shape == (4, 0)
    assert heat_kernel_diagonal(ga.graphs.from_edge_list([], [], num_nodes=0), TIMES).shape == (
        0,
        4,
    )


def test_estimate_is_within_its_standard_error(graph_of):
    graph = graph_of(nx.gnm_random_graph(40, 100, seed=1))
    exact = heat_kernel_diagonal(graph, TIMES)
    estimate, error = heat_kernel_diagonal_estimate(
        jax.random.key(0), graph, TIMES, num_probes=2000
    )
    np.testing.assert_allclose(estimate[:, 0], np.ones(40), atol=1e-4)
    deviation = np.abs(estimate - exact)[:, 1:] / np.asarray(error)[:, 1:]
    assert deviation.max() < 4.5 and 0.5 < np.sqrt(np.mean(deviation**2)) < 1.6
    assert (error <= 1.1 * np.sqrt(2 / 2000) * exact + 1e-6).all()
    # The variance is unbiased down to two probes, which a standard error without ddof=1 would halve.
    few = jax.vmap(lambda key: heat_kernel_diagonal_estimate(key, graph, TIMES, num_probes=2)[1])(
        jax.random.split(jax.random.key(1), 200)
    )
    ratio = np.mean(few[:, :, 1:] ** 2) / np.mean(error[:, 1:] ** 2)
    np.testing.assert_allclose(ratio, 2000 / 2, rtol=0.2)


def test_estimate_under_jit_with_padding(graph_of):
    graph = graph_of(nx.path_graph(5))
    graph = graph._replace(nodes=np.zeros((5, 1), np.float32))
    padded = ga.graphs.pad(graph, ga.graphs.Budget(8, 12, 2))
    run = jax.jit(
        lambda key, graph: heat_kernel_diagonal_estimate(key, graph, TIMES, num_probes=400)
    )
    estimate, error = run(jax.random.key(0), padded)
    assert estimate.shape == error.shape == (8, 4)
    assert not estimate[5:].any() and not error[5:].any()
    exact = heat_kernel_diagonal(graph, TIMES)
    assert (np.abs(estimate[:5] - exact) <= 4.5 * error[:5] + 1e-4).all()
    empty = heat_kernel_diagonal_estimate(jax.random.key(0), graph, np.zeros(0))
    assert empty[0].shape == (5, 0)


def test_errors(graph_of):
    graph = graph_of(nx.path_graph(4))
    with pytest.raises(ValueError, match="a component has 4 nodes, more than max_nodes=3"):
        heat_kernel_diagonal(graph, TIMES, max_nodes=3)
    with pytest.raises(ValueError, match="times must be finite and not negative"):
        heat_kernel_diagonal(graph, -TIMES)
    with pytest.raises(ValueError, match=r"times must have shape \[T\]"):
        heat_kernel_diagonal(graph, np.float64(1))
    with pytest.raises(ValueError, match="normalization must be one of"):
        heat_kernel_diagonal(graph, TIMES, normalization="rw")
    with pytest.raises(ValueError, match="heat_kernel_diagonal needs an undirected graph"):
        heat_kernel_diagonal(ga.graphs.from_edge_list([0], [1]), TIMES)
    with pytest.raises(ValueError, match="num_probes must be an integer of at least 2"):
        heat_kernel_diagonal_estimate(jax.random.key(0), graph, TIMES, num_probes=1)
