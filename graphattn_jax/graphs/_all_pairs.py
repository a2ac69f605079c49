"""Full attention as a pattern: every pair of nodes of a graph."""

from __future__ import annotations

from typing import Literal, overload

import numpy as np

from graphattn_jax.graphs._edges import edge_keys
from graphattn_jax.graphs._types import GraphsTuple, to_host


@overload
def all_pairs(
    graph: GraphsTuple, *, self_loops: bool = True, return_edge_ids: Literal[False] = False
) -> GraphsTuple: ...
@overload
def all_pairs(
    graph: GraphsTuple, *, self_loops: bool = True, return_edge_ids: Literal[True]
) -> tuple[GraphsTuple, np.ndarray]: ...
def all_pairs(
    graph: GraphsTuple, *, self_loops: bool = True, return_edge_ids: bool = False
) -> GraphsTuple | tuple[GraphsTuple, np.ndarray]:
    """Connect every ordered pair of nodes inside each graph: the pattern of a graph transformer.

    Nodes and globals stay. The old edges and their features are gone; ask for `edge_ids` to carry
    features over, as a bias or beside a "no edge" embedding:

        edges = np.where(edge_ids[:, None] >= 0, old.edges[edge_ids], 0.0)

    Args:
      graph: a graph or batch without padding.
      self_loops: whether each node attends to itself.
      return_edge_ids: also return where each pair was among the old edges.

    Returns:
      The graph with `sum(n^2)` edges (`sum(n^2 - n)` without self-loops), sorted by receiver, then
      sender, and `edges=None`. With `return_edge_ids` also `edge_ids`, int32 with one entry per
      new edge: the first old edge of that sender and receiver, or -1.

    Raises:
      ValueError: the graph is padded, bipartite or traced.

    Cost: O(sum(n^2)) memory.

    Padding: apply before `pad`.

    Example:
      >>> import graphattn_jax as ga
      >>> path = ga.graphs.from_edge_list([0], [1])
      >>> pairs, edge_ids = ga.graphs.all_pairs(path, return_edge_ids=True)
      >>> pairs.senders, pairs.receivers, edge_ids
      (array([0, 1, 0, 1], dtype=int32), array([0, 0, 1, 1], dtype=int32),
       array([-1, -1,  0, -1], dtype=int32))
    """
    graph = to_host(graph, "all_pairs")
    n = graph.n_node.astype(np.int64)
    owner = np.repeat(np.arange(len(n)), n**2)
    pair = np.arange(len(owner)) - (np.cumsum(n**2) - n**2)[owner]
    start = (np.cumsum(n) - n)[owner]
    senders, receivers = start + pair % n[owner], start + pair // n[owner]
    if not self_loops:
        keep = senders != receivers
        senders, receivers = senders[keep], receivers[keep]
    pairs = graph._replace(
        senders=senders.astype(np.int32),
        receivers=receivers.astype(np.int32),
        edges=None,
        n_edge=(n**2 if self_loops else n**2 - n).astype(np.int32),
    )
    return (pairs, _find(edge_keys(pairs), edge_keys(graph))) if return_edge_ids else pairs


def _find(wanted: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """The first position of each wanted key in `keys`, or -1."""
    order = np.append(np.argsort(keys, kind="stable"), -1)
    ordered = np.append(keys[order[:-1]], -1)  # keys are >= 0: the last entry matches nothing
    at = np.searchsorted(ordered[:-1], wanted)
    return np.where(ordered[at] == wanted, order[at], -1).astype(np.int32)
