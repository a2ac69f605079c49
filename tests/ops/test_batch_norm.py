"""The C++ kernel of batch normalisation against the ordinary operations."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from graphattn_jax import nn, ops
from graphattn_jax.ops import _native, batch_norm

try:
    ops.build_cpp()
except RuntimeError as error:
    pytest.skip(str(error), allow_module_level=True)


def arrays(rows, width, dtype=np.float32):
    rng = np.random.default_rng(rows)
    x = rng.normal(3, 2, (rows, width))
    scale, bias = rng.normal(1, 0.3, (2, width))
    real = rng.random((rows, 1)) < 0.7
    return [jnp.asarray(a, dtype) for a in (x, scale, bias)], real


@pytest.mark.parametrize("rows, width", [(5, 3), (40, 4), (300, 24), (1000, 64)])
def test_equals_the_ordinary_operations(rows, width):
    (x, scale, bias), real = arrays(rows, width)
    x = jnp.where(real, x, jnp.nan)  # what padding holds does not matter
    g = jnp.asarray(np.random.default_rng(1).normal(size=x.shape), x.dtype)

    def run(f):
        def y(x, scale, bias):
            y, mean, var = f(x, scale, bias, real, 1e-5)
            return y, (mean, var)

        out, pull, statistics = jax.vjp(y, x, scale, bias, has_aux=True)
        return out, statistics, pull(g)

    *others, want = (
        jax.jit(lambda i=i: run(partial(batch_norm, implementation=i)))()
        for i in ("cpp", "xla", "reference")
    )
    for got in others:
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=3e-5), got, want)


def test_it_is_what_batch_norm_calls():
    (x, _, _), real = arrays(6, 4)
    f = jax.jit(lambda x: nn.batch_norm(*nn.init_batch_norm(4), x, where=real[:, 0], training=True))
    assert "graphattn_batch_norm" in f.lower(x).as_text()


def test_sums_of_many_rows_stay_exact():
    x = jnp.full((200_000, 16), 0.1, jnp.float32)
    real = jnp.ones((len(x), 1), bool)
    _, mean, var = batch_norm(x, x[0], x[0], real, 1e-5)
    np.testing.assert_allclose(mean, 0.1, rtol=2e-5)  # one sum after the other: 1e-3
    np.testing.assert_allclose(var, 0, atol=1e-9)


def test_second_derivatives():
    with jax.enable_x64(True):
        inputs, real = arrays(7, 3, np.float64)

        def f(x, scale, bias):
            return jnp.sin(batch_norm(x, scale, bias, real, 1e-5)[0])

        check_grads(f, inputs, order=2, modes=["rev"], atol=1e-5, rtol=1e-5, eps=1e-6)


def test_no_real_rows():
    (x, scale, bias), _ = arrays(5, 4)
    y, mean, var = batch_norm(x, scale, bias, np.zeros((5, 1), bool), 1e-5)
    assert not y.any() and not mean.any() and not var.any()


def test_a_name_binds_or_raises(monkeypatch):
    (x, scale, bias), real = arrays(5, 4)
    with pytest.raises(
        ValueError, match="implementation must be one of 'cpp', 'xla', 'reference'; got"
    ):
        batch_norm(x, scale, bias, real, 1e-5, implementation="cuda")
    monkeypatch.setattr(_native, "missing", lambda *arrays: "is not built.")
    with pytest.raises(NotImplementedError, match="implementation='cpp' is not built"):
        batch_norm(x, scale, bias, real, 1e-5, implementation="cpp")
    f = jax.jit(lambda x: batch_norm(x, scale, bias, real, 1e-5))
    assert "graphattn_batch_norm" not in f.lower(x).as_text()
