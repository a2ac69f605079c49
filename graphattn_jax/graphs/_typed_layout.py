"""What the types of a graph say about it, computed once on the host: a part of its layout."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from graphattn_jax.graphs._typed import schema_of
from graphattn_jax.ops import EdgeLayout, Edges, Groups, prepare_edges, prepare_groups
from graphattn_jax.typing import ArrayLike

__all__ = ["PairLayout", "TypedLayout", "typed_layout"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class PairLayout:
    """The U different pairs (node, relation) at one end of the edges, relation by relation.

    node: `[U]` int32. relations: which relation each pair belongs to. edges: `[E]` int32, the pair of each edge. time:
    `[U]`, at the senders' end of edges with times; there a pair has one time.
    layout: tiles of the edges from the senders' pairs to the receiving nodes, or to the receivers' pairs.
    """

    node: ArrayLike
    relations: Groups
    edges: ArrayLike
    time: ArrayLike | None = None
    layout: EdgeLayout | None = None


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class TypedLayout:
    """The nodes by type, and the pairs of both ends."""

    types: Groups
    senders: PairLayout
    receivers: PairLayout


def typed_layout(graph: Any, edge_mask: np.ndarray | None) -> TypedLayout:
    """Of a typed graph; with a mask all sizes follow from those of the graph, so that other graphs compile once."""
    static = edge_mask is not None
    types = Groups(graph.nodes.type, len(schema_of(graph).types))
    senders = _pairs(graph.senders, graph, graph.edges.time, static)
    receivers = _pairs(graph.receivers, graph, None, static)
    num_pairs, num_heard = len(senders.node), len(receivers.node)
    to_nodes = Edges(senders.edges, graph.receivers, num_pairs, types.num_rows, edge_mask)
    to_pairs = Edges(senders.edges, receivers.edges, num_pairs, num_heard, edge_mask)
    return TypedLayout(
        prepare_groups(types, static=static),
        dataclasses.replace(senders, layout=prepare_edges(to_nodes, static=static).layout),
        dataclasses.replace(receivers, layout=prepare_edges(to_pairs, static=static).layout),
    )


def _pairs(ids: np.ndarray, graph: Any, time: Any, static: bool) -> PairLayout:
    """The pairs at one end, without the tiles."""
    relation = np.asarray(graph.edges.relation)
    when = np.zeros(len(ids)) if time is None else np.asarray(time)
    order = np.lexsort((when, ids, relation))
    columns = [x[order] for x in (relation, ids, when)]
    is_new = np.any([x[1:] != x[:-1] for x in columns], axis=0)
    first = np.concatenate([np.arange(min(len(ids), 1)), 1 + np.flatnonzero(is_new)]).astype(int)
    of_edge = np.empty(len(ids), np.int32)
    of_edge[order] = np.repeat(np.arange(len(first)), np.diff(np.append(first, len(ids))))
    if static:  # pairs without an edge fill up
        first = np.concatenate([first, np.full(len(ids) - len(first), len(ids) - 1, int)])
    pairs = [x[first] for x in columns]
    relations = Groups(pairs[0].astype(np.int32), len(schema_of(graph).relations))
    return PairLayout(
        node=pairs[1].astype(np.int32),
        relations=prepare_groups(relations, static=static),
        edges=of_edge,
        time=None if time is None else pairs[2],
    )
