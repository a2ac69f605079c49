from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from graphattn_jax import diagnostics, nn


def by_definition(query, key):
    m = query.astype(np.float64) @ key.T.astype(np.float64)
    score = np.linalg.norm((m + m.T) / 2) ** 2 / np.linalg.norm(m) ** 2
    return score, np.linalg.norm(m - m.T) / np.linalg.norm(m)


def test_equals_the_definition_on_the_full_matrix_per_head(rng):
    query, key = rng.normal(size=(2, 3, 12, 5)).astype(np.float32)
    expected = np.array([by_definition(q, k) for q, k in zip(query, key)]).T
    by_head = lambda w: np.moveaxis(w, 0, 1).reshape(12, 15)  # noqa: E731
    for arguments, options in (
        ((query, key), {}),
        ((by_head(query), by_head(key)), {"num_heads": 3}),
    ):
        score = diagnostics.symmetry_score(*arguments, **options)
        error = diagnostics.parameter_symmetry_error(*arguments, **options)
        np.testing.assert_allclose(score, expected[0], rtol=1e-5)
        np.testing.assert_allclose(error, expected[1], rtol=1e-5)
        np.testing.assert_allclose(error**2, 4 * (1 - score), rtol=1e-5)


def test_independent_weights_score_one_half(rng):
    query, key = rng.normal(size=(2, 4, 128, 32)).astype(np.float32)
    np.testing.assert_allclose(diagnostics.symmetry_score(query, key), 0.5, atol=0.02)
    np.testing.assert_allclose(
        diagnostics.parameter_symmetry_error(query, key), np.sqrt(2), atol=0.03
    )


def test_tied_weights_score_exactly_one_and_antisymmetric_ones_zero(rng):
    weight = rng.normal(size=(2, 16, 4)).astype(np.float32)
    np.testing.assert_array_equal(diagnostics.symmetry_score(weight, weight), 1)
    np.testing.assert_array_equal(diagnostics.parameter_symmetry_error(weight, weight), 0)
    # M = W J W^T with J antisymmetric.
    j = np.kron(np.eye(2, dtype=np.float32), np.array([[0, 1], [-1, 0]], np.float32))
    np.testing.assert_allclose(diagnostics.symmetry_score(weight, weight @ j), 0, atol=1e-5)
    np.testing.assert_allclose(
        diagnostics.parameter_symmetry_error(weight, weight @ j), 2, rtol=1e-5
    )


def test_nearly_tied_weights_are_resolved(rng):
    weight, noise = rng.normal(size=(2, 1, 32, 8)).astype(np.float32)
    other = weight + np.float32(1e-4) * noise
    _, expected = by_definition(weight[0], other[0])
    assert 1e-5 < expected < 1e-3
    np.testing.assert_allclose(
        diagnostics.parameter_symmetry_error(weight, other), expected, rtol=1e-2
    )


def test_gradients_are_finite_where_tied_or_zero_and_right_elsewhere(rng, debug_nans):
    query, key = rng.normal(size=(2, 1, 6, 3)).astype(np.float32)

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


class Attention(NamedTuple):
    query: Any
    key: Any
    value: Any


def test_symmetry_log_names_each_layer_and_runs_in_jit(rng):
    query, key = (
        nn.LinearParams(jnp.asarray(w, jnp.float32), None) for w in rng.normal(size=(2, 8, 4))
    )
    params = {
        "embedding": query,
        "layers": [
            Attention(query, query, value=key),
            {"attention": Attention(query.weight, key.weight, value=None)},
            Attention(query, None, value=key),
        ],
    }
    log = jax.jit(lambda p: diagnostics.symmetry_log(p, num_heads=2))(params)
    scores = diagnostics.symmetry_score(query.weight, key.weight, num_heads=2)
    expected = {
        **{f"symmetry/layers/0/{s}": 1.0 for s in ("mean", "min", "max")},
        "symmetry/layers/1/attention/mean": scores.mean(),
        "symmetry/layers/1/attention/min": scores.min(),
        "symmetry/layers/1/attention/max": scores.max(),
    }
    assert log.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(log[name], value, rtol=1e-5, err_msg=name)


def test_symmetry_log_of_a_single_layer():
    weight = jnp.ones((4, 4))
    log = diagnostics.symmetry_log(Attention(weight, weight, None), num_heads=1)
    assert list(log) == ["symmetry/mean", "symmetry/min", "symmetry/max"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda w: diagnostics.symmetry_score(w, w), "query_weight of shape .* needs num_heads"),
        (
            lambda w: diagnostics.symmetry_score(w, w, num_heads=3),
            "the width of query_weight must be divisible by num_heads",
        ),
        (
            lambda w: diagnostics.symmetry_score(w, w[:4], num_heads=2),
            "query_weight and key_weight must have one shape",
        ),
        (
            lambda w: diagnostics.symmetry_score(w[0], w[0], num_heads=2),
            r"query_weight must have shape \[2, D, C\]",
        ),
        (lambda w: diagnostics.symmetry_log({"w": w}, num_heads=2), "params has no layer with"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call(jnp.ones((6, 8)))
