"""Rows of different lengths, one behind the other: ranges, and random places in them."""

from __future__ import annotations

import numpy as np

__all__ = ["distinct", "places", "with_replacement"]

Places = tuple[np.ndarray, np.ndarray]
"""(row, place in the row), one for each taken entry, row by row."""


def places(counts: np.ndarray) -> Places:
    """All entries of rows with these many."""
    row = np.repeat(np.arange(len(counts)), counts)
    return row, np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)


def distinct(rng: np.random.Generator, counts: np.ndarray, wanted: np.ndarray) -> Places:
    """`min(wanted, count)` different entries of each row, every such set equally likely.

    Floyd's algorithm (Bentley, Floyd, CACM 1987) for all rows at once: k steps for k wanted entries, however long a row
    is.
    """
    taken = np.minimum(wanted, counts)
    row, place = places(taken)
    first = np.cumsum(taken) - taken
    long = np.flatnonzero(counts > taken)
    for k in np.unique(taken[long]):
        rows = long[taken[long] == k]
        place[first[rows, None] + np.arange(k)] = _floyd(rng, counts[rows], int(k)).T
    return row, place


def _floyd(rng: np.random.Generator, counts: np.ndarray, k: int) -> np.ndarray:
    """`[k, R]`, k of `range(count)` for each of R rows."""
    uniform, chosen = rng.random((k, len(counts))), np.empty((k, len(counts)), np.int64)
    for i in range(k):
        last = counts - k + i
        drawn = (uniform[i] * (last + 1)).astype(np.int64)
        chosen[i] = np.where((chosen[:i] == drawn).any(axis=0), last, drawn)
    return chosen


def with_replacement(rng: np.random.Generator, counts: np.ndarray, wanted: np.ndarray) -> Places:
    """`wanted` entries of each row that has any, each drawn from all of them."""
    row, _ = places(np.where(counts > 0, wanted, 0))
    return row, (rng.random(len(row)) * counts[row]).astype(np.int64)
