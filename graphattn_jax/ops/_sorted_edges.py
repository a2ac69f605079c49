"""Edges in the order of their receivers and of their senders, in time linear in their number."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

__all__ = ["SortedEdges", "matched_reverse", "sort_edges"]


class SortedEdges(NamedTuple):
    """The edges of each row, in the order of their other ends and, among copies, of their ids.

    start: `[N + 1]`, those of row i are from start[i] up to start[i + 1]. neighbor: the other end of each.
    edge: its id.
    """

    start: np.ndarray
    neighbor: np.ndarray
    edge: np.ndarray

    @property
    def degree(self) -> np.ndarray:
        """`[N]`."""
        return np.diff(self.start)


def sort_edges(
    senders: np.ndarray,
    receivers: np.ndarray,
    real: np.ndarray | None,
    num_nodes: tuple[int, int],
) -> tuple[SortedEdges, SortedEdges]:
    """By receiver and by sender, of the edges with ids `real` (None = all) between (N_s, N_r) nodes.

    Transposing a sparse matrix is a stable counting sort. The first sorts by sender, the second keeps that order within
    each receiver, and the third within each sender that of the receivers.
    """
    if real is not None:
        senders, receivers = senders[real], receivers[real]
    num_edges, (num_senders, num_receivers) = len(senders), num_nodes
    row_each = np.arange(num_edges + 1, dtype=np.int32)
    by_sender = _transposed(row_each, senders, receivers, (num_edges, num_senders))
    by_receiver = _transposed(by_sender.start, by_sender.edge, by_sender.neighbor, num_nodes)
    if real is not None:
        by_receiver = by_receiver._replace(edge=real[by_receiver.edge].astype(np.int32))
    by_sender = _transposed(*by_receiver, (num_receivers, num_senders))
    return by_receiver, by_sender


def _transposed(start, column, value, shape: tuple[int, int]) -> SortedEdges:
    """The matrix with these values at these columns of its rows, by columns: with the row of each value."""
    matrix = csr_array((value, column, start), shape=shape).tocsc()
    return SortedEdges(matrix.indptr, matrix.indices, matrix.data)


def matched_reverse(by_receiver: SortedEdges, by_sender: SortedEdges, num_edges: int) -> np.ndarray:
    """`ga.ops.reverse_edges` of edges in both orders.

    The reverse of an edge from row i is an edge to row i: a few rows at a time, in what a cache holds.
    """
    reverse = np.full(num_edges, -1, np.int32)
    at = np.arange(0, len(by_sender.edge) + _AT_ONCE, _AT_ONCE)
    rows = np.unique(np.searchsorted(by_sender.start, at))
    for first, last in pairwise(rows):
        out, back = (_rows(edges, first, last) for edges in (by_sender, by_receiver))
        _match(out, back, len(by_sender.start), reverse)
    return reverse


_AT_ONCE = 1 << 18


def _rows(edges: SortedEdges, first: int, last: int) -> SortedEdges:
    start = edges.start[first : last + 1]
    which = slice(start[0], start[-1])
    return SortedEdges(start, edges.neighbor[which], edges.edge[which])


def _match(out: SortedEdges, back: SortedEdges, num_nodes: int, reverse: np.ndarray) -> None:
    """Write the reverse of each edge from these rows: the k-th copy of one belongs to the k-th copy of the other."""
    out_pair, back_pair = (
        np.repeat(np.arange(len(edges.degree)) * num_nodes, edges.degree) + edges.neighbor
        for edges in (out, back)
    )
    if np.array_equal(out_pair, back_pair):  # undirected
        reverse[out.edge] = back.edge
        return
    place = np.arange(len(out_pair))
    is_copy = np.zeros(len(out_pair), bool)
    is_copy[1:] = out_pair[1:] == out_pair[:-1]
    copy = place - np.maximum.accumulate(np.where(is_copy, 0, place))
    match = np.searchsorted(back_pair, out_pair) + copy
    found = match < len(back_pair)
    found[found] = back_pair[match[found]] == out_pair[found]
    reverse[out.edge[found]] = back.edge[match[found]]
