import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graphattn_jax import ops

KEY = jax.random.key(3)


jitted = jax.jit(ops.dropout, static_argnums=1)


def kept(shape, rate, key=KEY):
    return np.asarray(jitted(np.ones(shape, np.float32), rate, key)) > 0


def test_same_key_same_bits_eager_and_jitted():
    x = jnp.linspace(-2.0, 2.0, 600).reshape(20, 30)
    first = ops.dropout(x, 0.4, KEY)
    np.testing.assert_array_equal(first, ops.dropout(x, 0.4, KEY))
    np.testing.assert_array_equal(first, jitted(x, 0.4, KEY))


def test_entries_are_zero_or_scaled():
    x = jnp.linspace(1.0, 2.0, 500)
    got, keep = np.asarray(ops.dropout(x, 0.2, KEY)), kept((500,), 0.2)
    np.testing.assert_allclose(got, np.where(keep, x / 0.8, 0), rtol=1e-6)


@pytest.mark.parametrize("rate", [0.001, 0.1, 0.5, 0.9])
def test_mean_and_variance(rate):
    n = 200_000
    keep = kept((n,), rate)
    sigma = np.sqrt(rate * (1 - rate) / n)
    assert abs(keep.mean() - (1 - rate)) < 4 * sigma
    # Counts over blocks of 1000 have the variance of a binomial distribution.
    counts = keep.reshape(-1, 1000).sum(1)
    spread = counts.var() / (1000 * rate * (1 - rate))
    assert 0.6 < spread < 1.5


def test_close_rates_differ_in_few_entries():
    low, high = kept((200_000,), 0.5), kept((200_000,), 0.5001)
    assert not (high & ~low).any()  # a higher rate drops a superset
    assert 2 < (low & ~high).sum() < 60


@pytest.mark.parametrize("rate", [1e-9, 1 - 2**-40])
def test_extreme_rates(rate):
    assert kept((1000,), rate).all() == (rate < 0.5)


def correlation(a, b):
    return abs(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def test_masks_of_different_keys_are_independent():
    keys = jax.random.split(jax.random.key(0), 6)
    masks = [kept((40_000,), 0.5, key) for key in [*keys, jax.random.key(0), jax.random.key(1)]]
    pairs = [(a, b) for i, a in enumerate(masks) for b in masks[:i]]
    assert max(correlation(a, b) for a, b in pairs) < 5 / np.sqrt(40_000)


@pytest.mark.parametrize("key", [jax.random.key(seed) for seed in range(3)])
def test_mask_has_no_structure_along_the_axes(key):
    mask = kept((256, 256), 0.5, key)
    lags = [1, 2, 3, 4, 7, 8, 16, 32, 64, 128]
    for lag in lags:
        assert correlation(mask[lag:], mask[:-lag]) < 5 / 256
        assert correlation(mask[:, lag:], mask[:, :-lag]) < 5 / 256
        assert correlation(mask[lag:, lag:], mask[:-lag, :-lag]) < 5 / 256
    # Row and column sums: chi-square with 256 degrees of freedom, standard deviation sqrt(2 * 256) = 22.6.
    for axis in (0, 1):
        chi_square = (((mask.sum(axis) - 128) / 8) ** 2).sum()
        assert abs(chi_square - 256) < 5 * 22.6


def test_gradient_is_the_scaled_mask():
    x = jnp.linspace(-1.0, 3.0, 100)
    gradient = jax.grad(lambda x: ops.dropout(x, 0.25, KEY).sum())(x)
    np.testing.assert_allclose(gradient, kept((100,), 0.25) / 0.75, rtol=1e-6)


def test_second_derivative():
    x = jnp.linspace(-1.0, 3.0, 50)
    diagonal = jax.grad(
        lambda x: jax.grad(lambda x: jnp.sum(ops.dropout(x, 0.25, KEY) ** 3))(x).sum()
    )(x)
    scale = kept((50,), 0.25) / 0.75
    np.testing.assert_allclose(diagonal, 6 * x * scale**3, rtol=1e-5, atol=1e-6)


def test_vmap_over_keys_is_a_loop_over_keys():
    keys, x = jax.random.split(KEY, 3), jnp.ones((20,))
    got = jax.jit(jax.vmap(lambda key: ops.dropout(x, 0.5, key)))(keys)
    np.testing.assert_array_equal(got, [jitted(x, 0.5, key) for key in keys])


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float32])
def test_dtype_is_kept_and_shares_the_mask(dtype):
    got = ops.dropout(jnp.ones((64,), dtype), 0.5, KEY)
    assert got.dtype == dtype
    np.testing.assert_array_equal(np.asarray(got > 0), kept((64,), 0.5))


def test_rate_zero_is_the_identity():
    x = jnp.array([1.0, jnp.nan, -0.0])
    np.testing.assert_array_equal(ops.dropout(x, 0.0), x)
    np.testing.assert_array_equal(ops.dropout(x, 0.0, KEY), x)


@pytest.mark.parametrize("shape", [(), (0, 3), (1, 1, 2)])
def test_any_shape(shape):
    assert ops.dropout(jnp.ones(shape), 0.5, KEY).shape == shape


def test_dropped_nan_becomes_zero():
    x = jnp.where(kept((50,), 0.5), 1.0, jnp.nan)
    assert np.isfinite(ops.dropout(x, 0.5, KEY)).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((jnp.ones(2), 0.5), "rate=0.5 needs key.* typed key in training, or rate=0.0 in evaluation"),
        ((jnp.ones(2), 1.0, KEY), r"rate must be a number in \[0, 1\), got 1.0"),
        ((jnp.ones(2), -0.1, KEY), r"rate must be a number in \[0, 1\)"),
        ((jnp.ones(2), 0.5, np.zeros(2, np.uint32)), "key must be a typed key from jax.random.key"),
        ((jnp.arange(2), 0.5, KEY), "x must be floating point"),
    ],
)  # fmt: skip
def test_invalid_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        ops.dropout(*arguments)
