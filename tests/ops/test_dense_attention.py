import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graphattn_jax import ops

B, N, M, H, C = 2, 3, 4, 2, 3
MASKS = {
    "none": None,
    "senders": np.array([[True, True, False, True], [False, True, True, False]]),
    "pairs": np.random.default_rng(1).random((B, H, N, M)) < 0.6,
    "pairs of one head": np.random.default_rng(2).random((B, 1, N, M)) < 0.6,
    "a row without pairs": np.arange(M)[None, None, None, :] < np.arange(N)[None, None, :, None],
    "no sender": np.array([[True] * M, [False] * M]),
}
attend = jax.jit(ops.dense_attention, static_argnames="scale")


def inputs(dtype=np.float32):
    rng = np.random.default_rng(0)
    shapes = ((B, N, H, C), (B, M, H, C), (B, M, H, C), (B, H, N, M))
    return tuple(jnp.asarray(rng.normal(size=s)).astype(dtype) for s in shapes)


def oracle(query, key, value, bias=None, mask=None, scale=None, xp=np):
    scale = C**-0.5 if scale is None else scale
    logits = scale * xp.einsum("bnhc,bmhc->bhnm", query, key)
    logits = logits if bias is None else logits + bias
    mask = np.ones((1, 1, 1, 1), bool) if mask is None else mask
    mask = mask[:, None, None, :] if mask.ndim == 2 else mask
    e = xp.where(mask, xp.exp(logits - logits.max()), 0)
    total = e.sum(-1, keepdims=True)
    return xp.einsum("bhnm,bmhc->bnhc", e / xp.where(total > 0, total, 1), value)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("with_bias", [False, True])
def test_matches_explicit_softmax(mask, with_bias):
    *qkv, bias = inputs()
    options = {"bias": bias if with_bias else None, "mask": MASKS[mask]}
    got = attend(*qkv, **options)
    assert got.dtype == jnp.float32
    np.testing.assert_allclose(got, oracle(*map(np.asarray, qkv), **options), atol=1e-5)


def test_scale_and_broadcast_bias():
    *qkv, bias = inputs()
    got = attend(*qkv, bias=bias[:1, :, :1], scale=0.3)
    want = oracle(*map(np.asarray, qkv), bias=np.asarray(bias)[:1, :, :1], scale=0.3)
    np.testing.assert_allclose(got, want, atol=1e-5)


@pytest.mark.parametrize("mask", ["pairs", "no sender"])
def test_gradients_match_explicit_softmax_also_for_the_bias(mask):
    def gradients(f, **options):
        def loss(q, k, v, b):
            return jnp.sum(f(q, k, v, bias=b, mask=MASKS[mask], **options) ** 2)

        return jax.jit(jax.grad(loss, argnums=(0, 1, 2, 3)))(*inputs())

    for got, want in zip(gradients(attend), gradients(oracle, xp=jnp), strict=True):
        assert np.isfinite(got).all() and np.abs(want).max() > 0.01
        np.testing.assert_allclose(got, want, atol=1e-5)


def test_rows_without_pairs_are_zero():
    got = np.asarray(attend(*inputs()[:3], mask=MASKS["a row without pairs"]))
    assert not got[:, 0].any() and got[:, 1:].all()
    got = np.asarray(attend(*inputs()[:3], mask=MASKS["no sender"]))
    assert got[0].all() and not got[1].any()


def test_a_bias_of_minus_infinity_is_a_pair_that_may_not_attend():
    rng = np.random.default_rng(4)

    @jax.jit
    def values_and_gradients(qkv, bias, mask):
        def loss(qkv, bias):
            out = ops.dense_attention(*qkv, bias=bias, mask=mask)
            return jnp.sum(jnp.sin(out)), out

        return jax.grad(loss, argnums=(0, 1), has_aux=True)(qkv, bias)

    for case in range(200):
        *qkv, bias = (np.asarray(rng.normal(size=x.shape), np.float32) for x in inputs())
        closed = rng.random((B, H, N, M)) < 0.4
        closed[case % B, case % H, case % N] = True  # a row of nothing else
        mask = rng.random((B, H, N, M)) < 0.8
        infinite = np.where(closed, -np.inf, bias)
        gradient, out = values_and_gradients(qkv, infinite, mask)
        want_gradient, want = values_and_gradients(qkv, bias, mask & ~closed)
        np.testing.assert_allclose(out, want, atol=1e-6)
        for got, other in zip(
            jax.tree.leaves(gradient), jax.tree.leaves(want_gradient), strict=True
        ):
            assert np.isfinite(got).all()
            np.testing.assert_allclose(got, other, atol=1e-6)
        assert not np.asarray(out)[case % B, case % N, case % H].any()
    alone = ops.dense_attention(*qkv, bias=np.full((1, 1, N, 1), -np.inf, np.float32))
    assert not alone.any()


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_half_precision(dtype):
    low = inputs(dtype)
    bias = low[3].astype(jnp.float32)
    got = attend(*low[:3], bias=bias, mask=MASKS["pairs"])
    assert got.dtype == dtype
    exact = oracle(*(np.asarray(x, np.float32) for x in low), mask=MASKS["pairs"])
    with jax.numpy_dtype_promotion("standard"):
        plain = oracle(*low, mask=MASKS["pairs"], xp=jnp)
    error, plain_error = (np.abs(np.asarray(x, np.float32) - exact).max() for x in (got, plain))
    assert plain_error > 0 and error <= 2 * plain_error


QUERY = np.zeros((B, N, H, C), np.float32)
KEY = np.zeros((B, M, H, C), np.float32)
INVALID = {
    "query": ({"query": QUERY[0]}, r"query must have shape \[B, N, H, C\], got"),
    "key": ({"key": KEY[:, :, :1]}, r"key must have shape \[2, M, 2, 3\], got \(2, 4, 1, 3\)"),
    "value": ({"value": KEY[:, :2]}, r"value must have shape \[2, 4, 2, 3\]"),
    "integers": ({"value": KEY.astype(int)}, "value must be floating point"),
    "float mask": ({"mask": np.ones((B, M))}, r"mask must be boolean of shape \[2, 4\]"),
    "mask rank": ({"mask": np.ones((B, N, M), bool)}, "mask must be boolean .* four axes"),
    "sender mask": ({"mask": np.ones((B, N), bool)}, r"mask must have shape \[2, 4\]"),
    "pair mask": (
        {"mask": np.ones((B, H, N, M + 1), bool)},
        r"mask must have four axes broadcastable to \[B, H, N, M\] = \[2, 2, 3, 4\], got \(2, 2, 3, 5\)",
    ),
    "bias rank": ({"bias": np.zeros((N, M), np.float32)}, r"bias must have four axes .* got \(3, 4\)"),
    "bias": ({"bias": np.zeros((B, 3, N, M), np.float32)}, "bias must have four axes broadcastable"),
}  # fmt: skip


@pytest.mark.parametrize("case", INVALID)
def test_invalid_arguments(case):
    change, message = INVALID[case]
    with pytest.raises(ValueError, match=message):
        ops.dense_attention(**({"query": QUERY, "key": KEY, "value": KEY} | change))
