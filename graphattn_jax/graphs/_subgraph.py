"""A part of the nodes with the edges among them."""

from __future__ import annotations

import jax
import numpy as np

from graphattn_jax import _checks
from graphattn_jax.graphs._edges import select_edges
from graphattn_jax.graphs._masks import node_graph_ids
from graphattn_jax.graphs._types import GraphsTuple, num_nodes, to_host
from graphattn_jax.typing import ArrayLike


def subgraph(graph: GraphsTuple, node_mask: ArrayLike) -> GraphsTuple:
    """The induced subgraph: chosen nodes, and the edges with both ends among them.

    Nodes are renumbered without gaps; nodes and edges keep their order and features. The number of
    graphs and the globals stay, also where a graph loses all nodes.

    Args:
      graph: a graph or batch without padding.
      node_mask: `[N]` bool, True = keep.

    Returns:
      The smaller graph; numpy leaves.

    Raises:
      ValueError: `node_mask` is not `[N]` bool, or the graph is padded, bipartite or traced.

    Padding: apply before `pad`.

    Example:
      >>> import numpy as np
      >>> import graphattn_jax as ga
      >>> path = ga.graphs.from_edge_list([0, 1], [1, 2])
      >>> part = ga.graphs.subgraph(path, np.array([False, True, True]))
      >>> part.senders, part.receivers, part.n_node
      (array([0], dtype=int32), array([1], dtype=int32), array([2], dtype=int32))
    """
    graph = to_host(graph, "subgraph", allow_sparse=False)
    _checks.mask("node_mask", node_mask, num_nodes(graph))
    node_mask = np.asarray(node_mask)
    renumbered = np.cumsum(node_mask, dtype=np.int32) - np.int32(1)
    inside = select_edges(graph, node_mask[graph.senders] & node_mask[graph.receivers])
    owner = node_graph_ids(graph)[node_mask]
    return inside._replace(
        nodes=jax.tree.map(lambda x: x[node_mask], graph.nodes),
        senders=renumbered[inside.senders],
        receivers=renumbered[inside.receivers],
        n_node=np.bincount(owner, minlength=graph.n_node.shape[0]).astype(np.int32),
    )
