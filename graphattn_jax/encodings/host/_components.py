"""Connected components, and their dense blocks in stacks of equal size.

An exact encoding of a batch is the encoding of each connected component by itself: walks do not leave it, the
spectrum of a graph is the union of its components' spectra, and distances between components are infinite.
Small components of equal size are computed together as one `[B, n, n]` stack.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import scipy.sparse
import scipy.sparse.csgraph

STACK_ENTRIES = 2**22
"""Most numbers in one stack of dense blocks: 32 MB in float64."""


class Components(NamedTuple):
    """The connected components of an undirected graph.

    label `[N]`: component of each node, in the order of their first nodes. rank `[N]`: position of the node
    in its component. nodes `[N]`: node ids, component by component. start `[C + 1]`: where each component
    begins in `nodes`.
    """

    label: np.ndarray
    rank: np.ndarray
    nodes: np.ndarray
    start: np.ndarray

    @property
    def sizes(self) -> np.ndarray:
        return np.diff(self.start)


def components(matrix: scipy.sparse.csr_array) -> Components:
    """Components of a matrix's pattern; direction does not count."""
    count, label = scipy.sparse.csgraph.connected_components(matrix, directed=False)
    nodes = np.argsort(label, kind="stable")
    start = np.concatenate([[0], np.cumsum(np.bincount(label, minlength=count))])
    rank = np.empty(len(label), np.int64)
    rank[nodes] = np.arange(len(label)) - start[label[nodes]]
    return Components(label, rank, nodes, start)


def stacks(parts: Components, *, max_nodes: int) -> Iterator[np.ndarray]:
    """Node ids `[B, n]` of components with equal n ≤ max_nodes, at most `STACK_ENTRIES` / n² of them at a time."""
    sizes = parts.sizes
    for size in np.unique(sizes[sizes <= max_nodes]):
        starts = parts.start[:-1][sizes == size]
        at_once = max(1, STACK_ENTRIES // int(size) ** 2)
        for first in range(0, len(starts), at_once):
            yield parts.nodes[starts[first : first + at_once, None] + np.arange(size)]


def large_components(parts: Components, *, max_nodes: int) -> Iterator[np.ndarray]:
    """Node ids `[n]` of each component with n > max_nodes."""
    for part in np.flatnonzero(parts.sizes > max_nodes):
        yield parts.nodes[parts.start[part] : parts.start[part + 1]]


def dense_blocks(
    matrix: scipy.sparse.csr_array, parts: Components, nodes: np.ndarray
) -> np.ndarray:
    """The dense `[B, n, n]` blocks of components given by node ids `[B, n]`."""
    count, size = nodes.shape
    rows = matrix[nodes.ravel()]
    row = np.repeat(np.arange(count * size), np.diff(rows.indptr))
    blocks = np.zeros((count * size, size), matrix.dtype)
    blocks[row, parts.rank[rows.indices]] = rows.data
    return blocks.reshape(count, size, size)


def sparse_block(
    matrix: scipy.sparse.csr_array, parts: Components, nodes: np.ndarray
) -> scipy.sparse.csr_array:
    """The sparse `[n, n]` block of the component with node ids `[n]`, in time that does not depend on the others."""
    rows, size = matrix[nodes], len(nodes)
    return scipy.sparse.csr_array(
        (rows.data, parts.rank[rows.indices], rows.indptr), shape=(size, size)
    )


def component_sum(parts: Components, x: np.ndarray) -> np.ndarray:
    """Sums `[C, ...]` of the rows of each component."""
    return np.add.reduceat(x[parts.nodes], parts.start[:-1])


def component_max(parts: Components, x: np.ndarray) -> np.ndarray:
    """Largest entries `[C, ...]` over the rows of each component."""
    return np.maximum.reduceat(x[parts.nodes], parts.start[:-1])


def component_min(parts: Components, x: np.ndarray) -> np.ndarray:
    """Smallest entries `[C, ...]` over the rows of each component."""
    return np.minimum.reduceat(x[parts.nodes], parts.start[:-1])
