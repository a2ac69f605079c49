"""Common neighbours of pairs, counted exactly."""

from __future__ import annotations

import itertools

import numpy as np
import scipy.sparse

from graphattn_jax import _checks
from graphattn_jax.encodings.host._adjacency import adjacency
from graphattn_jax.encodings.host._pairs import read_pairs
from graphattn_jax.graphs import GraphsTuple

_ENTRIES = 2**22
"""Most neighbours compared at a time: about 100 MB."""


def common_neighbours(
    graph: GraphsTuple,
    *,
    pattern: GraphsTuple | None = None,
    max_count: int | None = None,
    directed: str = "error",
) -> np.ndarray:
    """Common neighbours of pairs: the number of paths of length two, a bias for triangles.

        c_ij = Σ_l A_il A_lj  =  | neighbours(i) ∩ neighbours(j) |

    of the simple graph: duplicates count once and self-loops not at all. c_ij = c_ji, and c_ii is the degree.
    Counts clipped at `max_count` are buckets for `attention.RelativeBias(layer, num_buckets=max_count + 1)`.

    Args:
      graph: a graph or batch on the host.
      pattern: the pairs, on the nodes of `graph`; None = the edges of `graph`.
      max_count: where to clip, positive; None = not at all.
      directed: "error", or "symmetrize": an edge in either direction makes neighbours.

    Returns:
      `[E_pattern]` int32.

    Raises:
      ValueError: max_count < 1, a pattern on other nodes, a directed graph with `directed="error"`.

    Cost: O(Σ over pairs of both degrees) time in blocks of bounded memory; the matrix A² is never formed.
    Padding: rows of padding pairs are 0.

    Example:
      >>> import graphattn_jax as ga
      >>> square = ga.graphs.from_edge_list([0, 1, 1, 2, 2, 3, 3, 0], [1, 0, 2, 1, 3, 2, 0, 3])
      >>> ga.encodings.common_neighbours(square).tolist()  # no triangles
      [0, 0, 0, 0, 0, 0, 0, 0]
      >>> ga.encodings.common_neighbours(square, pattern=ga.graphs.all_pairs(square))[:4].tolist()
      [2, 0, 2, 0]
    """
    if max_count is not None:
        _checks.positive("max_count", max_count)
    matrix = simple_adjacency(graph, "common_neighbours", directed)
    senders, receivers, real = read_pairs(graph, pattern, "common_neighbours")
    counts = np.zeros(len(senders), np.int32)
    counts[real] = overlap(matrix, receivers[real], senders[real])
    return counts if max_count is None else counts.clip(max=max_count)


def simple_adjacency(graph: GraphsTuple, function: str, directed: str) -> scipy.sparse.csr_array:
    """The symmetric 0/1 matrix without diagonal, in int32."""
    _checks.choice("directed", directed, ("error", "symmetrize"))
    matrix = adjacency(graph, function, directed=directed)
    rows, columns = matrix.nonzero()
    other = rows != columns
    return scipy.sparse.csr_array(
        (np.ones(other.sum(), np.int32), (rows[other], columns[other])), shape=matrix.shape
    )


def overlap(matrix: scipy.sparse.csr_array, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """⟨row left[p], row right[p]⟩ for each pair p, in blocks of pairs."""
    degree = np.diff(matrix.indptr)
    work = np.cumsum(degree[left] + degree[right])
    blocks = np.arange(0, work.max(initial=0) + _ENTRIES, _ENTRIES)
    bounds = np.searchsorted(work, blocks, side="right")
    counts = np.zeros(len(left), np.int32)
    for begin, end in itertools.pairwise(bounds):
        counts[begin:end] = matrix[left[begin:end]].multiply(matrix[right[begin:end]]).sum(axis=1)
    return counts
