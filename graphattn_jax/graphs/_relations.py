"""The edges of a typed graph seen from the relations: which nodes each relation leaves, and which it reaches."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax.graphs._prepare import pattern
from graphattn_jax.graphs._typed import schema_of
from graphattn_jax.graphs._typed_layout import PairLayout
from graphattn_jax.graphs._types import PreparedGraph, checked_layout
from graphattn_jax.ops import Edges, Groups
from graphattn_jax.typing import ArrayLike

__all__ = ["Ends", "node_groups", "relation_ends"]


class Ends(NamedTuple):
    """The U different pairs (node, relation) at one end of the edges: a node counts once for each of its relations.

    What a relation does to a node is computed once for such a pair, not for each edge. U is at most the number of
    edges, and no array has a row for every node and every relation.

    node: `[U]` int32. relations: which relation each pair belongs to. edges: the edges of the graph, in their order,
    from the pairs of the senders to the receiving nodes, or for the receivers' end to their pairs. time: `[U]`, at the
    senders' end of edges with times, where a node counts once for each of its relations and times.
    """

    node: ArrayLike
    relations: Groups
    edges: Edges
    time: ArrayLike | None = None


def relation_ends(graph: Any, end: str = "sender") -> Ends:
    """The pairs of a node and a relation at one end of the edges of a typed graph.

    Args:
      graph: with `TypedNodes` and `TypedEdges`; also inside `jax.jit`. `ga.graphs.prepare` finds the pairs once.
      end: "sender" or "receiver".

    Returns:
      `Ends`. Without a layout every edge has a sender's pair of its own.

    Raises:
      ValueError: a graph without types, an unknown end.

    Cost: none for a prepared graph; otherwise none for senders, and a sort of the edges for receivers.
    Padding: padding edges belong to some pair, and are masked in `edges`.

    Example:
      >>> import graphattn_jax as ga
      >>> graph = ga.graphs.from_types({"page": 3}, {("page", "links", "page"): ([0, 0, 1], [1, 2, 2])})
      >>> ends = ga.graphs.relation_ends(ga.graphs.prepare(graph))
      >>> ends.node.tolist(), ends.edges.senders.tolist()
      ([0, 1], [0, 0, 1])
    """
    _checks.choice("end", end, ("sender", "receiver"))
    num_relations, edges = len(schema_of(graph).relations), pattern(graph)
    if isinstance(graph, PreparedGraph):
        typed = checked_layout(graph).relations
        senders, receivers = typed.senders, typed.receivers
    else:
        relations = Groups(graph.edges.relation, num_relations)
        senders = PairLayout(
            graph.senders, relations, jnp.arange(edges.num_edges), graph.edges.time
        )
        receivers = senders if end == "sender" else _found_pairs(graph, num_relations)
    num_pairs = senders.node.shape[0]
    if end == "sender":
        to_nodes = Edges(
            senders.edges,
            edges.receivers,
            num_pairs,
            edges.num_rows,
            edges.mask,
            layout=senders.layout,
        )
        return Ends(senders.node, senders.relations, to_nodes, senders.time)
    num_heard = receivers.node.shape[0]
    to_pairs = Edges(
        senders.edges, receivers.edges, num_pairs, num_heard, edges.mask, layout=receivers.layout
    )
    return Ends(receivers.node, receivers.relations, to_pairs)


def _found_pairs(graph: Any, num_relations: int) -> PairLayout:
    """The receivers' pairs, on the device; as many as edges, the last ones empty."""
    relation, receivers = jnp.asarray(graph.edges.relation), jnp.asarray(graph.receivers)
    order = jnp.lexsort((receivers, relation))
    ascending = jnp.stack([relation, receivers])[:, order]
    is_new = jnp.any(ascending != jnp.roll(ascending, 1, axis=1), axis=0).at[:1].set(False)
    zeros = jnp.zeros_like(receivers)
    of_edge = zeros.at[order].set(jnp.cumsum(is_new).astype(zeros.dtype))
    relations = Groups(zeros.at[of_edge].set(relation), num_relations)
    return PairLayout(zeros.at[of_edge].set(receivers), relations, of_edge)


def node_groups(graph: Any) -> Groups:
    """The nodes of a typed graph by their types.

    Args:
      graph: with `TypedNodes`; also inside `jax.jit`.

    Returns:
      `ga.ops.Groups`, prepared where the graph is.

    Raises:
      ValueError: a graph without types.

    Example:
      >>> import graphattn_jax as ga
      >>> graph = ga.graphs.from_types({"page": 2}, {("page", "links", "page"): ([0], [1])})
      >>> ga.graphs.node_groups(ga.graphs.prepare(graph)).sizes
      (2,)
    """
    num_types = len(schema_of(graph).types)
    if isinstance(graph, PreparedGraph):
        return checked_layout(graph).relations.types
    return Groups(graph.nodes.type, num_types)
