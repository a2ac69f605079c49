"""The product of rows with a weight, in the precision that all layers use."""

from __future__ import annotations

import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax._dtypes import accumulation_dtype
from graphattn_jax.ops._sparse_features import SparseFeatures
from graphattn_jax.typing import Array, ArrayLike

__all__ = ["matmul"]


def matmul(x: ArrayLike | SparseFeatures, weight: ArrayLike) -> Array:
    """The product x W over the last axis, W in the dtype of x, accumulated and returned in float32 or wider.

    A layer of your own that ends with `.astype(x.dtype)` then has the precision of those of this package.

    Args:
      x: `[..., D]` floating point, or `SparseFeatures` `[N, D]`.
      weight: `[D, F]`.

    Returns:
      `[..., F]` in float32 or wider.

    Raises:
      ValueError: `x` is not floating point, or not D wide.

    Cost: O(rows D F).
    Padding: exact, row by row.

    Example:
      >>> import jax.numpy as jnp, graphattn_jax as ga
      >>> ga.ops.matmul(jnp.ones((2, 3), jnp.bfloat16), jnp.ones((3, 1))).dtype
      dtype('float32')
    """
    x = x if isinstance(x, SparseFeatures) else jnp.asarray(x)
    _checks.features("x", x, weight.shape[0])
    wide = accumulation_dtype(x.dtype)
    weight = jnp.asarray(weight).astype(x.dtype)
    if isinstance(x, SparseFeatures):
        return x @ weight.astype(wide)
    return jnp.matmul(x, weight, preferred_element_type=wide)
