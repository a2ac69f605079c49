"""Absolute and squared errors."""

from __future__ import annotations

import jax.numpy as jnp

from graphattn_jax._masked import masked_errors, masked_sum
from graphattn_jax.typing import Array, ArrayLike


def l1_loss(
    predictions: ArrayLike, targets: ArrayLike, *, where: ArrayLike | None = None
) -> tuple[Array, Array]:
    """Absolute errors `|p - t|`, summed; sum / count is the mean absolute error.

    Args:
      predictions: any shape, float.
      targets: shape of `predictions`; NaN is fine where masked.
      where: bool, True = counts: the shape of `predictions`, or its leading axes. None = all.

    Returns:
      `(sum, count)`, float32 scalars. The gradient at zero error is zero.

    Raises:
      ValueError: shapes or dtypes disagree.

    Cost: O(size of `predictions`).
    Padding: exact with `where`; the gradient is zero where masked.

    Example:
      >>> import graphattn_jax as ga, jax.numpy as jnp
      >>> total, count = ga.losses.l1_loss(jnp.array([1.0, 5.0]), jnp.array([3.0, 4.0]))
      >>> print(float(total), float(count))
      3.0 2.0
    """
    errors, mask = masked_errors(predictions, targets, where)
    return masked_sum(jnp.abs(errors), mask)


def l2_loss(
    predictions: ArrayLike, targets: ArrayLike, *, where: ArrayLike | None = None
) -> tuple[Array, Array]:
    """Squared errors `(p - t)^2`, summed, without a factor 1/2; sum / count is the mean.

    Args:
      predictions: any shape, float.
      targets: shape of `predictions`; NaN is fine where masked.
      where: bool, True = counts: the shape of `predictions`, or its leading axes. None = all.

    Returns:
      `(sum, count)`, float32 scalars.

    Raises:
      ValueError: shapes or dtypes disagree.

    Cost: O(size of `predictions`).
    Padding: exact with `where`; the gradient is zero where masked.

    Example:
      >>> import graphattn_jax as ga, jax.numpy as jnp
      >>> total, count = ga.losses.l2_loss(jnp.array([1.0, 5.0]), jnp.array([3.0, 4.0]))
      >>> print(float(total), float(count))
      5.0 2.0
    """
    errors, mask = masked_errors(predictions, targets, where)
    return masked_sum(jnp.square(errors), mask)
