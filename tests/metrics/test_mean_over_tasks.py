import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from graphattn_jax.metrics import average_precision, mean_over_tasks, roc_auc

METRICS = [(roc_auc, roc_auc_score), (average_precision, average_precision_score)]


def tasks_with_gaps(rng):
    """Four tasks of 50 rows with missing labels; the third has no positive, the fourth one no label."""
    scores = rng.normal(size=(50, 4)).astype(np.float32)
    labels = rng.integers(0, 2, (50, 4)).astype(np.float32)
    labels[:, 2] = 0
    labels[rng.uniform(size=labels.shape) < 0.3] = np.nan
    labels[:, 3] = np.nan
    return scores, labels


def slow(score, scores, labels, where):
    values = []
    for t in range(scores.shape[1]):
        keep = where[:, t] & ~np.isnan(labels[:, t])
        if len(np.unique(labels[keep, t])) == 2:
            values.append(score(labels[keep, t], scores[keep, t]))
    assert len(values) == 2
    return np.mean(values)


@pytest.mark.parametrize(("metric", "score"), METRICS)
@pytest.mark.parametrize("rank", [0, 1, 2])
def test_equals_scikit_learn_task_by_task(metric, score, rank, rng):
    scores, labels = tasks_with_gaps(rng)
    where = [None, rng.uniform(size=50) < 0.7, rng.uniform(size=(50, 4)) < 0.7][rank]
    mask = (
        np.ones((50, 4), bool) if where is None else np.broadcast_to(where.reshape(50, -1), (50, 4))
    )
    scores[~mask] = np.nan
    want = slow(score, scores, labels, mask)
    np.testing.assert_allclose(mean_over_tasks(metric, scores, labels, where), want, rtol=1e-6)
    on_device = jax.tree.map(jnp.asarray, (scores, labels, where))
    got = jax.jit(lambda *args: mean_over_tasks(metric, *args))(*on_device)
    np.testing.assert_allclose(got, want, rtol=1e-5)


def test_one_complete_task_of_integers_is_the_metric(rng):
    scores, labels = rng.normal(size=(20, 1)), rng.integers(0, 2, (20, 1))
    want = roc_auc(scores[:, 0], labels[:, 0])
    assert mean_over_tasks(roc_auc, scores, labels) == want
    got = mean_over_tasks(roc_auc, jnp.asarray(scores, jnp.float32), jnp.asarray(labels))
    np.testing.assert_allclose(got, want, rtol=1e-6)


def test_no_task_with_both_classes():
    scores, labels = np.ones((3, 2)), np.array([[0, 1], [0, 1], [np.nan, 1]])
    with pytest.raises(ValueError, match="both classes in at least one of 2 tasks"):
        mean_over_tasks(roc_auc, scores, labels)
    device = jnp.asarray(scores, jnp.float32), jnp.asarray(labels, jnp.float32)
    assert np.isnan(mean_over_tasks(roc_auc, *device))


def test_diverged_scores_are_not_left_out():
    scores, labels = np.array([[0.1, np.nan], [0.2, 0.3]], np.float32), np.array([[0, 0], [1, 1]])
    with pytest.raises(ValueError, match="scores must not be NaN"):
        mean_over_tasks(roc_auc, scores, labels)
    assert np.isnan(mean_over_tasks(roc_auc, jnp.asarray(scores), jnp.asarray(labels)))


def test_errors_name_the_argument():
    with pytest.raises(ValueError, match=r"scores must have shape \[\?, \?\]"):
        mean_over_tasks(roc_auc, np.ones(3), np.ones(3))
    with pytest.raises(ValueError, match=r"labels must have shape \[3, 2\]"):
        mean_over_tasks(roc_auc, np.ones((3, 2)), np.ones((3, 1)))
    with pytest.raises(ValueError, match=r"where must have shape \(3, 2\) or its leading axes"):
        mean_over_tasks(roc_auc, np.ones((3, 2)), np.ones((3, 2)), np.ones(2, bool))
