"""Pair encodings for the edges of virtual nodes."""

from __future__ import annotations

import numpy as np

from graphattn_jax import _checks
from graphattn_jax.graphs import GraphsTuple, add_virtual_node, to_host
from graphattn_jax.typing import ArrayLike


def extend_to_virtual_nodes(
    values: ArrayLike, pattern: GraphsTuple, fill: float, *, count: int = 1
) -> np.ndarray:
    """The pair encodings of `add_virtual_node(pattern)`: those of `pattern`, and `fill` on the new edges.

    Encode the graph first and add virtual nodes after: a virtual node would put every pair two hops apart.

    Args:
      values: `[E]` or `[E, ...]`, any pair encoding of the edges of `pattern`.
      pattern: the graph or batch that goes into `graphs.add_virtual_node`, without padding.
      fill: the value of the edges from and to virtual nodes, as `distance_buckets(K).virtual`.
      count: virtual nodes per graph, as given to `add_virtual_node`.

    Returns:
      `[E + 2 count N, ...]` in the dtype of `values`, in the order of the edges of `add_virtual_node(pattern)`.

    Raises:
      ValueError: `values` does not have E rows, or the pattern is padded or traced.

    Cost: O(E + N).

    Padding: apply before `pad`.

    Example:
      >>> import graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 0])
      >>> distances = ga.encodings.shortest_path_distances(graph, 3)
      >>> virtual = ga.encodings.distance_buckets(3).virtual
      >>> ga.encodings.extend_to_virtual_nodes(distances, graph, virtual)
      array([1, 1, 6, 6, 6, 6], dtype=int32)
      >>> ga.graphs.num_edges(ga.graphs.add_virtual_node(graph))
      6

    Source: the virtual distance of Graphormer's [VNode]: Ying et al., NeurIPS 2021, arXiv:2106.05234, section 3.2.
    """
    pattern = to_host(pattern, "extend_to_virtual_nodes")
    values, edges = np.asarray(values), pattern.senders.shape[0]
    if values.shape[:1] != (edges,):
        raise ValueError(
            f"values must have one row for each of {edges} edges of pattern, got {_checks.describe(values)}. "
            "Fix: encode with this pattern, before add_virtual_node."
        )
    return add_virtual_node(
        pattern._replace(nodes=None, edges=values), count=count, edge_fill=fill
    ).edges
