"""A metric of one task, averaged over many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from graphattn_jax import _checks
from graphattn_jax._masked import counted
from graphattn_jax.typing import ArrayLike


def mean_over_tasks(
    metric: Callable[..., Any],
    scores: ArrayLike,
    labels: ArrayLike,
    where: ArrayLike | None = None,
) -> Any:
    """Multi-task ROC-AUC or average precision with missing labels.

        mean over tasks t with both classes of  metric(scores[i, t], labels[i, t]: label i, t not missing)

    Tasks in which one class is absent have no ROC-AUC and are left out, as in MoleculeNet and OGB.

    Args:
      metric: `roc_auc`, `average_precision`, or a function with their arguments.
      scores: `[N, T]` float, larger = more positive.
      labels: `[N, T]`, 0, 1, or NaN for missing.
      where: bool, True = counts: `[N]` or `[N, T]`. None = all.

    Returns:
      A scalar: NumPy for NumPy arrays, else JAX. With JAX arrays NaN when no task has both classes,
      or where the metric of a task that has them is NaN.

    Raises:
      ValueError: shapes or dtypes disagree; with NumPy arrays also when no task has both classes, or
        where the metric raises.

    Cost: T times that of the metric.
    Padding: exact with `where`.

    Example:
      >>> import graphattn_jax as ga, numpy as np
      >>> labels = np.array([[0, np.nan, 1], [1, 0, 1], [0, 1, 1], [1, 1, np.nan]])
      >>> scores = np.array([[0.1, 0.9, 0.5], [0.2, 0.5, 0.5], [0.3, 0.4, 0.5], [0.4, 0.6, 0.5]])
      >>> print(ga.metrics.mean_over_tasks(ga.metrics.roc_auc, scores, labels))  # of 0.75 and 0.5
      0.625

    Source: Wu et al., "MoleculeNet: A Benchmark for Molecular Machine Learning", Chemical Science
      9, 2018, arXiv:1703.00564.
    """
    _checks.shape("scores", scores, (None, None))
    _checks.floating("scores", scores)
    _checks.shape("labels", labels, scores.shape)
    on_host = all(x is None or isinstance(x, np.ndarray) for x in (scores, labels, where))
    xp: Any = np if on_host else jnp
    present = xp.asarray(counted(where, scores.shape)) & (labels == labels)  # not NaN
    both = xp.any(present & (labels == 1), axis=0) & xp.any(present & (labels == 0), axis=0)
    if on_host:
        tasks = np.flatnonzero(both)
        if len(tasks) == 0:
            raise ValueError(
                f"labels must hold both classes in at least one of {scores.shape[1]} tasks. "
                "Fix: evaluate on more rows."
            )
        return np.mean([metric(scores[:, t], labels[:, t], present[:, t]) for t in tasks])
    values = jax.vmap(metric, in_axes=1)(jnp.asarray(scores), jnp.asarray(labels), present)
    total = jnp.sum(jnp.where(both, values, 0))
    return total / jnp.sum(both, dtype=jnp.float32)
