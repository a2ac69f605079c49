"""Keys numbered in the order in which they come."""

from __future__ import annotations

import numpy as np

_TABLE_PER_KEY = 64
"""A table with a place for every key pays while it has fewer than so many for each key that comes."""


class Numbering:
    """Different keys of `[0, size)` get numbers 0, 1, 2, ... as they are first seen.

    keys: `[n]`, those seen so far, by number.
    """

    def __init__(self, size: int, expected: int):
        self.keys = np.zeros(0, np.int64)
        small = size <= max(_TABLE_PER_KEY * expected, 1 << 20)
        self._table = np.full(size, -1, np.int32) if small else None

    def add(self, keys: np.ndarray) -> np.ndarray:
        """The number of each key, a new one for a new key."""
        known = len(self.keys)
        if self._table is None:
            everything = np.concatenate([self.keys, keys])
            _, first, inverse = np.unique(everything, return_index=True, return_inverse=True)
            rank = np.empty(len(first), np.int64)
            rank[np.argsort(first)] = np.arange(len(first))
            self.keys = everything[np.sort(first)]
            return rank[inverse][known:]
        # The table holds the first place at which a new key stands: of those written there, the last one wins.
        new = np.flatnonzero(self._table[keys] < 0)
        self._table[keys[new[::-1]]] = new[::-1]
        first = new[self._table[keys[new]] == new]
        self._table[keys[first]] = np.arange(known, known + len(first))
        self.keys = np.concatenate([self.keys, keys[first]])
        return self._table[keys].astype(np.int64)

    def find(self, keys: np.ndarray) -> np.ndarray:
        """The number of each key, -1 for one that was never seen."""
        if self._table is not None:
            return self._table[keys].astype(np.int64)
        if not len(self.keys):
            return np.full(len(keys), -1)
        order = np.argsort(self.keys)
        place = np.minimum(np.searchsorted(self.keys, keys, sorter=order), len(order) - 1)
        return np.where(self.keys[order[place]] == keys, order[place], -1)
