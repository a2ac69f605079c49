"""A random order of which any position can be asked for alone."""

from __future__ import annotations

import numpy as np

_ROUNDS = 6


def shuffled(seed: int, epoch: int, positions: np.ndarray, size: int) -> np.ndarray:
    """`[P]` int64, what stands at these positions of a random order of `size` things.

    A Feistel network permutes `[0, 4^k)`, the smallest such range that holds `size`; what leads out of `[0, size)` goes
    through it again until it is back. So a position costs O(1), whatever the size.
    """
    half = max((size - 1).bit_length() + 1, 2) // 2
    mask = np.uint64((1 << half) - 1)
    keys = np.random.default_rng([seed, epoch]).integers(2**64, size=_ROUNDS, dtype=np.uint64)

    def permuted(x: np.ndarray) -> np.ndarray:
        left, right = x >> np.uint64(half), x & mask
        for key in keys:
            left, right = right, left ^ (_mixed(right + key) & mask)
        return (left << np.uint64(half)) | right

    order = permuted(positions.astype(np.uint64))
    while (outside := order >= size).any():
        order[outside] = permuted(order[outside])
    return order.astype(np.int64)


def _mixed(x: np.ndarray) -> np.ndarray:
    """The finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
