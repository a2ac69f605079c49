"""Directed and undirected edge sets."""

from __future__ import annotations

import jax
import numpy as np

from graphattn_jax import _checks
from graphattn_jax.graphs._edges import append_edges, unpaired
from graphattn_jax.graphs._pad import unpad
from graphattn_jax.graphs._typed import TypedNodes
from graphattn_jax.graphs._types import GraphsTuple, NodePair, to_host


def add_reverse_edges(graph: GraphsTuple) -> GraphsTuple:
    """Add the reverse of every edge that has none, with a copy of its features.

    Duplicates count: for three edges u → v and one v → u, two reverses are added, copies of the
    second and third. Self-loops are their own reverse. New edges stand behind the old ones of their
    graph, in the order of the edges they reverse.

    Args:
      graph: a graph or batch without padding.

    Returns:
      An undirected graph in the sense of `is_undirected`; numpy leaves.

    Raises:
      ValueError: the graph is padded, bipartite or traced.

    Cost: O(E log E).

    Padding: apply before `pad`.

    Example:
      >>> import graphattn_jax as ga
      >>> graph = ga.graphs.add_reverse_edges(ga.graphs.from_edge_list([0, 1, 1], [1, 0, 2]))
      >>> graph.senders, graph.receivers
      (array([0, 1, 1, 2], dtype=int32), array([1, 0, 2, 1], dtype=int32))
    """
    graph = to_host(graph, "add_reverse_edges")
    lone = np.flatnonzero(unpaired(graph))
    return append_edges(
        graph,
        graph.receivers[lone],
        graph.senders[lone],
        jax.tree.map(lambda x: x[lone], graph.edges),
    )


def transpose(graph: GraphsTuple) -> GraphsTuple:
    """Every edge turned round, with its features: Aᵀ for A.

    What a function says of messages or walks along the edges it says of this graph against them, node for node and
    edge for edge.

    Args:
      graph: a graph or batch, padded or not; also inside `jax.jit`.

    Returns:
      The graph with senders and receivers exchanged, without a layout.

    Raises:
      ValueError: a typed graph, whose relations have a direction, or one between two sets of nodes.

    Cost: nothing is copied.

    Padding: stays padding.

    Example:
      >>> import graphattn_jax as ga
      >>> path = ga.graphs.from_edge_list([0, 1], [1, 2])
      >>> distances = [
      ...     ga.encodings.shortest_path_distances(g, 3, pattern=ga.graphs.all_pairs(path), directed="keep")
      ...     for g in (path, ga.graphs.transpose(path))]
      >>> distances[0].reshape(3, 3)[2].tolist(), distances[1].reshape(3, 3)[2].tolist()  # 5: no path
      ([2, 1, 0], [5, 5, 0])
    """
    if not hasattr(graph, "senders"):
        raise ValueError(
            f"transpose: graph must be a GraphsTuple, got {_checks.describe(graph)}. Fix: build one with "
            "graphs.from_edge_list."
        )
    if isinstance(graph.nodes, NodePair):
        raise ValueError(
            "transpose is for graphs with one set of nodes, got a bipartite one (a NodePair). "
            "Fix: ga.graphs.bipartite with both sides exchanged."
        )
    if isinstance(graph.nodes, TypedNodes):
        raise ValueError(
            "transpose is for graphs without types, got relations, which have a direction. "
            "Fix: from_types(..., reverse=True) has the reverse of every relation."
        )
    return graph._replace(senders=graph.receivers, receivers=graph.senders)


def is_undirected(graph: GraphsTuple) -> bool:
    """Whether every real edge has a reverse: as many edges v → u as u → v. Features do not matter.

    Args:
      graph: a graph or batch on the host.

    Returns:
      A Python bool; True without edges.

    Raises:
      ValueError: bipartite or traced.

    Cost: O(E log E).

    Padding: padding edges do not count.

    Example:
      >>> import graphattn_jax as ga
      >>> ga.graphs.is_undirected(ga.graphs.from_edge_list([0, 1, 1], [1, 0, 2]))
      False
    """
    graph = unpad(to_host(graph, "is_undirected", allow_padded=True))
    return not unpaired(graph).any()
