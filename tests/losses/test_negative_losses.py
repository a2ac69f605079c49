"""Losses of positives beside negatives, against sums in Python; masked ones may hold anything."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graphattn_jax import losses

RNG = np.random.default_rng(0)
POSITIVES, NEGATIVES = (
    RNG.normal(size=5).astype(np.float32),
    RNG.normal(size=(5, 3)).astype(np.float32),
)
WHERE, PAIRS = np.array([True, True, False, True, True]), RNG.random((5, 3)) < 0.7


def log_sigmoid(x):
    return -np.log1p(np.exp(-x))


def test_binary_cross_entropy():
    total, count = losses.negative_sampling(
        POSITIVES, NEGATIVES, where=WHERE, negatives_where=PAIRS
    )
    pairs = PAIRS & WHERE[:, None]
    want = -log_sigmoid(POSITIVES[WHERE]).sum() - log_sigmoid(-NEGATIVES[pairs]).sum()
    np.testing.assert_allclose(total, want, rtol=1e-5)
    assert float(count) == WHERE.sum() + pairs.sum()
    scores = np.concatenate([POSITIVES, NEGATIVES.ravel()])
    labels = np.repeat(np.array([1, 0], np.float32), [5, 15])
    for found, other in zip(
        losses.negative_sampling(POSITIVES, NEGATIVES),
        losses.sigmoid_binary_cross_entropy(scores, labels),
    ):
        np.testing.assert_allclose(found, other, rtol=1e-6)


def test_margin():
    total, count = losses.margin_ranking(
        POSITIVES, NEGATIVES, margin=0.5, where=WHERE, negatives_where=PAIRS
    )
    want = [
        max(0.0, 0.5 - POSITIVES[i] + NEGATIVES[i, k])
        for i in range(5)
        for k in range(3)
        if WHERE[i] and PAIRS[i, k]
    ]
    np.testing.assert_allclose([total, count], [sum(want), len(want)], rtol=1e-5)


@pytest.mark.parametrize("loss", [losses.negative_sampling, losses.margin_ranking])
def test_what_is_masked_reaches_nothing(loss):
    def run(positives, negatives):
        return loss(positives, negatives, where=WHERE, negatives_where=PAIRS)[0]

    spoilt = np.where(WHERE, POSITIVES, np.nan), np.where(PAIRS, NEGATIVES, np.inf)
    want, found = (jax.value_and_grad(run, (0, 1))(*x) for x in ((POSITIVES, NEGATIVES), spoilt))
    for x, y in zip(jax.tree.leaves(want), jax.tree.leaves(found)):
        np.testing.assert_array_equal(x, y)
    none = loss(jnp.ones(2), jnp.ones((2, 1)), where=jnp.zeros(2, bool))
    assert [float(x) for x in none] == [0, 0]


def test_what_does_not_fit_is_said():
    with pytest.raises(ValueError, match=r"negatives must have shape \[5, K\]"):
        losses.negative_sampling(POSITIVES, NEGATIVES[:3])
    with pytest.raises(ValueError, match="margin must be a number, 0 or more, got -1"):
        losses.margin_ranking(POSITIVES, NEGATIVES, margin=-1)
