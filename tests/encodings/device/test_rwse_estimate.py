import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _walk_cases import cycle, dense_transition, mixed, star, undirected

import graphattn_jax as ga
from graphattn_jax.encodings import rwse, rwse_estimate

KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def runs():
    """`(exact, values, standard errors)` of 40 estimates on a graph of 60 nodes."""
    graph = ga.testing.random_graph(0, 60, 240, 1, undirected=True)
    keys = jax.random.split(KEY, 40)
    estimate = jax.jit(jax.vmap(lambda key: rwse_estimate(key, graph, 7, num_probes=128)))(keys)
    return rwse(graph, 7), *jax.tree.map(np.asarray, estimate)


def test_unbiased(runs):
    exact, values, _ = runs
    z = (values.mean(0) - exact) / (values.std(0, ddof=1) / 40**0.5 + 1e-6)
    assert abs(z).max() < 5 and np.sqrt((z**2).mean()) < 1.3
    assert abs(values - exact).max() > 0.01


def test_standard_error_is_calibrated(runs):
    exact, values, error = runs
    inside = abs(values - exact) <= 1.96 * error + 1e-7
    coverage = inside.mean((0, 1))
    assert (coverage > 0.92).all() and (coverage[:4] < 0.97).all(), coverage
    spread = np.sqrt(((values - exact) ** 2).mean((0, 1)))
    np.testing.assert_allclose(np.sqrt((error**2).mean((0, 1))), spread, rtol=0.1)


def test_is_the_mean_over_probes_of_the_obvious_products():
    graph, k, probes = ga.testing.random_graph(1, 9, 30, 1, undirected=True), 5, 8
    values, error = rwse_estimate(KEY, graph, k, num_probes=probes)
    keys = jax.random.split(KEY, probes)
    z = np.stack([jax.random.rademacher(key, (9,), jnp.float32) for key in keys], 1).astype(float)
    step = dense_transition(graph, symmetric=True)
    at = [np.linalg.matrix_power(step, t) @ z for t in range(k)]
    samples = np.stack([at[t // 2] * at[t - t // 2] for t in range(1, k + 1)], 1)
    np.testing.assert_allclose(values, samples.mean(-1), atol=1e-6)
    np.testing.assert_allclose(error, samples.std(-1, ddof=1) / probes**0.5, atol=1e-6)


def test_exact_steps_replace_the_estimates():
    graph = cycle(6)
    plain = rwse_estimate(KEY, graph, 5, num_probes=4)
    values, error = rwse_estimate(KEY, graph, 5, num_probes=4, exact=rwse(graph, 3))
    np.testing.assert_array_equal(values[:, :3], rwse(graph, 3))
    np.testing.assert_array_equal(error[:, :3], np.zeros((6, 3)))
    np.testing.assert_array_equal(values[:, 3:], plain.values[:, 3:])
    np.testing.assert_array_equal(error[:, 3:], plain.standard_error[:, 3:])
    np.testing.assert_array_equal(
        rwse_estimate(KEY, graph, 3, num_probes=4, exact=rwse(graph, 3)).values, rwse(graph, 3)
    )


def test_weights_loops_and_a_prepared_graph(rng):
    graph = undirected([(0, 1), (1, 2), (0, 2), (2, 3), (1, 1)], 4)
    weight = np.tile(rng.uniform(0.5, 2, 5), 2)
    plain = rwse_estimate(KEY, graph, 4, num_probes=4000, edge_weight=weight[:, None])
    exact = rwse(graph, 4, edge_weight=weight)
    assert (abs(plain.values - exact) < 5 * plain.standard_error + 1e-6).all()
    prepared = ga.graphs.prepare(graph)
    fast = rwse_estimate(KEY, prepared, 4, num_probes=4000, edge_weight=weight)
    for a, b in zip(fast, plain):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_padding_and_jit_change_nothing():
    graph = mixed()
    n = ga.graphs.num_nodes(graph)
    padded = ga.graphs.pad(graph, ga.graphs.Budget(n + 4, len(graph.senders) + 6, 9))
    plain = rwse_estimate(KEY, graph, 4, num_probes=8)
    prepared = jax.jit(lambda graph: rwse_estimate(KEY, graph, 4, num_probes=8))(padded)
    for a, b in zip(prepared, plain):
        np.testing.assert_allclose(a[:n], b, atol=1e-6)
        np.testing.assert_array_equal(a[n:], np.zeros((4, 4)))
    lone = ga.graphs.in_degree(graph) == 0
    assert lone.any() and not plain.values[lone].any()
    unprepared = rwse_estimate(KEY, ga.graphs.PaddedGraphsTuple(*padded), 4, num_probes=8)
    np.testing.assert_allclose(unprepared.values[:n], plain.values, atol=1e-6)
    np.testing.assert_array_equal(unprepared.values[n:], 0)


def test_no_nodes():
    assert rwse_estimate(KEY, undirected([], 0), 3, num_probes=2).values.shape == (0, 3)


def test_errors():
    with pytest.raises(ValueError, match="num_probes must be an integer of at least 2, got int 1"):
        rwse_estimate(KEY, star(3), 3, num_probes=1)
    with pytest.raises(ValueError, match="k must be a positive integer"):
        rwse_estimate(KEY, star(3), 0, num_probes=4)
    with pytest.raises(ValueError, match="key must be a typed key"):
        rwse_estimate(jax.random.PRNGKey(0), star(3), 3, num_probes=4)
    with pytest.raises(ValueError, match=r"exact must have shape \[4, 2\], got \(4, 3\)"):
        rwse_estimate(KEY, star(3), 2, num_probes=4, exact=rwse(star(3), 3))
    with pytest.raises(ValueError, match=r"edge_weight must have shape \[6\], got \(5,\)"):
        rwse_estimate(KEY, star(3), 2, num_probes=4, edge_weight=np.ones(5))
