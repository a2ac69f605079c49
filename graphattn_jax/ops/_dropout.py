"""Dropout by a counter-based hash, which XLA fuses into its neighbours."""

from __future__ import annotations

from dataclasses import replace
from typing import overload

import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax.ops._dropout_hash import drop
from graphattn_jax.ops._sparse_features import SparseFeatures
from graphattn_jax.typing import Array, ArrayLike

__all__ = ["dropout"]


@overload
def dropout(x: SparseFeatures, rate: float, key: Array | None = None) -> SparseFeatures: ...


@overload
def dropout(x: ArrayLike, rate: float, key: Array | None = None) -> Array: ...


def dropout(
    x: ArrayLike | SparseFeatures, rate: float, key: Array | None = None
) -> Array | SparseFeatures:
    """Zero each entry with probability `rate` and scale the rest by `1 / (1 - rate)`.

    Whether an entry is kept is a hash of its position and two words drawn from the key. There is no mask in
    memory, forward or backward (it is computed again), and on CPU the draw costs a few integer operations per
    entry where `jax.random.bernoulli` costs two dozen rounds of Threefry.

    Args:
      x: any shape, floating point, fewer than 2**32 entries; of `SparseFeatures` the stored entries.
      rate: static probability in [0, 1).
      key: typed PRNG key; may be None when `rate` is 0.

    Returns:
      As `x`. The same key gives the same mask for the same shape, on every device.

    Raises:
      ValueError: rate outside [0, 1), or positive without a key.

    Cost: O(size), about ten integer operations per entry, no memory.

    Example:
      >>> import jax, jax.numpy as jnp, graphattn_jax as ga
      >>> y = ga.ops.dropout(jnp.ones(10_000), 0.25, jax.random.key(0))
      >>> len(set(y.tolist())), bool(abs(y.mean() - 1) < 0.02)
      (2, True)

    Source: Srivastava et al., JMLR 2014, in the inverted form; the hash is the 32-bit finaliser "lowbias32"
    (C. Wellons, Hash Prospector), applied twice with a key word before each.
    """
    _checks.dropout(rate, key, rate_name="rate", key_name="key")
    if isinstance(x, SparseFeatures):
        return replace(x, values=dropout(x.values, rate, key))
    x = jnp.asarray(x)
    _checks.floating("x", x)
    return drop(x, float(rate), key)
