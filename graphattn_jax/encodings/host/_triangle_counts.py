"""Triangles that each node is a corner of."""

from __future__ import annotations

import numpy as np

from graphattn_jax.encodings.host._common_neighbours import simple_adjacency
from graphattn_jax.encodings.host._triangles import triangles
from graphattn_jax.graphs import GraphsTuple, num_nodes


def triangle_counts(graph: GraphsTuple, *, directed: str = "error") -> np.ndarray:
    """Number of triangles that each node is a corner of.

        T_i = (A³)_ii / 2 = ½ Σ_j A_ij c_ij,     c_ij the common neighbours of i and j

    of the simple graph: duplicates count once and self-loops not at all. A third of their sum is the number of
    triangles in the graph.

    Args:
      graph: a graph or batch on the host.
      directed: "error", or "symmetrize": an edge in either direction makes neighbours.

    Returns:
      `[N]` int32.

    Raises:
      ValueError: a directed graph with `directed="error"`.

    Cost: O(E^(3/2)) time at most, hubs or not, in blocks of bounded memory.
    Padding: 0.

    Example:
      >>> import graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1, 1, 2, 2, 0, 2, 3], [1, 0, 2, 1, 0, 2, 3, 2])
      >>> ga.encodings.triangle_counts(graph).tolist()
      [1, 1, 1, 0]
    """
    counts = np.zeros(num_nodes(graph), np.int32)
    for corners, _ in triangles(simple_adjacency(graph, "triangle_counts", directed)):
        counts += np.bincount(corners.ravel(), minlength=len(counts)).astype(np.int32)
    return counts
