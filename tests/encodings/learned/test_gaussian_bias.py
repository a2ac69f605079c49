import jax
import jax.numpy as jnp
import numpy as np
import pytest

import graphattn_jax as ga
from graphattn_jax.encodings import gaussian_bias, init_gaussian_bias

PARAMS = init_gaussian_bias(jax.random.key(0), 5, 3, max_distance=2.0)


def test_is_the_formula():
    distances = np.array([0.0, 0.3, 2.0, 50.0], np.float32)
    center, weight = np.linspace(0, 2, 5), np.asarray(PARAMS.weight)
    want = [
        sum(np.exp(-(((r - center[k]) / 0.5) ** 2) / 2) * weight[k] for k in range(5))
        for r in distances
    ]
    np.testing.assert_allclose(gaussian_bias(PARAMS, distances), want, rtol=1e-4, atol=1e-7)
    got = jax.jit(gaussian_bias)(PARAMS, distances)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-7)


def test_infinite_distances_have_their_own_bias_and_finite_gradients(debug_nans):
    distances = jnp.array([1.0, jnp.inf])
    np.testing.assert_array_equal(gaussian_bias(PARAMS, distances)[1], PARAMS.infinite)
    slope = jax.grad(lambda r: gaussian_bias(PARAMS, r).sum())(distances)
    assert jnp.isfinite(slope).all() and slope[0] != 0 and slope[1] == 0
    grads = jax.grad(lambda params: gaussian_bias(params, distances).sum())(PARAMS)
    assert all(jnp.isfinite(x).all() for x in grads)
    np.testing.assert_array_equal(grads.infinite, np.ones(3))


def test_of_resistances_is_symmetric():
    graph = ga.testing.random_graph(0, 8, 12, 1, undirected=True)
    pairs = ga.graphs.all_pairs(graph)
    resistance = ga.encodings.effective_resistance(graph, pattern=pairs)
    assert np.isinf(resistance).any()
    bias = np.asarray(gaussian_bias(PARAMS, resistance)).reshape(8, 8, 3)
    np.testing.assert_array_equal(bias, bias.swapaxes(0, 1))


def test_sizes_and_dtypes():
    assert gaussian_bias(PARAMS, np.zeros(0, np.float32)).shape == (0, 3)
    assert gaussian_bias(PARAMS, jnp.ones(2, jnp.bfloat16)).dtype == jnp.bfloat16
    one = init_gaussian_bias(jax.random.key(0), 1, 2, max_distance=3.0)
    assert jnp.isfinite(gaussian_bias(one, jnp.array([0.0, 9.0]))).all()


def test_errors():
    with pytest.raises(ValueError, match="distances must be floating point"):
        gaussian_bias(PARAMS, np.ones(3, np.int32))
    with pytest.raises(ValueError, match=r"distances must have shape \[E\]"):
        gaussian_bias(PARAMS, np.ones((3, 1), np.float32))
    with pytest.raises(ValueError, match="max_distance must be positive and finite, got inf"):
        init_gaussian_bias(jax.random.key(0), 2, 2, max_distance=float("inf"))
    with pytest.raises(ValueError, match="num_kernels must be a positive integer"):
        init_gaussian_bias(jax.random.key(0), 0, 2, max_distance=1.0)
