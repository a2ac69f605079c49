"""The error of directions, for features that were masked and are to be reconstructed."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax._masked import counted, masked_sum
from graphattn_jax.typing import Array, ArrayLike


def scaled_cosine_error(
    predictions: ArrayLike,
    targets: ArrayLike,
    *,
    where: ArrayLike | None = None,
    gamma: float = 2.0,
) -> tuple[Array, Array]:
    """How far the direction of each row is from that of its target; easy rows count less.

        l_i = ( 1 - cos( z_i, x_i ) )^γ

    A row of zeros has cosine 0 with everything.

    Args:
      predictions: `[N, D]` float, z.
      targets: `[N, D]`, x.
      where: `[N]` bool, True = counts: the nodes whose features were masked. None = all.
      gamma: γ ≥ 1.

    Returns:
      `(sum, count)`, float32 scalars.

    Raises:
      ValueError: shapes or dtypes disagree, a γ below 1.

    Cost: O(N D).
    Padding: exact with `where`; the gradient is zero on masked rows.

    Example:
      >>> import graphattn_jax as ga, jax.numpy as jnp
      >>> total, count = ga.losses.scaled_cosine_error(jnp.eye(2), jnp.array([[3.0, 0.0], [1.0, 0.0]]))
      >>> print(float(total), float(count))
      1.0 2.0

    Source: Hou et al., "GraphMAE: Self-Supervised Masked Graph Autoencoders", KDD 2022, arXiv:2205.10803, equation 2.
    """
    _checks.shape("predictions", predictions, ("N", "D"))
    _checks.floating("predictions", predictions)
    _checks.shape("targets", targets, predictions.shape)
    if isinstance(gamma, bool) or not isinstance(gamma, (int, float)) or not gamma >= 1:
        raise ValueError(f"gamma must be a number, 1 or more, got {gamma!r}.")
    mask = counted(where, predictions.shape[:1])
    z, x = (unit_rows(jnp.where(mask[:, None], rows, 0)) for rows in (predictions, targets))
    away = jnp.maximum(1 - jnp.sum(z * x, axis=1), 0)
    return masked_sum(away**gamma, mask)


def unit_rows(x: ArrayLike) -> Array:
    """Of length 1 in float32, 0 for a row of zeros; its derivative there is finite."""
    x = jnp.asarray(x).astype(jnp.float32)
    square = jnp.sum(jnp.square(x), axis=1, keepdims=True)
    return x * jax.lax.rsqrt(jnp.maximum(square, 1e-24))
