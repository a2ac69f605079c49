"""The triangles of a graph, each once."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import scipy.sparse

_WEDGES = 2**20
"""Pairs of edges that are looked at together: about 100 MB."""


def triangles(matrix: scipy.sparse.csr_array) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """`(corners [3, T], sides [3, T])` in blocks: node ids, and the entries of a symmetric matrix between them.

    Every edge points to the end with more edges. Then no node is left by more than √(2 E) edges, not even a hub, and
    all u → v → w together are O(E^(3/2)); those with an edge u → w are the triangles. The diagonal does not matter.
    """
    size = len(matrix.indptr) - 1
    order = np.argsort(np.diff(matrix.indptr), kind="stable")
    rank = np.empty(size, np.int64)
    rank[order] = np.arange(size)
    start, end = rank[np.repeat(np.arange(size), np.diff(matrix.indptr))], rank[matrix.indices]
    upward = start < end
    edge = start[upward] * size + end[upward]
    sort = np.argsort(edge)
    edge, value = edge[sort], matrix.data[upward][sort]
    start, end = np.divmod(edge, max(size, 1))
    first = np.searchsorted(start, np.arange(size + 1))
    count = np.diff(first)[end]
    total = np.concatenate([[0], np.cumsum(count)])
    blocks = np.arange(0, total[-1] + _WEDGES, _WEDGES)
    for begin, stop in itertools.pairwise(np.searchsorted(total[1:], blocks, side="right")):
        uv = np.repeat(np.arange(begin, stop), count[begin:stop])
        vw = first[end[uv]] + np.arange(len(uv)) + total[begin] - total[uv]
        closing = start[uv] * size + end[vw]
        uw = np.searchsorted(edge, closing).clip(max=len(edge) - 1)
        closed = edge[uw] == closing
        uv, vw, uw = uv[closed], vw[closed], uw[closed]
        yield order[np.stack([start[uv], end[uv], end[vw]])], value[np.stack([uv, vw, uw])]
