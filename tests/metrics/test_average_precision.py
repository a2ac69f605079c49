import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from graphattn_jax.metrics import average_precision

jitted = jax.jit(average_precision)


@given(data=st.data(), size=st.integers(2, 40), levels=st.sampled_from([2, 5, 1000]))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_on_the_host_equals_scikit_learn(data, size, levels):
    labels = np.array(data.draw(st.lists(st.booleans(), min_size=size, max_size=size)))
    labels[:2] = [True, False]
    scores = np.array(
        data.draw(st.lists(st.integers(-levels, levels), min_size=size, max_size=size)), float
    )
    want = average_precision_score(labels, scores)
    np.testing.assert_allclose(average_precision(scores, labels), want, atol=1e-14)


@pytest.mark.parametrize("levels", [1, 3, 10**6])
def test_under_jit_equals_scikit_learn_with_ties_and_mask(levels, rng):
    for _ in range(5):
        scores = rng.integers(0, levels, 64).astype(np.float32)
        labels = rng.integers(0, 2, 64)
        where = rng.uniform(size=64) < 0.7
        scores[~where] = np.nan
        labels[~where] = -7
        want = average_precision_score(labels[where], scores[where])
        got = jitted(jnp.asarray(scores), jnp.asarray(labels), jnp.asarray(where))
        assert got.dtype == jnp.float32
        np.testing.assert_allclose(got, want, rtol=1e-6)
        np.testing.assert_allclose(average_precision(scores, labels, where), want, rtol=1e-12)


def test_by_hand_with_infinite_scores():
    scores = np.array([-np.inf, np.inf, 0.0, -np.inf, 5.0])
    labels = np.array([1, 1, 0, 0, 0])
    assert average_precision(scores, labels) == (1 / 1 + 2 / 5) / 2
    padded = np.array([True, True, True, False, True])
    assert average_precision(scores, labels, padded) == (1 / 1 + 2 / 4) / 2
    assert average_precision(np.arange(4.0), np.array([0, 0, 1, 1])) == 1


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        ([0.1, 0.2], [1, 1], "both classes, got 2 positives and 0 negatives"),
        ([0.1, 0.2], [0, 0], "both classes, got 0 positives and 2 negatives"),
        ([], [], "both classes, got 0 positives and 0 negatives"),
        ([0.1, np.nan], [0, 1], "scores must not be NaN"),
        ([0.1, 0.2, 0.3], [0, 1, 2], "labels must be bool, 0 or 1"),
    ],
)
def test_undefined_raises_on_the_host_and_is_nan_on_the_device(scores, labels, message):
    scores, labels = np.array(scores, np.float32), np.array(labels, np.int32)
    with pytest.raises(ValueError, match=message):
        average_precision(scores, labels)
    assert np.isnan(jitted(jnp.asarray(scores), jnp.asarray(labels)))


def test_errors_name_the_argument():
    with pytest.raises(ValueError, match="scores must be floating point"):
        average_precision(np.array([1, 2]), np.array([0, 1]))
    with pytest.raises(ValueError, match="labels must have shape"):
        average_precision(np.array([1.0, 2.0]), np.array([0, 1, 1]))
