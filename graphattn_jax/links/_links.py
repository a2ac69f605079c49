"""Links as ids of their ends and relations, and which edges of a graph are one link."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from graphattn_jax import _checks
from graphattn_jax.graphs import GraphsTuple, TypedEdges, schema_of
from graphattn_jax.typing import ArrayLike

__all__ = ["Links"]


class Links(NamedTuple):
    """Links head → tail, as the edges sender → receiver that they are, were or may be.

    heads, tails: integer node ids; None in a question: every node. relations: integers that count as those of the
    graph's schema do, or None in a graph without types. The shapes are equal, or broadcast against each other.
    """

    heads: Any = None
    relations: Any = None
    tails: Any = None


class Relations(NamedTuple):
    """The relation of each edge, and the reverse of each relation: of a graph without types its only one."""

    of_edge: np.ndarray
    reverses: np.ndarray
    is_reverse: np.ndarray


def relations_of(graph: GraphsTuple) -> Relations:
    """`[E]`, `[R]` and `[R]`, whether a relation is named as the reverse of another one."""
    if not isinstance(graph.edges, TypedEdges):
        none = np.zeros(len(graph.senders), np.int32)
        return Relations(none, np.zeros(1, np.int64), np.zeros(1, bool))
    relations = schema_of(graph).relations
    reverses = np.array(schema_of(graph).reverses, np.int64)
    lengths = np.array([len(name) for _, name, _ in relations])
    # Of a relation and its reverse, the prefix makes the name of the latter the longer one.
    is_reverse = (reverses >= 0) & (lengths > lengths[reverses])
    return Relations(np.asarray(graph.edges.relation), reverses, is_reverse)


class LinkClasses(NamedTuple):
    """The edges of a graph by the link that they are: copies of an edge are one, and so are its reverses.

    of_edge: `[E]`, ids of L classes that ascend by relation. edge: `[L]`, an edge of each, in its forward direction
    where there is one. heads, relations, tails: `[L]`.
    """

    of_edge: np.ndarray
    edge: np.ndarray
    heads: np.ndarray
    relations: np.ndarray
    tails: np.ndarray


def link_classes(graph: GraphsTuple, directed: bool) -> LinkClasses:
    """Of a graph on the host; `directed` = the two directions of one relation are links of their own."""
    relation, reverses, is_reverse = relations_of(graph)
    flipped = is_reverse[relation]
    forward = np.where(flipped, reverses[relation], relation)
    ends = np.stack([graph.senders, graph.receivers]).astype(np.int64)
    heads, tails = np.where(flipped, ends[::-1], ends)
    pair = np.stack([heads, tails])
    if not directed:
        pair = np.where(reverses[forward] == forward, np.sort(pair, axis=0), pair)
    order = np.lexsort((flipped, pair[1], pair[0], forward))  # stable: the first edge of a class
    key = np.stack([forward, *pair])[:, order]
    is_first = np.ones(len(order), bool)
    is_first[1:] = np.any(key[:, 1:] != key[:, :-1], axis=0)
    of_edge = np.empty(len(order), np.int64)
    of_edge[order] = np.cumsum(is_first) - 1
    edge = order[is_first]
    return LinkClasses(of_edge, edge, heads[edge], forward[edge], tails[edge])


def relation_ids(links: Links) -> ArrayLike:
    """Of links in a graph without types, 0."""
    if links.relations is not None:
        return links.relations
    end = links.heads if links.tails is None else links.tails
    return np.zeros((1,) * np.ndim(end), np.int32)


def check_links(
    name: str, links: Any, num_nodes: int, num_relations: int, *, vector: bool = False
) -> None:
    """Integer ids in range; `vector` = three vectors of one length (or two, without relations)."""
    _checks.instance(name, links, Links, "ga.links.Links(heads, relations, tails)")
    for field, size in (("heads", num_nodes), ("relations", num_relations), ("tails", num_nodes)):
        ids = getattr(links, field)
        if ids is None and (field == "relations" or not vector):
            continue
        _checks.integers(f"{name}.{field}", ids)
        if vector:
            _checks.shape(f"{name}.{field}", ids, np.shape(links.heads)[:1] or ("M",))
        what = "relations" if field == "relations" else "nodes"
        _checks.ids_in_range(f"{name}.{field}", ids.reshape(-1), size, what)  # pyright: ignore[reportOptionalMemberAccess]
