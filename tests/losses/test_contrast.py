"""The contrast of two views against its sums written out, in NumPy and float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graphattn_jax import losses

RNG = np.random.default_rng(0)
N, D = 7, 4
FIRST, SECOND = (RNG.normal(size=(N, D)).astype(np.float32) for _ in range(2))
POSITIVES = (RNG.random((N, N)) < 0.3) | np.eye(N, dtype=bool)
WHERE = np.array([True, True, False, True, True, True, False])


def reference(first, second, positives, where, temperature, balance):
    rows = np.flatnonzero(where)

    def similar(i, j):
        u, v = first[i].astype(float), second[j].astype(float)
        return np.exp(u @ v / np.linalg.norm(u) / np.linalg.norm(v) / temperature)

    total = 0.0
    for i in rows:
        own = [j for j in rows if positives[i, j]]
        there = sum(similar(i, j) for j in own) / sum(similar(i, j) for j in rows)
        back = sum(similar(j, i) for j in own) / sum(similar(j, i) for j in rows)
        total -= balance * np.log(there) + (1 - balance) * np.log(back)
    return total, len(rows)


@pytest.mark.parametrize("where", [None, WHERE])
@pytest.mark.parametrize("positives", [None, POSITIVES])
def test_is_the_sum_written_out(positives, where):
    options = {"temperature": 0.7, "balance": 0.3}
    found = jax.jit(lambda u, v: losses.contrast(u, v, positives=positives, where=where, **options))
    pairs = np.eye(N, dtype=bool) if positives is None else positives
    counted = np.ones(N, bool) if where is None else where
    want = reference(FIRST, SECOND, pairs, counted, 0.7, 0.3)
    np.testing.assert_allclose(found(FIRST, SECOND), want, rtol=1e-5)


def test_the_gradient_is_that_of_differences_and_padding_reaches_nothing():
    def run(u, v):
        return losses.contrast(u, v, positives=POSITIVES, where=WHERE)[0]

    gradients = jax.grad(run, (0, 1))(FIRST, SECOND)
    step = 1e-4
    for k, (i, d) in enumerate([(0, 1), (4, 2)]):
        x = [FIRST.astype(float), SECOND.astype(float)]
        x[k][i, d] += step
        high = reference(*x, POSITIVES, WHERE, 0.5, 0.5)[0]
        x[k][i, d] -= 2 * step
        slope = (high - reference(*x, POSITIVES, WHERE, 0.5, 0.5)[0]) / (2 * step)
        np.testing.assert_allclose(gradients[k][i, d], slope, rtol=1e-3, atol=1e-5)
    spoilt = [np.where(WHERE[:, None], x, np.nan) for x in (FIRST, SECOND)]
    for x, y in zip(gradients, jax.grad(run, (0, 1))(*spoilt)):
        np.testing.assert_array_equal(x, y)
        assert (y[~WHERE] == 0).all()
    zeros = jax.grad(run, (0, 1))(jnp.zeros((N, D)), jnp.zeros((N, D)))
    assert all(np.isfinite(x).all() for x in zeros)


def test_extremes():
    none = losses.contrast(FIRST, SECOND, where=np.zeros(N, bool))
    assert [float(x) for x in none] == [0, 0]
    empty = losses.contrast(FIRST, SECOND, positives=np.zeros((N, N), bool))
    np.testing.assert_array_equal(empty, losses.contrast(FIRST, SECOND))
    one = losses.contrast(FIRST, SECOND, positives=np.ones((N, N), bool))
    np.testing.assert_allclose(one[0], 0, atol=1e-5)


def test_scaled_cosine_error():
    cosine = (
        np.sum(FIRST * SECOND, 1) / np.linalg.norm(FIRST, axis=1) / np.linalg.norm(SECOND, axis=1)
    )
    total, count = losses.scaled_cosine_error(FIRST, SECOND, where=WHERE, gamma=3)
    np.testing.assert_allclose([total, count], [((1 - cosine[WHERE]) ** 3).sum(), 5], rtol=1e-5)

    def run(z, x):
        return losses.scaled_cosine_error(z, x, where=WHERE)[0]

    spoilt = [np.where(WHERE[:, None], x, np.nan) for x in (FIRST, SECOND)]
    np.testing.assert_array_equal(jax.grad(run)(FIRST, SECOND), jax.grad(run)(*spoilt))
    assert np.isfinite(jax.grad(run)(jnp.zeros((N, D)), SECOND)).all()
    assert float(losses.scaled_cosine_error(FIRST, 2 * FIRST)[0]) < 1e-6


def test_what_does_not_fit_is_said():
    with pytest.raises(ValueError, match=r"second must have shape \[7, 4\]"):
        losses.contrast(FIRST, SECOND[:3])
    with pytest.raises(ValueError, match="temperature must be a positive number, got 0"):
        losses.contrast(FIRST, SECOND, temperature=0)
    with pytest.raises(ValueError, match="balance must be a number from 0 to 1, got 2"):
        losses.contrast(FIRST, SECOND, balance=2)
    with pytest.raises(ValueError, match="positives must be boolean"):
        losses.contrast(FIRST, SECOND, positives=np.eye(N))
    with pytest.raises(ValueError, match="gamma must be a number, 1 or more, got 0"):
        losses.scaled_cosine_error(FIRST, SECOND, gamma=0)
