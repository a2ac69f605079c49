"""Cross-entropies of one class of several, and of independent yes/no labels."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from graphattn_jax import _checks
from graphattn_jax._masked import check_classes, class_weight, counted, masked_sum
from graphattn_jax.typing import Array, ArrayLike


def softmax_cross_entropy(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    where: ArrayLike | None = None,
    label_smoothing: float = 0.0,
    class_weights: ArrayLike | None = None,
) -> tuple[Array, Array]:
    """Cross-entropy of integer labels under softmax logits, summed over the real rows.

    For one label per row. Several independent yes/no labels per row are
    `sigmoid_binary_cross_entropy`.

        l_i = (1 - s) w_y_i c_i,y_i + s mean_k( w_k c_ik ),   c_ik = logsumexp_k'(z_ik') - z_ik

    with s = `label_smoothing` and w = `class_weights`. Masked rows may hold anything, NaN included:
    they change neither value nor gradient.

    Args:
      logits: `[N, K]` float, one column per class.
      labels: `[N]` integer in `[0, K)`; rows outside `where` may hold any integer, such as -1.
      where: `[N]` bool, True = counts. None = all.
      label_smoothing: weight in [0, 1) of the uniform distribution over classes.
      class_weights: `[K]` float, w ≥ 0, for classes of unequal size (`frequency_weights`). None = 1.

    Returns:
      `(sum, count)`, float32 scalars; `(0, 0)` when no row counts. The count is Σ_i w_y_i, as in
      torch: their quotient is the weighted mean. Under `jit` a label that is counted and lies
      outside `[0, K)` makes the sum NaN, which the train step reports.

    Raises:
      ValueError: shapes or dtypes disagree, or (outside `jit`) a counted label is out of range.

    Cost: O(N K).
    Padding: exact with `where`; the gradient is zero on masked rows.

    Example:
      >>> import graphattn_jax as ga, jax.numpy as jnp
      >>> logits = jnp.array([[2.0, 0.0], [0.0, 0.0], [9.0, 9.0]])
      >>> total, count = ga.losses.softmax_cross_entropy(
      ...     logits, jnp.array([0, 1, -1]), where=jnp.array([True, True, False]))
      >>> print(round(float(total), 4), float(count))
      0.8201 2.0

    Source: label smoothing: Szegedy et al., "Rethinking the Inception Architecture", CVPR 2016.
    """
    mask = check_classes(logits, labels, where)
    num_classes = logits.shape[1]
    _checks.rate("label_smoothing", label_smoothing)

    labels = jnp.where(mask, labels, 0)
    fix = " Fix: where=labels >= 0 for rows without a label."
    _checks.ids_in_range("labels", labels, num_classes, "classes", fix=fix)
    logits = jnp.where(mask[:, None], logits, 0).astype(jnp.float32)
    chosen = jnp.take_along_axis(logits, labels[:, None], axis=1)[:, 0]
    chosen = jnp.where((labels >= 0) & (labels < num_classes), chosen, jnp.nan)
    logsumexp = jax.nn.logsumexp(logits, axis=1)
    if class_weights is None:
        losses = logsumexp - (1.0 - label_smoothing) * chosen
        if label_smoothing:
            losses = losses - label_smoothing * jnp.mean(logits, axis=1)
        return masked_sum(losses, mask)

    weights = class_weight(class_weights, labels, num_classes)
    total, count = masked_sum((1.0 - label_smoothing) * (logsumexp - chosen), mask, weights)
    if label_smoothing:
        all_weights = jnp.asarray(class_weights).astype(jnp.float32)
        uniform = jnp.mean(all_weights[None] * (logsumexp[:, None] - logits), axis=1)
        total = total + label_smoothing * masked_sum(uniform, mask)[0]
    return total, count


def sigmoid_binary_cross_entropy(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    where: ArrayLike | None = None,
    pos_weight: ArrayLike | float | None = None,
) -> tuple[Array, Array]:
    """Cross-entropy of independent yes/no labels under sigmoid logits.

    For binary and multi-task targets; missing labels are masked one by one.

        l = -p y log sigmoid(z) - (1 - y) log sigmoid(-z) = softplus(z) - z y + (p - 1) y softplus(-z)

    Args:
      logits: any shape, float.
      labels: shape of `logits`, bool or number in [0, 1]; NaN is fine where masked.
      where: bool, True = counts: the shape of `logits`, or its leading axes (a mask over graphs
        for `[G, T]` logits). None = all.
      pos_weight: p ≥ 0, the weight of positive labels, a number or one per task `[T]`, the last axis of
        the logits; negatives / positives balances them. None = 1.

    Returns:
      `(sum, count)`, float32 scalars; the count is the number of labels that count, whatever their weight.

    Raises:
      ValueError: shapes or dtypes disagree.

    Cost: O(size of `logits`).
    Padding: exact with `where`; the gradient is zero where masked.

    Example:
      >>> import graphattn_jax as ga, jax.numpy as jnp
      >>> labels = jnp.array([[1.0, jnp.nan], [0.0, 1.0]])
      >>> total, count = ga.losses.sigmoid_binary_cross_entropy(
      ...     jnp.zeros((2, 2)), labels, where=~jnp.isnan(labels))
      >>> print(round(float(total), 4), float(count))
      2.0794 3.0
    """
    _checks.floating("logits", logits)
    _checks.shape("labels", labels, logits.shape)
    mask = counted(where, logits.shape)
    logits = jnp.where(mask, logits, 0).astype(jnp.float32)
    labels = jnp.where(mask, labels, 0).astype(jnp.float32)
    _check_probabilities(labels)
    losses = jax.nn.softplus(logits) - logits * labels
    if pos_weight is not None:
        extra = _per_task(pos_weight, logits.shape) - 1.0
        losses = losses + extra * labels * jax.nn.softplus(-logits)
    return masked_sum(losses, mask)


def _check_probabilities(labels: Array) -> None:
    """In [0, 1], as far as they are concrete."""
    if isinstance(labels, Tracer):
        return
    wrong = np.asarray(~((labels >= 0) & (labels <= 1)))
    if wrong.any():
        raise ValueError(
            f"labels must lie in [0, 1] where counted, got {np.asarray(labels)[wrong][0]}. "
            "Fix: where= without the missing ones, such as ~jnp.isnan(labels) or labels >= 0."
        )


def _per_task(pos_weight: ArrayLike | float, shape: tuple[int, ...]) -> Array:
    """In float32, with as many axes as the logits."""
    weight = jnp.asarray(pos_weight, jnp.float32)
    if not isinstance(weight, Tracer) and not (np.asarray(weight) >= 0).all():
        raise ValueError(f"pos_weight must be 0 or positive, got {_checks.describe(pos_weight)}.")
    if weight.ndim:
        _checks.shape("pos_weight", weight, shape[-1:])
    return weight.reshape((1,) * (len(shape) - weight.ndim) + weight.shape)
