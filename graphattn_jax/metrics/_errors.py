"""Absolute and squared errors."""

from __future__ import annotations

import jax.numpy as jnp

from graphattn_jax._masked import masked_errors, masked_sum
from graphattn_jax.typing import Array, ArrayLike


def mean_absolute_error(
    predictions: ArrayLike, targets: ArrayLike, *, where: ArrayLike | None = None
) -> tuple[Array, Array]:
    """Absolute errors and their count: the pair of `ga.losses.l1_loss`, under the metric's name.

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
      >>> pair = ga.metrics.mean_absolute_error(jnp.array([1.0, 5.0]), jnp.array([3.0, 4.0]))
      >>> ga.metrics.mean_from_sums([pair])
      1.5
    """
    errors, mask = masked_errors(predictions, targets, where)
    return masked_sum(jnp.abs(errors), mask)


def squared_error(
    predictions: ArrayLike, targets: ArrayLike, *, where: ArrayLike | None = None
) -> tuple[Array, Array]:
    """Squared errors and their count: the pair of `ga.losses.l2_loss`, under the metric's name.

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
      >>> pair = ga.metrics.squared_error(jnp.array([1.0, 5.0]), jnp.array([3.0, 4.0]))
      >>> ga.metrics.mean_from_sums([pair])
      2.5
    """
    errors, mask = masked_errors(predictions, targets, where)
    return masked_sum(jnp.square(errors), mask)
