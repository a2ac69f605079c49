"""Dropout by a counter-based hash, which XLA fuses into its neighbours."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import overload

import jax
import jax.numpy as jnp
import numpy as np

from graphattn_jax import _checks
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
    words = dropout_words(rate, key)
    return x if words is None else apply_words(x, words, float(rate))


def dropout_words(rate: float, key: Array | None) -> Array | None:
    """What a kernel needs to draw the same mask as `dropout`: two words of the key, or None for rate 0."""
    return None if rate == 0.0 or key is None else jax.random.bits(key, (2,), jnp.uint32)


def dropout_threshold(rate: float) -> int:
    """An entry is kept where its 32 bits reach this."""
    return int(rate * 2**32)


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def apply_words(x: Array, words: Array, rate: float) -> Array:
    keep = _hash(x.shape, words) >= jnp.uint32(dropout_threshold(rate))
    scaled = x * jnp.asarray(1.0 / (1.0 - rate), x.dtype)
    return jnp.where(keep, scaled, jnp.zeros((), x.dtype))


def _forward(x, words, rate):
    return apply_words(x, words, rate), words


def _backward(rate, words, g):
    return apply_words(g, words, rate), np.zeros(words.shape, jax.dtypes.float0)


apply_words.defvjp(_forward, _backward)


def _hash(shape: tuple[int, ...], words: Array) -> Array:
    """32 uniform bits per position."""
    position = jax.lax.iota(jnp.uint32, int(np.prod(shape))).reshape(shape)
    return random_bits(position, words[0], words[1])


def random_bits(position: Array, first: Array, second: Array) -> Array:
    """The 32 bits of a position (uint32), given the two words of a key."""
    return _mix(_mix(position ^ first) + second)


def _mix(h: Array) -> Array:
    h = (h ^ (h >> 16)) * jnp.uint32(0x7FEB352D)
    h = (h ^ (h >> 15)) * jnp.uint32(0x846CA68B)
    return h ^ (h >> 16)
