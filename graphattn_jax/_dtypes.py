"""The one rule of precision: sums, exponentials and logits are at least float32."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from graphattn_jax.typing import Array, ArrayLike


def accumulation_dtype(dtype: Any) -> jnp.dtype:
    """float32 for half precision, the dtype itself otherwise."""
    # Not promote_types, which strict dtype promotion forbids between float widths.
    if jnp.issubdtype(dtype, jnp.floating) and jnp.finfo(dtype).bits < 32:
        return jnp.dtype(jnp.float32)
    return jnp.dtype(dtype)


def wide(x: ArrayLike) -> Array:
    """`x` in the precision of sums."""
    x = jnp.asarray(x)
    return x.astype(accumulation_dtype(x.dtype))
