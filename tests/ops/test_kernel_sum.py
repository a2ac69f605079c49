"""Sums over all pairs of a group without forming one, against the definition in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graphattn_jax import ops, testing

SIZES = {"one group": [9], "empty ones, one larger than a block": [0, 20, 1, 0, 3]}
HEADS, FEATURES, CHANNELS = 2, 3, 4


def rows(num_rows, dtype=np.float32, seed=0):
    rng = np.random.default_rng(seed)
    widths = (FEATURES, FEATURES, CHANNELS)
    return tuple(rng.normal(size=(num_rows, HEADS, w)).astype(dtype) for w in widths)


def pairs(sizes):
    ids = np.repeat(np.arange(len(sizes)), sizes)
    return jnp.asarray(ids[:, None] == ids[None, :])


def dense_sum(query, key, value, sizes):
    weights = jnp.where(pairs(sizes)[None], jnp.einsum("ihm,jhm->hij", query, key), 0)
    return jnp.einsum("hij,jhc->ihc", weights, value)


def dense_attention(query, key, value, sizes):
    weights = jnp.where(pairs(sizes)[None], jnp.einsum("ihm,jhm->hij", query, key), 0)
    return jnp.einsum("hij,jhc->ihc", weights / weights.sum(2, keepdims=True), value)


@pytest.mark.parametrize("sizes", SIZES)
@jax.disable_jit()
def test_implementations_agree_with_all_pairs(sizes):
    sizes = np.array(SIZES[sizes], np.int32)
    q, k, v = rows(sizes.sum())
    for op, dense, features in (
        (ops.kernel_sum, dense_sum, (q, k)),
        (ops.linear_attention, dense_attention, (np.exp(q), np.exp(k))),
    ):

        def run(name, op=op):
            return lambda *x: op(*x, sizes, implementation=name)

        testing.assert_implementations_agree(
            {
                "dense": lambda *x, dense=dense: dense(*x, sizes),
                "xla": run(None),
                "reference": run("reference"),
            },
            *features,
            v,
            rtol=1e-5,
            atol=1e-5,
        )


@pytest.mark.parametrize("name", ["xla", "reference"])
def test_rows_that_take_no_part_are_as_if_not_there(name):
    real = np.arange(12) % 4 > 0
    q, k, v = rows(12)
    q, k = np.exp(q), np.exp(k)
    wild = tuple(
        np.where(real[:, None, None], x, np.resize([np.nan, np.inf], x.shape).astype(x.dtype))
        for x in (q, k, v)
    )

    def loss(rows, sizes, where):
        out = ops.linear_attention(*rows, sizes, where=where, implementation=name)
        return jnp.sum(jnp.sin(out)), out

    run = jax.value_and_grad(loss, has_aux=True)
    (_, out), gradient = run(wild, np.array([8, 4]), real)
    (_, want), wanted = run(tuple(x[real] for x in (q, k, v)), np.array([6, 3]), None)
    np.testing.assert_allclose(out[real], want, rtol=1e-5)
    assert not np.asarray(out[~real]).any()
    for got, x in zip(gradient, wanted, strict=True):
        np.testing.assert_allclose(got[real], x, rtol=1e-4, atol=1e-6)
        assert not np.asarray(got[~real]).any()


@pytest.mark.parametrize("name", ["xla", "reference"])
def test_what_is_not_finite_stays_in_its_group(name):
    sizes, (q, k, v) = np.array([3, 9, 2]), rows(14)
    want = ops.kernel_sum(q, k, v, sizes, implementation=name)
    for x in (q, k, v):
        x[5] = np.nan
    got = ops.kernel_sum(q, k, v, sizes, implementation=name)
    others = np.repeat([True, False, True], sizes)
    np.testing.assert_array_equal(got[others], want[others])
    assert np.isnan(got[~others]).all()


def test_sums_are_float32():
    """A sum of a thousand ones in half precision would be 256."""
    one = jnp.ones((1000, 1, 1), jnp.bfloat16)
    for sizes in ([1000], [999, 1]):
        out = ops.kernel_sum(one, one, one, np.array(sizes))
        assert out.dtype == jnp.bfloat16 and float(out[0, 0, 0]) == 1000


def test_derivatives_of_second_order_and_forward_mode():
    q, k, v = rows(9)
    sizes = np.array([5, 4], np.int32)

    def loss(name):
        return lambda *x: jnp.sum(jnp.sin(ops.kernel_sum(*x, sizes, implementation=name)))

    fast, slow = (jax.grad(loss(name)) for name in (None, "reference"))
    hessian = jax.grad(lambda *x: jnp.sum(jnp.square(fast(*x))))(q, k, v)
    want = jax.grad(lambda *x: jnp.sum(jnp.square(slow(*x))))(q, k, v)
    np.testing.assert_allclose(hessian, want, rtol=1e-4, atol=1e-4)
    _, change = jax.jvp(lambda x: loss("reference")(x, k, v), (q,), (q,))
    np.testing.assert_allclose(change, jnp.vdot(fast(q, k, v), q), rtol=1e-4)


def test_no_array_of_pairs_and_one_program_for_all_sizes():
    """Of 300 rows, none of the arrays has 300² numbers, nor 300 matrices."""
    q, k, v = rows(300)
    run = jax.grad(lambda *x: jnp.sum(ops.kernel_sum(*x)), argnums=(0, 1, 2))
    jaxpr = jax.make_jaxpr(run)(q, k, v, np.array([100, 200]))
    largest = max(var.aval.size for eqn in jaxpr.eqns for var in eqn.outvars)
    assert largest < 4 * 300 * HEADS * CHANNELS
    program = jax.jit(ops.kernel_sum)
    for sizes in ([100, 200, 0], [0, 1, 299]):
        sizes = np.array(sizes, np.int32)
        np.testing.assert_allclose(
            program(q, k, v, sizes), dense_sum(q, k, v, sizes), rtol=1e-4, atol=1e-4
        )
    assert program._cache_size() == 1


def test_no_rows():
    q, k, v = rows(0)
    for sizes in ([], [0], [0, 0]):
        for name in (None, "reference"):
            out = ops.linear_attention(q, k, v, np.array(sizes, np.int32), implementation=name)
            assert out.shape == (0, HEADS, CHANNELS)


def test_rows_whose_weights_sum_to_zero_get_zero():
    q, k, v = (jnp.asarray(x) for x in rows(4))
    value, gradient = jax.value_and_grad(
        lambda k: jnp.sum(ops.linear_attention(q, k, v, np.array([4])))
    )(0 * k)
    assert value == 0 and np.isfinite(gradient).all()


def test_bad_arguments():
    q, k, v = rows(4)
    for arguments, options, message in (
        ((q, k, v, np.array([3])), {}, r"sizes must sum to 4, the number of rows, got 3"),
        ((q, k[:, :, :2], v, np.array([4])), {}, r"key must have shape \[4, 2, 3\]"),
        ((q, k, v[:3], np.array([4])), {}, r"value must have shape \[4, 2, C\]"),
        ((q, k, v, np.array([4.0])), {}, "sizes must be integer ids"),
        ((q, k, v, np.array([4])), {"where": np.ones(4)}, "where must be boolean"),
        ((q, k, v, np.array([4])), {"implementation": "fast"}, "implementation must be one of"),
    ):
        with pytest.raises(ValueError, match=message):
            ops.kernel_sum(*arguments, **options)
