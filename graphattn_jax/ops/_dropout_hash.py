"""The dropout of kernels and of arrays: a counter-based hash, which XLA fuses into its neighbours."""

from __future__ import annotations

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np

from graphattn_jax import _checks
from graphattn_jax.typing import Array

__all__ = [
    "Dropout",
    "apply_words",
    "drop",
    "dropout_threshold",
    "dropout_words",
    "random_bits",
    "rate_and_key",
]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Dropout:
    """How attention weights are dropped: a rate in [0, 1), static, and a typed key."""

    rate: float = field(metadata={"static": True})
    key: Array


def dropout_words(rate: float, key: Array | None) -> Array | None:
    """What a kernel needs to draw the same mask as `dropout`: two words of the key, or None for rate 0."""
    return None if rate == 0.0 or key is None else jax.random.bits(key, (2,), jnp.uint32)


def rate_and_key(how: Dropout | None) -> tuple[float, Array | None]:
    """The two of them, checked; (0, None) without dropout."""
    if how is None:
        return 0.0, None
    if not isinstance(how, Dropout):
        raise ValueError(
            f"dropout must be a ga.ops.Dropout(rate, key) or None, got {_checks.describe(how)}."
        )
    _checks.dropout(how.rate, how.key, rate_name="dropout.rate", key_name="dropout.key")
    return float(how.rate), how.key


def drop(x: Array, rate: float, key: Array | None) -> Array:
    """`ops.dropout` of an array, with arguments that are checked already."""
    words = dropout_words(rate, key)
    return x if words is None else apply_words(x, words, rate)


def dropout_threshold(rate: float) -> int:
    """An entry is kept where its 32 bits reach this."""
    return int(rate * 2**32)


def apply_words(x: Array, words: Array, rate: float) -> Array:
    """Dropout of x with the mask that these two words of a key give."""
    keep = _hash(x.shape, words) >= jnp.uint32(dropout_threshold(rate))
    scaled = x * jnp.asarray(1.0 / (1.0 - rate), x.dtype)
    return jnp.where(keep, scaled, jnp.zeros((), x.dtype))


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
