"""What the encoders of eigenpairs have in common."""

from __future__ import annotations

import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax.typing import Array, ArrayLike


def eigenpairs(
    vectors: ArrayLike, values: ArrayLike, mask: ArrayLike
) -> tuple[Array, Array, Array]:
    """Checked `[N, K]` arrays; vectors and values are 0 where the mask is False.

    Raises:
      ValueError: shapes disagree, vectors are not floating point, or the mask is not boolean.
    """
    vectors, values, mask = (jnp.asarray(x) for x in (vectors, values, mask))
    _checks.shape("vectors", vectors, ("N", "K"))
    _checks.floating("vectors", vectors)
    _checks.shape("values", values, vectors.shape)
    _checks.shape("mask", mask, vectors.shape)
    if mask.dtype != bool:
        raise ValueError(f"mask must be boolean (True = real), got {_checks.describe(mask)}.")
    zero = jnp.zeros((), vectors.dtype)
    return jnp.where(mask, vectors, zero), jnp.where(mask, values.astype(vectors.dtype), zero), mask


def where_rows(keep: Array, x: Array) -> Array:
    """`x` `[..., D]` with zeros in the rows where `keep` `[...]` is False."""
    return jnp.where(keep[..., None], x, jnp.zeros((), x.dtype))
