"""Metrics as `(sum, count)` pairs, the merge of pairs, and the exact area under the ROC curve."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import jax.numpy as jnp
import numpy as np

from graphattn_jax import _checks
from graphattn_jax.models._losses import counted, l1_loss, l2_loss, masked_sum
from graphattn_jax.typing import Array, ArrayLike


def accuracy(
    logits: ArrayLike, labels: ArrayLike, *, where: ArrayLike | None = None
) -> tuple[Array, Array]:
    """Rows whose largest logit is the label's, and rows that count.

    Of equal logits the first class wins. A row with a NaN logit is wrong.

    Args:
      logits: `[N, K]` float.
      labels: `[N]` integer; rows outside `where` may hold any integer.
      where: `[N]` bool, True = counts. None = all.

    Returns:
      `(sum, count)`, float32 scalars.

    Raises:
      ValueError: shapes or dtypes disagree.

    Cost: O(N K).
    Padding: exact with `where`.

    Example:
      >>> import graphattn_jax as ga, jax.numpy as jnp
      >>> logits = jnp.array([[2.0, 1.0], [0.0, 3.0], [1.0, 0.0]])
      >>> correct, count = ga.models.accuracy(logits, jnp.array([0, 1, 1]))
      >>> print(float(correct), float(count))
      2.0 3.0
    """
    _checks.shape("logits", logits, (None, None))
    _checks.floating("logits", logits)
    _checks.ids("labels", labels, logits.shape[0])
    correct = (jnp.argmax(logits, axis=1) == labels) & ~jnp.any(jnp.isnan(logits), axis=1)
    return masked_sum(correct, counted(where, labels.shape))


def mean_absolute_error(
    predictions: ArrayLike, targets: ArrayLike, *, where: ArrayLike | None = None
) -> tuple[Array, Array]:
    """Absolute errors and their count: the pair of `l1_loss`, under the metric's name.

    Args:
      predictions: any shape, float.
      targets: shape of `predictions`.
      where: bool, True = counts: the shape of `predictions`, or its leading axes. None = all.

    Returns:
      `(sum, count)`, float32 scalars.

    Raises:
      ValueError: shapes or dtypes disagree.

    Cost: O(size of `predictions`).
    Padding: exact with `where`.

    Example:
      >>> import graphattn_jax as ga, jax.numpy as jnp
      >>> pair = ga.models.mean_absolute_error(jnp.array([1.0, 5.0]), jnp.array([3.0, 4.0]))
      >>> ga.models.mean_from_sums([pair])
      1.5
    """
    return l1_loss(predictions, targets, where=where)


def squared_error(
    predictions: ArrayLike, targets: ArrayLike, *, where: ArrayLike | None = None
) -> tuple[Array, Array]:
    """Squared errors and their count: the pair of `l2_loss`, under the metric's name.

    Args:
      predictions: any shape, float.
      targets: shape of `predictions`.
      where: bool, True = counts: the shape of `predictions`, or its leading axes. None = all.

    Returns:
      `(sum, count)`, float32 scalars; the root of sum / count is the RMSE.

    Raises:
      ValueError: shapes or dtypes disagree.

    Cost: O(size of `predictions`).
    Padding: exact with `where`.

    Example:
      >>> import graphattn_jax as ga, jax.numpy as jnp
      >>> pair = ga.models.squared_error(jnp.array([1.0, 5.0]), jnp.array([3.0, 4.0]))
      >>> ga.models.mean_from_sums([pair])
      2.5
    """
    return l2_loss(predictions, targets, where=where)


def mean_from_sums(pairs: Iterable[tuple[Any, Any]]) -> float:
    """The mean of merged `(sum, count)` pairs: all sums over all counts, divided once.

    Not the mean of the batches' means, which would weigh a small last batch like a full one.

    Args:
      pairs: `(sum, count)` per batch: scalars, or arrays with one entry per device.

    Returns:
      A Python float, accumulated in float64. NaN when nothing was counted, because a mean of
      nothing must not look like a score.

    Cost: O(number of pairs) on the host; waits for the device.

    Example:
      >>> import graphattn_jax as ga
      >>> ga.models.mean_from_sums([(90.0, 100.0), (0.0, 1.0)])
      0.8910891089108911
    """
    total = count = 0.0
    for batch_total, batch_count in pairs:
        total += float(np.sum(np.asarray(batch_total, np.float64)))
        count += float(np.sum(np.asarray(batch_count, np.float64)))
    return total / count if count else float("nan")


def roc_auc(scores: ArrayLike, labels: ArrayLike, where: ArrayLike | None = None) -> Any:
    """Area under the ROC curve, exact, also with tied scores.

    The probability that a random positive scores above a random negative, ties counting half:

        AUC = 1 / (P M) sum_{i positive} ( #{negative j: s_j < s_i} + #{negative j: s_j = s_i} / 2 )

    over P positives and M negatives (the Mann-Whitney statistic). It is not a mean over rows:
    the scores of all batches are needed together, so there is no `(sum, count)` form.

    NumPy in, NumPy out: host arrays are computed in float64 and bad input raises. JAX arrays,
    inside or outside `jit`, are computed in float32, and what would raise gives NaN.

    Args:
      scores: `[N]` float, larger = more positive.
      labels: `[N]`, bool or 0/1.
      where: `[N]` bool, True = counts. None = all.

    Returns:
      A scalar in [0, 1]. With JAX arrays NaN when only one class is present, a label that
      counts is not 0 or 1, or a score that counts is NaN.

    Raises:
      ValueError: shapes or dtypes disagree; with NumPy arrays also the cases of NaN above.

    Cost: O(N log N).
    Padding: exact with `where`.

    Example:
      >>> import graphattn_jax as ga, numpy as np
      >>> print(ga.models.roc_auc(np.array([0.1, 0.4, 0.4, 0.8]), np.array([0, 0, 1, 1])))
      0.875

    Source: Hanley, McNeil, "The Meaning and Use of the Area under a Receiver Operating
    Characteristic (ROC) Curve", Radiology 143, 1982.
    """
    scores, positive, negative, defined, xp = two_classes(scores, labels, where)
    dtype = scores.dtype
    num_positive, num_negative = xp.sum(positive), xp.sum(negative)
    # Everything but the negatives sorts behind them, as +inf; the counts are clipped back.
    negatives = xp.sort(xp.where(negative, scores, xp.inf))
    below = xp.minimum(xp.searchsorted(negatives, scores, side="left"), num_negative)
    not_above = xp.minimum(xp.searchsorted(negatives, scores, side="right"), num_negative)
    # Divided before the sum: the number of pairs overflows int32 and float32's integers.
    share = (below + not_above).astype(dtype) / xp.maximum(2 * num_negative, 1).astype(dtype)
    auc = xp.sum(xp.where(positive, share, 0)) / xp.maximum(num_positive, 1).astype(dtype)
    return xp.where(defined, auc, xp.nan)[()]


def two_classes(
    scores: ArrayLike, labels: ArrayLike, where: ArrayLike | None
) -> tuple[Any, Any, Any, Any, Any]:
    """Scores, positive and negative rows of a ranking metric, whether it is defined, and numpy or jnp.

    Host arrays are in float64, and what leaves the metric undefined raises; else all is float32.
    """
    _checks.shape("scores", scores, (None,))
    _checks.floating("scores", scores)
    _checks.shape("labels", labels, scores.shape)
    if where is not None:
        _checks.mask("where", where, scores.shape[0])

    on_host = all(x is None or isinstance(x, np.ndarray) for x in (scores, labels, where))
    xp: Any = np if on_host else jnp
    scores = xp.asarray(scores).astype(np.float64 if on_host else np.float32)
    mask: Any = xp.ones(scores.shape, bool) if where is None else where
    positive = mask & (labels == 1)
    negative = mask & (labels == 0)
    num_positive, num_negative = xp.sum(positive), xp.sum(negative)
    binary = xp.all(positive | negative | ~mask)
    ordered = ~xp.any(mask & xp.isnan(scores))

    if on_host:
        _refuse(~binary, "labels must be bool, 0 or 1 where counted; mask missing labels")
        _refuse(~ordered, "scores must not be NaN where counted; look for the step that diverged")
        _refuse(
            num_positive == 0 or num_negative == 0,
            f"labels must hold both classes, got {num_positive} positives and {num_negative} "
            "negatives; skip this task or evaluate on more rows",
        )
    defined = binary & ordered & (num_positive > 0) & (num_negative > 0)
    return scores, positive, negative, defined, xp


def _refuse(bad: Any, message: str) -> None:
    if bad:
        raise ValueError(f"{message}.")
