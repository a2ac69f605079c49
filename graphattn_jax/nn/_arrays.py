"""What every function of this package does to its input first."""

from __future__ import annotations

import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax.typing import Array, ArrayLike


def features(x: ArrayLike, width: int) -> Array:
    """`x` as a floating-point JAX array with `width` features on its last axis."""
    x = jnp.asarray(x)
    _checks.floating("x", x)
    if x.ndim == 0 or x.shape[-1] != width:
        raise ValueError(
            f"x must have {width} features on its last axis, got shape {tuple(x.shape)}. "
            "Fix: initialise the parameters with the width of the data."
        )
    return x
