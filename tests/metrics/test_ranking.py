"""Ranks against sorting, ties and NaN among them, and the means of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graphattn_jax import metrics

RNG = np.random.default_rng(0)
SCORES = RNG.integers(4, size=(40, 7)).astype(np.float32)  # full of ties
ANSWERS = RNG.integers(7, size=40)
WHERE = RNG.random((40, 7)) < 0.7


@pytest.mark.parametrize("where", [None, WHERE])
def test_ranks_are_places_after_sorting(where):
    found = {
        t: metrics.ranks(SCORES, ANSWERS, where=where, ties=t)
        for t in ("optimistic", "pessimistic")
    }
    for i, answer in enumerate(ANSWERS):
        others = [SCORES[i, j] for j in range(7) if j != answer and (where is None or where[i, j])]
        own = SCORES[i, answer]
        best = sorted([(-own, 0), *((-s, 1) for s in others)]).index((-own, 0)) + 1
        worst = sorted([(-own, 1), *((-s, 0) for s in others)]).index((-own, 1)) + 1
        assert found["optimistic"][i] == best and found["pessimistic"][i] == worst
    mean = metrics.ranks(SCORES, ANSWERS, where=where)
    np.testing.assert_array_equal(mean, (found["optimistic"] + found["pessimistic"]) / 2)


def test_a_model_that_cannot_tell_is_in_the_middle_and_nan_is_last():
    rank = metrics.ranks(jnp.zeros((1, 9)), jnp.array([4]))
    assert rank.tolist() == [5.0]
    scores = jnp.array([[jnp.nan, 1.0, 2.0], [1.0, jnp.nan, 0.0]])
    assert metrics.ranks(scores, jnp.array([0, 0])).tolist() == [3.0, 2.0]
    masked = metrics.ranks(scores[1:], jnp.array([0]), where=jnp.array([[True, False, True]]))
    assert masked.tolist() == [1.0]


def test_means():
    rank, where = jnp.array([1.0, 2.0, 10.0, jnp.nan]), jnp.array([True, True, True, False])
    total, count = jax.jit(metrics.reciprocal_rank)(rank, where=where)
    np.testing.assert_allclose([total, count], [1.6, 3], rtol=1e-6)
    assert metrics.mean_from_sums([metrics.hits_at(rank, 2, where=where)]) == 2 / 3
    assert metrics.mean_from_sums([metrics.hits_at(rank, 10, where=where)]) == 1
    assert all(x.dtype == jnp.float32 for x in metrics.hits_at(rank, 1, where=where))
    none = metrics.reciprocal_rank(jnp.zeros(0))
    assert [float(x) for x in none] == [0, 0]


def test_what_does_not_fit_is_said():
    with pytest.raises(ValueError, match="ties must be one of 'realistic'"):
        metrics.ranks(SCORES, ANSWERS, ties="mean")
    with pytest.raises(ValueError, match=r"answers must lie in \[0, 7\)"):
        metrics.ranks(SCORES, ANSWERS + 7)
    with pytest.raises(ValueError, match=r"where must have shape \(40, 7\)"):
        metrics.ranks(SCORES, ANSWERS, where=np.ones((40, 6), bool))
    with pytest.raises(ValueError, match="k must be a positive integer"):
        metrics.hits_at(jnp.ones(3), 0)
    with pytest.raises(ValueError, match="ranks must be floating point"):
        metrics.reciprocal_rank(jnp.ones(3, int))
