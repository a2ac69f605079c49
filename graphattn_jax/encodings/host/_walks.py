"""Powers of a transition matrix, exactly: whole small components, and columns of large ones.

All numbers are nonnegative, so that sums do not cancel and float32 is exact to a few units in the last place.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import scipy.sparse
import scipy.sparse.csgraph

from graphattn_jax.encodings.host._components import Components

DENSE_NODES = 128
"""Components up to this size are computed as dense blocks in stacks."""

COLUMNS = 128
"""Columns of a large component at a time: its powers take two arrays of n × COLUMNS float32."""

_DENSE_GAIN = 16
"""How many times faster a dense product does one multiplication than a sparse one does, cautiously."""


def transition(matrix: scipy.sparse.csr_array, *, symmetric: bool) -> scipy.sparse.csr_array:
    """D⁻¹A, or D^−½ A D^−½ if symmetric, in float32; rows of nodes without edges are 0."""
    degree = matrix.sum(axis=1)
    inverse = np.divide(1.0, degree, out=np.zeros_like(degree), where=degree > 0)
    left, right = (np.sqrt(inverse),) * 2 if symmetric else (inverse, np.ones_like(degree))
    rows = np.repeat(np.arange(len(degree)), np.diff(matrix.indptr))
    data = matrix.data * left[rows] * right[matrix.indices]
    return scipy.sparse.csr_array(
        (data.astype(np.float32), matrix.indices, matrix.indptr), shape=matrix.shape
    )


def stack_powers(blocks: np.ndarray, steps: int) -> Iterator[np.ndarray]:
    """I, M, ..., M^steps of each of the blocks M `[B, n, n]`."""
    power = np.broadcast_to(np.eye(blocks.shape[-1], dtype=blocks.dtype), blocks.shape)
    yield power
    for step in range(steps):
        power = power @ blocks if step else blocks
        yield power


class Band(NamedTuple):
    """A component in an order that keeps neighbours near each other.

    nodes `[n]`: ids in that order. matrix `[n, n]`: sparse or dense. first, last `[n]`: the range of each node's
    neighbours, in both directions.
    """

    nodes: np.ndarray
    matrix: scipy.sparse.csr_array | np.ndarray
    first: np.ndarray
    last: np.ndarray


def band(matrix: scipy.sparse.csr_array, parts: Components, nodes: np.ndarray) -> Band:
    """The component with these node ids in reverse Cuthill-McKee order; dense where that is faster."""
    rows, size = matrix[nodes], len(nodes)
    inside = scipy.sparse.csr_array(
        (rows.data, parts.rank[rows.indices], rows.indptr), shape=(size, size)
    )
    order = scipy.sparse.csgraph.reverse_cuthill_mckee(
        scipy.sparse.csr_array(inside + inside.T), symmetric_mode=True
    )
    inside = inside[order][:, order]
    both = scipy.sparse.csr_array(inside + inside.T)
    first = np.minimum.reduceat(both.indices, both.indptr[:-1])
    last = np.maximum.reduceat(both.indices, both.indptr[:-1])
    if _DENSE_GAIN * inside.nnz > size**2:
        inside = inside.toarray()
    return Band(nodes[order], inside, first, last)


def column_powers(
    part: Band, start: int, stop: int, steps: int
) -> Iterator[tuple[int, np.ndarray]]:
    """`(low, X_t)` for t = 0..steps: X_t is M^t[low : low + len(X_t), start:stop]; all other rows are 0.

    The window of rows grows with each step, by the reach of the nodes in it. In a lattice or a road network it stays
    a small part of the graph; elsewhere it is soon all of it.
    """
    low, high = start, stop
    power = np.eye(stop - start, dtype=part.matrix.dtype)
    yield low, power
    for _ in range(steps):
        below = min(low, part.first[low:high].min())
        above = max(high, part.last[low:high].max() + 1)
        power = part.matrix[below:above, low:high] @ power
        low, high = below, above
        yield low, power
