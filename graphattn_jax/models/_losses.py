"""Losses as `(sum, count)` pairs, so that batches and devices merge exactly before one division."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax.typing import Array, ArrayLike


def softmax_cross_entropy(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    where: ArrayLike | None = None,
    label_smoothing: float = 0.0,
) -> tuple[Array, Array]:
    """Cross-entropy of integer labels under softmax logits, summed over the real rows.

    For one label per row. Several independent yes/no labels per row are
    `sigmoid_binary_cross_entropy`.

        l_i = logsumexp_k(z_ik) - (1 - s) z_i,y_i - s mean_k(z_ik),    s = label_smoothing

    Masked rows may hold anything, NaN included: they change neither value nor gradient.

    Args:
      logits: `[N, K]` float, one column per class.
      labels: `[N]` integer in `[0, K)`; rows outside `where` may hold any integer, such as -1.
      where: `[N]` bool, True = counts. None = all.
      label_smoothing: weight in [0, 1) of the uniform distribution over classes.

    Returns:
      `(sum, count)`, float32 scalars; `(0, 0)` when no row counts. Under `jit` a label that is
      counted and lies outside `[0, K)` makes the sum NaN, which the train step reports.

    Raises:
      ValueError: shapes or dtypes disagree, or (outside `jit`) a counted label is out of range.

    Cost: O(N K).
    Padding: exact with `where`; the gradient is zero on masked rows.

    Example:
      >>> import graphattn_jax as ga, jax.numpy as jnp
      >>> logits = jnp.array([[2.0, 0.0], [0.0, 0.0], [9.0, 9.0]])
      >>> total, count = ga.models.softmax_cross_entropy(
      ...     logits, jnp.array([0, 1, -1]), where=jnp.array([True, True, False]))
      >>> print(round(float(total), 4), float(count))
      0.8201 2.0

    Source: label smoothing: Szegedy et al., "Rethinking the Inception Architecture", CVPR 2016.
    """
    _checks.shape("logits", logits, (None, None))
    _checks.floating("logits", logits)
    num_rows, num_classes = logits.shape
    _checks.ids("labels", labels, num_rows)
    if not 0.0 <= label_smoothing < 1.0:
        raise ValueError(f"label_smoothing must be a number in [0, 1), got {label_smoothing!r}.")
    mask = counted(where, (num_rows,))

    labels = jnp.where(mask, labels, 0)
    _checks.ids_in_range("labels", labels, num_classes, "classes")
    logits = jnp.where(mask[:, None], logits, 0).astype(jnp.float32)
    chosen = jnp.take_along_axis(logits, labels[:, None], axis=1)[:, 0]
    chosen = jnp.where((labels >= 0) & (labels < num_classes), chosen, jnp.nan)
    losses = jax.nn.logsumexp(logits, axis=1) - (1.0 - label_smoothing) * chosen
    if label_smoothing:
        losses = losses - label_smoothing * jnp.mean(logits, axis=1)
    return masked_sum(losses, mask)


def sigmoid_binary_cross_entropy(
    logits: ArrayLike, labels: ArrayLike, *, where: ArrayLike | None = None
) -> tuple[Array, Array]:
    """Cross-entropy of independent yes/no labels under sigmoid logits.

    For binary and multi-task targets; missing labels are masked one by one.

        l = -y log sigmoid(z) - (1 - y) log sigmoid(-z) = softplus(z) - z y

    Args:
      logits: any shape, float.
      labels: shape of `logits`, bool or number in [0, 1]; NaN is fine where masked.
      where: bool, True = counts: the shape of `logits`, or its leading axes (a mask over graphs
        for `[G, T]` logits). None = all.

    Returns:
      `(sum, count)`, float32 scalars; the count is the number of labels that count.

    Raises:
      ValueError: shapes or dtypes disagree.

    Cost: O(size of `logits`).
    Padding: exact with `where`; the gradient is zero where masked.

    Example:
      >>> import graphattn_jax as ga, jax.numpy as jnp
      >>> labels = jnp.array([[1.0, jnp.nan], [0.0, 1.0]])
      >>> total, count = ga.models.sigmoid_binary_cross_entropy(
      ...     jnp.zeros((2, 2)), labels, where=~jnp.isnan(labels))
      >>> print(round(float(total), 4), float(count))
      2.0794 3.0
    """
    _checks.floating("logits", logits)
    _checks.shape("labels", labels, logits.shape)
    mask = counted(where, logits.shape)
    logits = jnp.where(mask, logits, 0).astype(jnp.float32)
    labels = jnp.where(mask, labels, 0).astype(jnp.float32)
    return masked_sum(jax.nn.softplus(logits) - logits * labels, mask)


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
      >>> total, count = ga.models.l1_loss(jnp.array([1.0, 5.0]), jnp.array([3.0, 4.0]))
      >>> print(float(total), float(count))
      3.0 2.0
    """
    errors, mask = _errors(predictions, targets, where)
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
      >>> total, count = ga.models.l2_loss(jnp.array([1.0, 5.0]), jnp.array([3.0, 4.0]))
      >>> print(float(total), float(count))
      5.0 2.0
    """
    errors, mask = _errors(predictions, targets, where)
    return masked_sum(jnp.square(errors), mask)


def counted(where: ArrayLike | None, shape: tuple[int, ...]) -> Array:
    """`where` as a boolean array of `shape`; a mask over leading axes is extended to the rest."""
    if where is None:
        return jnp.ones(shape, bool)
    if not hasattr(where, "dtype") or where.dtype != bool:
        raise ValueError(
            f"where must be boolean (True = counts), got {_checks.describe(where)}. "
            "Fix: compare, e.g. `mask > 0`."
        )
    leading = where.shape == shape[: where.ndim]
    if not leading:
        raise ValueError(
            f"where must have shape {shape} or its leading axes, got {tuple(where.shape)}."
        )
    trailing_ones = (1,) * (len(shape) - where.ndim)
    return jnp.broadcast_to(jnp.reshape(where, where.shape + trailing_ones), shape)


def masked_sum(values: Array, mask: Array) -> tuple[Array, Array]:
    """The float32 pair `(sum, count)` of `values` where `mask`."""
    values = jnp.where(mask, values.astype(jnp.float32), 0)
    return jnp.sum(values), jnp.sum(mask, dtype=jnp.float32)


def _errors(
    predictions: ArrayLike, targets: ArrayLike, where: ArrayLike | None
) -> tuple[Array, Array]:
    _checks.floating("predictions", predictions)
    _checks.shape("targets", targets, predictions.shape)
    mask = counted(where, predictions.shape)
    # Both sides are masked before the subtraction: NaN - NaN would leak into the gradient.
    predictions = jnp.where(mask, predictions, 0).astype(jnp.float32)
    targets = jnp.where(mask, targets, 0).astype(jnp.float32)
    return predictions - targets, mask
