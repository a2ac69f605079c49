"""One more node per graph that every node talks to."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from graphattn_jax.graphs._edges import append_edges, filled_rows
from graphattn_jax.graphs._masks import node_graph_ids
from graphattn_jax.graphs._types import GraphsTuple, num_nodes, to_host


def add_virtual_node(
    graph: GraphsTuple, *, node_fill: Any = None, edge_fill: Any = None
) -> GraphsTuple:
    """Give each graph a node joined to all its nodes in both directions: two hops to everywhere.

    The virtual node is the last node of its graph, so nodes of a graph stay together; over the
    batch the virtual nodes are `np.cumsum(graph.n_node) - 1` of the result. Its edges stand behind
    the old ones of the graph: first node → virtual for each node, then virtual → node.

    Args:
      graph: a graph or batch without padding.
      node_fill: features of the virtual nodes: None = zeros, a number, or a pytree like `nodes`
        with one row's values per leaf.
      edge_fill: features of the new edges, given as `node_fill` is.

    Returns:
      The graph with G more nodes and 2 N more edges; numpy leaves.

    Raises:
      ValueError: the graph is padded or traced, or a fill does not fit the features.

    Padding: apply before `pad`.

    Example:
      >>> import graphattn_jax as ga
      >>> graph = ga.graphs.add_virtual_node(ga.graphs.from_edge_list([0], [1]))
      >>> graph.senders, graph.receivers
      (array([0, 0, 1, 2, 2], dtype=int32), array([1, 2, 2, 0, 1], dtype=int32))

    Source: Gilmer, Schoenholz, Riley, Vinyals, Dahl, "Neural Message Passing for Quantum
    Chemistry", ICML 2017, arXiv:1704.01212, section 5.2 (the "master node").
    """
    graph = to_host(graph, "add_virtual_node")
    old_owner = node_graph_ids(graph)
    count, num_graphs = num_nodes(graph), graph.n_node.shape[0]
    moved = np.arange(count, dtype=np.int32) + old_owner  # each earlier graph has grown by one
    order = np.argsort(np.concatenate([old_owner, np.arange(num_graphs)]), kind="stable")
    new_nodes = filled_rows("node_fill", graph.nodes, node_fill, num_graphs)
    grown = graph._replace(
        nodes=jax.tree.map(lambda x, y: np.concatenate([x, y])[order], graph.nodes, new_nodes),
        senders=moved[graph.senders],
        receivers=moved[graph.receivers],
        n_node=graph.n_node + np.int32(1),
    )
    virtual = (np.cumsum(grown.n_node) - 1)[old_owner]
    return append_edges(
        grown,
        np.concatenate([moved, virtual]),
        np.concatenate([virtual, moved]),
        filled_rows("edge_fill", graph.edges, edge_fill, 2 * count),
    )
