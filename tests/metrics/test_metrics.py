import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from graphattn_jax.metrics import (
    accuracy,
    balanced_accuracy,
    mean_absolute_error,
    mean_from_sums,
    roc_auc,
    squared_error,
)

jitted_auc = jax.jit(roc_auc)


def test_accuracy_counts_real_rows_and_nan_is_wrong():
    logits = jnp.array([[2.0, 1.0], [0.0, 1.0], [jnp.nan, 0.0], [1.0, 1.0], [0.0, 9.0]])
    labels = jnp.array([0, 0, 0, 0, -1])
    where = jnp.array([True, True, True, True, False])
    assert accuracy(logits, labels, where=where) == (2, 4)
    assert accuracy(logits[:0], labels[:0]) == (0, 0)


def test_weighted_accuracy_by_hand(debug_nans):
    logits = jnp.array([[2.0, 1.0], [0.0, 1.0], [3.0, 0.0], [0.0, 9.0]])
    labels, weights = jnp.array([0, 0, 1, -1]), jnp.array([0.5, 3.0])
    where = jnp.array([True, True, True, False])
    assert accuracy(logits, labels, where=where, class_weights=weights) == (0.5, 4.0)


@pytest.mark.parametrize("num_classes", [2, 5])
def test_balanced_accuracy_equals_scikit_learn_and_the_merged_weighted_pairs(num_classes, rng):
    labels = rng.choice(
        num_classes, 60, p=np.arange(1, num_classes + 1) / (num_classes * (num_classes + 1) / 2)
    )
    logits = rng.normal(size=(60, num_classes)) + np.eye(num_classes)[labels]
    where = rng.uniform(size=60) < 0.8
    want = balanced_accuracy_score(labels[where], logits.argmax(1)[where])
    labels, logits[~where] = np.where(where, labels, -1), np.nan
    np.testing.assert_allclose(balanced_accuracy(logits, labels, where), want, rtol=1e-12)
    device = jnp.asarray(logits, jnp.float32), jnp.asarray(labels), jnp.asarray(where)
    got = jax.jit(balanced_accuracy)(*device)
    assert got.dtype == jnp.float32
    np.testing.assert_allclose(got, want, rtol=1e-6)

    weights = jnp.asarray(1 / np.bincount(labels[where]), jnp.float32)
    pairs = [
        accuracy(device[0][part], device[1][part], where=device[2][part], class_weights=weights)
        for part in (slice(20), slice(20, 60))
    ]
    np.testing.assert_allclose(mean_from_sums(pairs), want, rtol=1e-6)


def test_balanced_accuracy_leaves_out_classes_that_do_not_occur():
    logits = np.eye(4)[[0, 0, 2]]
    assert balanced_accuracy(logits, np.array([0, 2, 2])) == (1 + 0.5) / 2
    logits[0] = np.nan
    assert balanced_accuracy(logits, np.array([0, 2, 2])) == (0 + 0.5) / 2


@pytest.mark.parametrize(
    ("labels", "counted", "message"),
    [([0, 1], False, "labels must have rows that count"), ([0, 2], True, r"lie in \[0, 2\)")],
)
def test_undefined_balanced_accuracy_raises_on_the_host_and_is_nan_on_the_device(
    labels, counted, message
):
    arguments = np.eye(2, dtype=np.float32), np.array(labels), np.full(2, counted)
    with pytest.raises(ValueError, match=message):
        balanced_accuracy(*arguments)
    assert jnp.isnan(balanced_accuracy(*map(jnp.asarray, arguments)))


def test_error_metrics_by_hand():
    predictions, targets = jnp.array([1.0, 5.0, jnp.nan]), jnp.array([3.0, 4.0, 0.0])
    where = jnp.array([True, True, False])
    assert mean_absolute_error(predictions, targets, where=where) == (3, 2)
    assert squared_error(predictions, targets, where=where) == (5, 2)


def test_mean_from_sums_weighs_batches_by_count_and_devices_too():
    per_device = (jnp.array([1.0, 2.0]), jnp.array([2.0, 2.0]))
    assert mean_from_sums([per_device, (5.0, 4.0)]) == 1.0
    assert mean_from_sums(iter([(2.0**24, 1.0), (1.0, 1.0)])) == (2**24 + 1) / 2
    assert math.isnan(mean_from_sums([(0.0, 0.0)])) and math.isnan(mean_from_sums([]))


@given(data=st.data(), size=st.integers(2, 40), levels=st.sampled_from([2, 5, 1000]))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_roc_auc_on_the_host_equals_scikit_learn(data, size, levels):
    labels = np.array(data.draw(st.lists(st.booleans(), min_size=size, max_size=size)))
    labels[:2] = [True, False]
    scores = np.array(
        data.draw(st.lists(st.integers(-levels, levels), min_size=size, max_size=size)), float
    )
    np.testing.assert_allclose(roc_auc(scores, labels), roc_auc_score(labels, scores), atol=1e-14)


@pytest.mark.parametrize("levels", [1, 3, 10**6])
def test_roc_auc_under_jit_equals_scikit_learn_with_ties_and_mask(levels, rng):
    for _ in range(5):
        scores = rng.integers(0, levels, 64).astype(np.float32)
        labels = rng.integers(0, 2, 64)
        where = rng.uniform(size=64) < 0.7
        want = roc_auc_score(labels[where], scores[where])
        scores[~where] = np.nan
        labels = np.where(where, labels, -1)
        for auc in (roc_auc, jitted_auc):
            got = auc(jnp.asarray(scores), jnp.asarray(labels), jnp.asarray(where))
            assert isinstance(got, jax.Array) and got.dtype == jnp.float32
            np.testing.assert_allclose(got, want, atol=1e-6)
        np.testing.assert_allclose(roc_auc(scores, labels, where), want, atol=1e-14)


def test_roc_auc_with_infinite_scores_and_many_rows(rng):
    scores = np.array([np.inf, np.inf, -np.inf, 0.0, np.inf])
    labels = np.array([1, 0, 1, 0, 0])
    assert roc_auc(scores, labels) == pytest.approx((0.5 * 2 + 1 + 0) / 6)
    labels = rng.integers(0, 2, 200_000)  # more pairs than int32 counts
    scores = (labels + rng.normal(size=200_000)).astype(np.float32)
    got = jitted_auc(jnp.asarray(scores), jnp.asarray(labels))
    np.testing.assert_allclose(got, roc_auc_score(labels, scores), atol=1e-5)


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        ([0.1, 0.2], [1, 1], "labels must hold both classes, got 2 positives and 0 negatives"),
        ([0.1, 0.2], [1, -1], "labels must be bool, 0 or 1"),
        ([0.1, np.nan], [1, 0], "scores must not be NaN"),
        ([], [], "got 0 positives and 0 negatives"),
    ],
)
def test_undefined_roc_auc_raises_on_the_host_and_is_nan_on_the_device(scores, labels, message):
    scores, labels = np.array(scores, np.float32), np.array(labels, np.int32)
    with pytest.raises(ValueError, match=message):
        roc_auc(scores, labels)
    assert jnp.isnan(jitted_auc(jnp.asarray(scores), jnp.asarray(labels)))


def test_errors_name_the_argument():
    with pytest.raises(ValueError, match=r"labels must have shape \[3\]"):
        roc_auc(np.zeros(3), np.zeros(2))
    with pytest.raises(ValueError, match="where must be boolean"):
        roc_auc(np.zeros(3), np.zeros(3), np.zeros(3))
    with pytest.raises(ValueError, match="labels must be integer"):
        accuracy(jnp.zeros((2, 2)), jnp.zeros(2))
