import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from graphattn_jax import attention, diagnostics


def by_definition(query, key):
    m = query.astype(np.float64) @ key.T.astype(np.float64)
    score = np.linalg.norm((m + m.T) / 2) ** 2 / np.linalg.norm(m) ** 2
    return score, np.linalg.norm(m - m.T) / np.linalg.norm(m)


def test_equals_the_definition_on_the_full_matrix_per_head(rng):
    query, key = rng.normal(size=(2, 12, 3, 5)).astype(np.float32)
    expected = np.array([by_definition(query[:, h], key[:, h]) for h in range(3)]).T
    score = diagnostics.symmetry_score(query, key)
    error = diagnostics.parameter_symmetry_error(query, key)
    np.testing.assert_allclose(score, expected[0], rtol=1e-5)
    np.testing.assert_allclose(error, expected[1], rtol=1e-5)
    np.testing.assert_allclose(error**2, 4 * (1 - score), rtol=1e-5)


def test_independent_weights_score_one_half(rng):
    query, key = rng.normal(size=(2, 128, 4, 32)).astype(np.float32)
    np.testing.assert_allclose(diagnostics.symmetry_score(query, key), 0.5, atol=0.02)
    np.testing.assert_allclose(
        diagnostics.parameter_symmetry_error(query, key), np.sqrt(2), atol=0.03
    )


def test_tied_weights_score_exactly_one_and_antisymmetric_ones_zero(rng):
    weight = rng.normal(size=(16, 2, 4)).astype(np.float32)
    np.testing.assert_array_equal(diagnostics.symmetry_score(weight, weight), 1)
    np.testing.assert_array_equal(diagnostics.parameter_symmetry_error(weight, weight), 0)
    # M = W J W^T with J antisymmetric.
    j = np.kron(np.eye(2, dtype=np.float32), np.array([[0, 1], [-1, 0]], np.float32))
    np.testing.assert_allclose(diagnostics.symmetry_score(weight, weight @ j), 0, atol=1e-5)
    np.testing.assert_allclose(
        diagnostics.parameter_symmetry_error(weight, weight @ j), 2, rtol=1e-5
    )


def test_nearly_tied_weights_are_resolved(rng):
    weight, noise = rng.normal(size=(2, 32, 1, 8)).astype(np.float32)
    other = weight + np.float32(1e-4) * noise
    _, expected = by_definition(weight[:, 0], other[:, 0])
    assert 1e-5 < expected < 1e-3
    np.testing.assert_allclose(
        diagnostics.parameter_symmetry_error(weight, other), expected, rtol=1e-2
    )


def test_gradients_are_finite_where_tied_or_zero_and_right_elsewhere(rng, debug_nans):
    query, key = rng.normal(size=(2, 6, 1, 3)).astype(np.float32)

    def total(query, key):
        return (
            diagnostics.symmetry_score(query, key).sum()
            + diagnostics.parameter_symmetry_error(query, key).sum()
        )

    for pair in ((query, query), (np.zeros_like(query), key)):
        for gradient in jax.grad(total, argnums=(0, 1))(*map(jnp.asarray, pair)):
            np.testing.assert_array_equal(gradient, 0)
    with jax.enable_x64(True):
        arguments = tuple(jnp.asarray(w, jnp.float64) for w in (query, key))
        check_grads(total, arguments, order=1, modes=["rev"])


def test_errors():
    weight = jnp.ones((6, 2, 4))
    with pytest.raises(ValueError, match=r"query_weight must have shape \[D, H, C\], got \(6, 8\)"):
        diagnostics.symmetry_score(jnp.ones((6, 8)), weight)
    with pytest.raises(ValueError, match="query_weight and key_weight must have one shape"):
        diagnostics.symmetry_score(weight, weight[:4])
    with pytest.raises(ValueError, match="key_weight must be floating point"):
        diagnostics.symmetry_score(weight, weight.astype(jnp.int32))


def test_reads_the_fields_of_a_layer():
    layer = attention.GraphTransformer(channels=16, heads=2, symmetric_init=True)
    params = layer.init(jax.random.key(0), in_features=64)
    score = diagnostics.symmetry_score(params.query_weight, params.key_weight)
    np.testing.assert_array_equal(score, np.ones(2))
    params = attention.GraphTransformer(channels=16, heads=2).init(jax.random.key(0), 64)
    error = diagnostics.parameter_symmetry_error(params.query_weight, params.key_weight)
    np.testing.assert_allclose(error, np.sqrt(2), atol=0.1)
