"""Self-loops: nodes that attend to themselves."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphattn_jax.graphs._edges import Means, append_edges, filled_rows, select_edges
from graphattn_jax.graphs._pad import unpad
from graphattn_jax.graphs._types import GraphsTuple, num_nodes, to_host


def add_self_loops(
    graph: GraphsTuple, *, fill: Any = None, only_missing: bool = True
) -> GraphsTuple:
    """Give nodes an edge to themselves, so that they attend to their own features too.

    No layer adds self-loops on its own; this is where GAT's come from. New edges stand behind the
    old ones of their graph, in the order of the nodes.

    Args:
      graph: a graph or batch without padding.
      fill: edge features of the new loops: None = zeros, "mean" = for each node the mean over its incoming edges (0
        without), a number, or a pytree like `edges` with one row's values per leaf.
      only_missing: only nodes without a self-loop get one; False adds one to every node.

    Returns:
      The graph with more edges; numpy leaves.

    Raises:
      ValueError: the graph is padded, bipartite or traced, or `fill` does not fit the edge features.

    Padding: apply before `pad`.

    Example:
      >>> import graphattn_jax as ga
      >>> graph = ga.graphs.add_self_loops(ga.graphs.from_edge_list([0, 1], [1, 1]))
      >>> graph.senders, graph.receivers
      (array([0, 1, 0], dtype=int32), array([1, 1, 0], dtype=int32))
    """
    graph = to_host(graph, "add_self_loops")
    lacking = np.ones(num_nodes(graph), bool)
    if only_missing:
        lacking[graph.senders[graph.senders == graph.receivers]] = False
    loops = np.flatnonzero(lacking)
    heard = Means(graph.receivers, loops, num_nodes(graph))
    return append_edges(graph, loops, loops, filled_rows("fill", graph.edges, fill, heard))


def remove_self_loops(graph: GraphsTuple) -> GraphsTuple:
    """Drop every edge from a node to itself; the other edges keep their order and features.

    Args:
      graph: a graph or batch without padding.

    Returns:
      The graph with fewer edges; numpy leaves.

    Raises:
      ValueError: the graph is padded, bipartite or traced.

    Padding: apply before `pad`.

    Example:
      >>> import graphattn_jax as ga
      >>> ga.graphs.remove_self_loops(ga.graphs.from_edge_list([0, 1, 1], [1, 1, 0])).senders
      array([0, 1], dtype=int32)
    """
    graph = to_host(graph, "remove_self_loops")
    return select_edges(graph, graph.senders != graph.receivers)


def has_self_loops(graph: GraphsTuple) -> bool:
    """Whether any real edge goes from a node to itself.

    Args:
      graph: a graph or batch on the host.

    Returns:
      A Python bool.

    Raises:
      ValueError: bipartite or traced.

    Padding: padding edges do not count.

    Example:
      >>> import graphattn_jax as ga
      >>> ga.graphs.has_self_loops(ga.graphs.from_edge_list([0, 1], [1, 1]))
      True
    """
    graph = unpad(to_host(graph, "has_self_loops", allow_padded=True))
    return bool((graph.senders == graph.receivers).any())
