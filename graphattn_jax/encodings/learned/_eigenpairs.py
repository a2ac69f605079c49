"""What the encoders of eigenpairs have in common."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax.typing import Array, ArrayLike


def eigenpairs(
    vectors: Any, values: ArrayLike | None, mask: ArrayLike | None, *, magnetic: bool = False
) -> tuple[Array, Array, Array]:
    """Checked arrays `[N, K]` (vectors `[N, K, 2]` if `magnetic`); vectors and values are 0 where the mask is False.

    Raises:
      ValueError: shapes disagree, vectors are not floating point, or the mask is not boolean.
    """
    if hasattr(vectors, "vectors"):
        vectors, values, mask = vectors.vectors, vectors.values, vectors.mask
    if values is None or mask is None:
        raise ValueError(
            f"vectors must come with values and mask, got {_checks.describe(vectors)} alone. Fix: all that "
            "laplacian_eigenvectors returns."
        )
    vectors, values, mask = (jnp.asarray(x) for x in (vectors, values, mask))
    if vectors.ndim != 2 + magnetic:
        raise ValueError(
            f"vectors must have shape {'[N, K, 2]' if magnetic else '[N, K]'}, got {vectors.shape}. Fix: complex "
            "vectors go with magnetic=True in init_laplace_deepset or init_spe, real ones without it."
        )
    _checks.shape("vectors", vectors, ("N", "K", 2)[: vectors.ndim])
    _checks.floating("vectors", vectors)
    _checks.shape("values", values, vectors.shape[:2])
    _checks.shape("mask", mask, vectors.shape[:2])
    if mask.dtype != bool:
        raise ValueError(f"mask must be boolean (True = real), got {_checks.describe(mask)}.")
    zero = jnp.zeros((), vectors.dtype)
    there = mask[..., None] if magnetic else mask
    values = jnp.where(mask, values.astype(vectors.dtype), zero)
    return jnp.where(there, vectors, zero), values, mask


def tokens(vectors: Array, values: Array) -> Array:
    """`[N, K, 2]`, or `[N, K, 3]` of complex vectors: entries and eigenvalue of each pair."""
    vectors = vectors if vectors.ndim == 3 else vectors[..., None]
    return jnp.concatenate([vectors, values[..., None]], axis=-1)


def where_rows(keep: Array, x: Array) -> Array:
    """`x` `[..., D]` with zeros in the rows where `keep` `[...]` is False."""
    return jnp.where(keep[..., None], x, jnp.zeros((), x.dtype))
