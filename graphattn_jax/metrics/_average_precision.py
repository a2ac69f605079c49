"""Average precision, exact, also with tied scores."""

from __future__ import annotations

from typing import Any

from graphattn_jax.metrics._two_classes import two_classes
from graphattn_jax.typing import ArrayLike


def average_precision(scores: ArrayLike, labels: ArrayLike, where: ArrayLike | None = None) -> Any:
    """Area under the steps of the precision-recall curve: the metric for few positives.

    The mean over the P positives of the precision among the rows that score as high or higher:

        AP = 1 / P sum_{i positive} #{positive j: s_j >= s_i} / #{j: s_j >= s_i}

    Chance is the share of positives. It is not a mean over rows: the scores of all batches are
    needed together, so there is no `(sum, count)` form.

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
      >>> print(ga.metrics.average_precision(np.array([0.1, 0.4, 0.6, 0.8]), np.array([0, 1, 0, 1])))
      0.8333333333333333

    Source: Zhu, "Recall, Precision and Average Precision", University of Waterloo, 2004; as reported
      for ogbg-molpcba, Hu et al., "Open Graph Benchmark", NeurIPS 2020, arXiv:2005.00687.
    """
    scores, positive, negative, defined, xp = two_classes(scores, labels, where)

    def at_least(rows: Any) -> Any:
        """How many of `rows` score as high as each row; the others sort in front, as -inf."""
        ordered = xp.sort(xp.where(rows, scores, -xp.inf))
        count = len(scores) - xp.searchsorted(ordered, scores, side="left")
        return xp.minimum(count, xp.sum(rows)).astype(scores.dtype)

    precision = at_least(positive) / xp.maximum(at_least(positive | negative), 1)
    num_positive = xp.maximum(xp.sum(positive), 1).astype(scores.dtype)
    mean = xp.sum(xp.where(positive, precision, 0)) / num_positive
    return xp.where(defined, mean, xp.nan)[()]
