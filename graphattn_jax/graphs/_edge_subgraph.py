"""A part of the edges, on all nodes."""

from __future__ import annotations

import numpy as np

from graphattn_jax import _checks
from graphattn_jax.graphs._edges import select_edges
from graphattn_jax.graphs._types import GraphsTuple, num_edges, to_host
from graphattn_jax.typing import ArrayLike


def edge_subgraph(graph: GraphsTuple, edge_mask: ArrayLike) -> GraphsTuple:
    """All nodes, and the chosen edges between them, which keep their order and features.

    Args:
      graph: a graph or batch without padding.
      edge_mask: `[E]` bool, True = keep.

    Returns:
      The smaller graph; numpy leaves.

    Raises:
      ValueError: `edge_mask` is not `[E]` bool, or the graph is padded, bipartite or traced.

    Padding: apply before `pad`.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> path = ga.graphs.from_edge_list([0, 1], [1, 2])
      >>> part = ga.graphs.edge_subgraph(path, np.array([False, True]))
      >>> part.senders, part.n_node, part.n_edge
      (array([1], dtype=int32), array([3], dtype=int32), array([1], dtype=int32))
    """
    graph = to_host(graph, "edge_subgraph")
    _checks.mask("edge_mask", edge_mask, num_edges(graph))
    return select_edges(graph, np.asarray(edge_mask))
