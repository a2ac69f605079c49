"""Breadth-first search from 64 senders per component at once: one bit of a word for each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import scipy.sparse

WORD = 64


class Search(NamedTuple):
    """The pairs of up to 64 senders in each component, and what has been reached so far.

    pairs `[P]`: their ids. receivers `[P]`, shift `[P]`: where to look for a pair, and at which bit. reached `[N]`
    uint64: bit b of word i is set if the b-th sender of the component reaches node i. rows, matrix: the nodes
    that receive, and their rows of the adjacency matrix.
    """

    pairs: np.ndarray
    receivers: np.ndarray
    shift: np.ndarray
    reached: np.ndarray
    rows: np.ndarray
    matrix: scipy.sparse.csr_array

    def arrived(self) -> np.ndarray:
        """`[P]` bool: the receiver of the pair is reached from its sender."""
        return has_bit(self.reached[self.receivers], self.shift)

    def step(self) -> Search:
        """One hop more: reached_i ← reached_i or any reached_j with an edge j → i."""
        words = np.bitwise_or.reduceat(self.reached[self.matrix.indices], self.matrix.indptr[:-1])
        reached = self.reached.copy()
        reached[self.rows] |= words
        return self._replace(reached=reached)


def has_bit(words: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Whether bit `shift` of each word is set."""
    return (words >> shift & np.uint64(1)).astype(bool)


def searches(
    matrix: scipy.sparse.csr_array,
    label: np.ndarray,
    pairs: np.ndarray,
    senders: np.ndarray,
    receivers: np.ndarray,
) -> Iterator[Search]:
    """Searches that together hold each of `pairs` once, at zero hops.

    Args:
      matrix: `A[receiver, sender]`; its values do not matter.
      label: `[N]` component of each node.
      pairs: `[P]` ids of the pairs wanted, each inside one component.
      senders, receivers: `[E]`, all pairs.
    """
    nodes, which = np.unique(senders[pairs], return_inverse=True)
    by_component = np.argsort(label[nodes], kind="stable")
    count = np.bincount(label[nodes], minlength=label.max(initial=-1) + 1)
    place = np.empty(len(nodes), np.int64)  # of a sender among the senders of its component
    place[by_component] = (
        np.arange(len(nodes)) - (np.cumsum(count) - count)[label[nodes[by_component]]]
    )
    block = place[which] // WORD
    order = np.argsort(block, kind="stable")
    degree, rows = np.diff(matrix.indptr), np.empty(0, np.int64)
    for at, members in enumerate(np.split(order, np.cumsum(np.bincount(block))[:-1])):
        active = np.flatnonzero((count[label] > at * WORD) & (degree > 0))
        if at == 0 or len(active) < len(rows):  # each block's components are among the last one's
            rows, matrix_rows = active, matrix[active]
        shift = (place % WORD).astype(np.uint64)
        here = place // WORD == at
        reached = np.zeros(len(label), np.uint64)
        reached[nodes[here]] = np.uint64(1) << shift[here]
        chosen = pairs[members]
        yield Search(chosen, receivers[chosen], shift[which[members]], reached, rows, matrix_rows)
