"""The area under the ROC curve, exact, also with tied scores."""

from __future__ import annotations

from typing import Any

from graphattn_jax.metrics._two_classes import two_classes
from graphattn_jax.typing import ArrayLike


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
      >>> print(ga.metrics.roc_auc(np.array([0.1, 0.4, 0.4, 0.8]), np.array([0, 0, 1, 1])))
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
