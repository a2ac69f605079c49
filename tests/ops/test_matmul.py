"""The product of rows with a weight."""

import jax.numpy as jnp
import numpy as np
import pytest

from graphattn_jax import ops

rng = np.random.default_rng(0)
X, W = rng.normal(size=(2, 5, 300)), rng.normal(size=(300, 4))


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float32])
def test_accumulates_and_returns_float32(dtype):
    x, w = jnp.asarray(X, dtype), jnp.asarray(W, jnp.float32)
    out = ops.matmul(x, w)
    assert out.dtype == jnp.float32 and out.shape == (2, 5, 4)
    exact = np.asarray(x, np.float64) @ np.asarray(w.astype(dtype), np.float64)
    np.testing.assert_allclose(out, exact, rtol=1e-4, atol=1e-4)


def test_sparse_rows():
    dense = (X[0] * (X[0] > 1)).astype(np.float32)
    got = ops.matmul(ops.SparseFeatures.from_dense(dense), W.astype(np.float32))
    np.testing.assert_allclose(got, dense @ W, rtol=1e-4, atol=1e-4)
    assert ops.is_sparse(ops.SparseFeatures.from_dense(dense)) and not ops.is_sparse(dense)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (jnp.ones((2, 3)), "x must have 300 features on its last axis"),
        (jnp.ones((2, 300), jnp.int32), "x must be floating point"),
    ],
)
def test_errors(x, message):
    with pytest.raises(ValueError, match=message):
        ops.matmul(x, W)
