"""The merge of `(sum, count)` pairs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from graphattn_jax import _checks


def mean_from_sums(pairs: Iterable[tuple[Any, Any]]) -> float:
    """The mean of merged `(sum, count)` pairs: all sums over all counts, divided once.

    Not the mean of the batches' means, which would weigh a small last batch like a full one.

    Args:
      pairs: `(sum, count)` per batch: scalars, or arrays with one entry per device.

    Returns:
      A Python float, accumulated in float64. NaN when nothing was counted, because a mean of
      nothing must not look like a score.

    Raises:
      ValueError: something that is no pair.

    Cost: O(number of pairs) on the host; waits for the device.

    Example:
      >>> import graphattn_jax as ga
      >>> ga.metrics.mean_from_sums([(90.0, 100.0), (0.0, 1.0)])
      0.8910891089108911
    """
    total = count = 0.0
    for pair in pairs:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise ValueError(f"pairs must hold pairs (sum, count), got {_checks.describe(pair)}.")
        batch_total, batch_count = pair
        total += float(np.sum(np.asarray(batch_total, np.float64)))
        count += float(np.sum(np.asarray(batch_count, np.float64)))
    return total / count if count else float("nan")
