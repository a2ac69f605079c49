"""More nodes per graph that every node talks to."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from graphattn_jax import _checks
from graphattn_jax.graphs._edges import Means, append_edges, filled_rows
from graphattn_jax.graphs._masks import edge_graph_ids, node_graph_ids
from graphattn_jax.graphs._types import GraphsTuple, num_nodes, to_host


def add_virtual_node(
    graph: GraphsTuple, *, count: int = 1, node_fill: Any = None, edge_fill: Any = None
) -> GraphsTuple:
    """Give each graph a node joined to all its nodes in both directions: two hops to everywhere.

    The virtual node is the last node of its graph, so nodes of a graph stay together; over the
    batch the virtual nodes are `np.cumsum(graph.n_node) - 1` of the result. Its edges stand behind
    the old ones of the graph: first node → virtual for each node, then virtual → node. Several
    virtual nodes are the last ones, in order, and not joined to each other; all edges to the first
    come before those to the second.

    Args:
      graph: a graph or batch without padding.
      count: K, virtual nodes per graph.
      node_fill: features of the virtual nodes: None = zeros, "mean" = the mean over the graph, a number, or a pytree
        like `nodes` with one row's values per leaf.
      edge_fill: features of the new edges, given as `node_fill` is.

    Returns:
      The graph with K G more nodes and 2 K N more edges; numpy leaves.

    Raises:
      ValueError: the graph is padded, bipartite or traced, `count` is not a positive integer, or a fill does
        not fit the features.

    Padding: apply before `pad`.

    Example:
      >>> import graphattn_jax as ga
      >>> graph = ga.graphs.add_virtual_node(ga.graphs.from_edge_list([0], [1]))
      >>> graph.senders, graph.receivers
      (array([0, 0, 1, 2, 2], dtype=int32), array([1, 2, 2, 0, 1], dtype=int32))

    Source: Gilmer, Schoenholz, Riley, Vinyals, Dahl, "Neural Message Passing for Quantum
    Chemistry", ICML 2017, arXiv:1704.01212, section 5.2 (the "master node").
    """
    graph = to_host(graph, "add_virtual_node", allow_sparse=False)
    _checks.positive("count", count)
    old_owner = node_graph_ids(graph)
    graphs = np.arange(graph.n_node.shape[0])
    moved = np.arange(num_nodes(graph)) + count * old_owner  # each earlier graph has grown by K
    order = np.argsort(np.concatenate([old_owner, np.repeat(graphs, count)]), kind="stable")
    of_nodes = Means(old_owner, np.repeat(graphs, count), len(graphs))
    new_nodes = filled_rows("node_fill", graph.nodes, node_fill, of_nodes)
    grown = graph._replace(
        nodes=jax.tree.map(lambda x, y: np.concatenate([x, y])[order], graph.nodes, new_nodes),
        senders=moved[graph.senders].astype(np.int32),
        receivers=moved[graph.receivers].astype(np.int32),
        n_node=graph.n_node + np.int32(count),
    )
    first_virtual = (np.cumsum(grown.n_node) - count)[old_owner]
    virtual = (np.arange(count)[:, None] + first_virtual).ravel()
    nodes = np.tile(moved, count)
    of_edges = Means(edge_graph_ids(graph), np.tile(old_owner, 2 * count), len(graphs))
    return append_edges(
        grown,
        np.concatenate([nodes, virtual]),
        np.concatenate([virtual, nodes]),
        filled_rows("edge_fill", graph.edges, edge_fill, of_edges),
    )
