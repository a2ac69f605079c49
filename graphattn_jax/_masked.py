"""What losses and metrics share: which entries count, and the pair of a sum and a count."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from graphattn_jax import _checks
from graphattn_jax.typing import Array, ArrayLike


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


def masked_sum(values: Array, mask: Array, weights: Array | None = None) -> tuple[Array, Array]:
    """The float32 pair `(sum, count)` of `values` where `mask`; with weights the count is their sum."""
    values = values.astype(jnp.float32)
    if weights is None:
        return jnp.sum(jnp.where(mask, values, 0)), jnp.sum(mask, dtype=jnp.float32)
    return jnp.sum(jnp.where(mask, values * weights, 0)), jnp.sum(jnp.where(mask, weights, 0))


def masked_errors(
    predictions: ArrayLike, targets: ArrayLike, where: ArrayLike | None
) -> tuple[Array, Array]:
    """The errors p - t in float32, 0 where masked, and the mask."""
    _checks.floating("predictions", predictions)
    _checks.shape("targets", targets, predictions.shape)
    mask = counted(where, predictions.shape)
    # Both sides are masked before the subtraction: NaN - NaN would leak into the gradient.
    predictions = jnp.where(mask, predictions, 0).astype(jnp.float32)
    targets = jnp.where(mask, targets, 0).astype(jnp.float32)
    return predictions - targets, mask


def check_classes(logits: ArrayLike, labels: ArrayLike, where: ArrayLike | None) -> Array:
    """`[N, K]` logits of N labels; the mask of the rows that count."""
    _checks.shape("logits", logits, (None, None))
    _checks.floating("logits", logits)
    _checks.ids("labels", labels, logits.shape[0])
    return counted(where, (logits.shape[0],))


def class_weight(class_weights: ArrayLike, labels: Array, num_classes: int) -> Array:
    """The weight of each label `[N]` in float32, NaN for a label that is no class."""
    _checks.shape("class_weights", class_weights, (num_classes,))
    _checks.floating("class_weights", class_weights)
    if not isinstance(class_weights, Tracer) and not (np.asarray(class_weights) >= 0).all():
        raise ValueError(f"class_weights must be 0 or positive, got {np.asarray(class_weights)}.")
    weights = jnp.asarray(class_weights).astype(jnp.float32)
    return weights.at[labels].get(mode="fill", fill_value=jnp.nan, wrap_negative_indices=False)
