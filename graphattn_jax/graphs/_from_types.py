"""Typed graphs from their nodes by type and their edges by relation; numpy, on the host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from graphattn_jax import _checks
from graphattn_jax.graphs._build import from_edge_list
from graphattn_jax.graphs._column_encoding import EncodedColumns
from graphattn_jax.graphs._columns import as_times
from graphattn_jax.graphs._features import as_array, as_count, as_ids
from graphattn_jax.graphs._typed import ALWAYS, REVERSE, Relation, Schema, TypedEdges, TypedNodes
from graphattn_jax.graphs._types import GraphsTuple

__all__ = ["from_types"]


def from_types(
    nodes: Mapping[str, Any],
    edges: Mapping[Relation, Any],
    *,
    edge_features: Mapping[Relation, Any] | None = None,
    edge_time: Mapping[Relation, Any] | None = None,
    node_time: Mapping[str, Any] | None = None,
    reverse: bool = False,
) -> GraphsTuple:
    """A typed graph from its nodes by type and its edges by relation.

    Args:
      nodes: features `[N_t, D_t]` per type, `EncodedColumns` where it has categories too, or the number of its nodes
        where it has neither. Ids of edges count within a type.
      edges: per relation (type of the senders, name, type of the receivers) the ids (senders, receivers), as two
        vectors or `[2, E_r]`.
      edge_features: per relation `[E_r, D_e]`, all relations or none.
      edge_time: per relation `[E_r]`, likewise.
      node_time: per type `[N_t]` whole numbers or dates: when each node becomes known; types left out were always.
      reverse: add to each relation its reverse, `rev_` before the name, unless it is there. Features are those of the
        edge, times negative.

    Returns:
      A `GraphsTuple` with `TypedNodes`, type by type, and `TypedEdges`, relation by relation.

    Raises:
      ValueError: an unknown type, ids out of range, rows that do not fit, times that int32 does not hold; the message
        names the type or the relation.

    Cost: a copy of everything. The features are `[N, D]` with D the widest.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_types(
      ...     {"author": 2, "paper": np.eye(3, dtype=np.float32)},
      ...     {("author", "writes", "paper"): ([0, 1, 1], [0, 1, 2])}, reverse=True)
      >>> [name for _, name, _ in graph.nodes.schema.relations], graph.nodes.type.tolist()
      (['writes', 'rev_writes'], [0, 0, 1, 1, 1])
    """
    if not isinstance(nodes, Mapping) or not isinstance(edges, Mapping):
        raise ValueError(
            "nodes must be a dict of types and edges a dict of relations, such as "
            '{("author", "writes", "paper"): (senders, receivers)}.'
        )
    types = tuple(nodes)
    rows = {name: _rows_of(name, x) for name, x in nodes.items()}
    counts = {name: count for name, (count, _) in rows.items()}
    first = dict(zip(types, np.cumsum([0, *counts.values()]), strict=False))
    Schema(types, tuple(edges))  # names, before anything is read by them
    parts = {
        relation: _part(relation, ends, counts, first, edge_features, edge_time)
        for relation, ends in edges.items()
    }
    if reverse:
        for (source, name, target), part in list(parts.items()):
            if not name.startswith(REVERSE):
                parts.setdefault((target, REVERSE + name, source), part.T)
    columns = {name: x for name, (_, x) in rows.items()}
    features = {name: x.features for name, x in columns.items()}
    categories = {name: x.categories for name, x in columns.items()}
    vocabularies = tuple(x.vocabularies for x in columns.values())
    typed = TypedNodes(
        features=packed(counts, features),
        type=np.repeat(np.arange(len(types), dtype=np.int32), list(counts.values())),
        index=np.concatenate([np.arange(n, dtype=np.int32) for n in counts.values()]),
        schema=Schema(types, tuple(parts)),
        widths=tuple(0 if x is None else x.shape[1] for x in features.values()),
        counts=tuple(counts.values()),
        time=_node_times(node_time, counts),
        categories=packed(counts, categories),
        vocabularies=vocabularies if any(vocabularies) else (),
    )
    relation = np.repeat(
        np.arange(len(parts), dtype=np.int32), [len(part.senders) for part in parts.values()]
    )
    return from_edge_list(
        np.concatenate([part.senders for part in parts.values()]),
        np.concatenate([part.receivers for part in parts.values()]),
        num_nodes=sum(counts.values()),
        nodes=typed,
        edges=TypedEdges(
            relation,
            _stacked("edge_features", edge_features, [part.features for part in parts.values()]),
            _stacked("edge_time", edge_time, [part.time for part in parts.values()]),
        ),
    )


class _Part(NamedTuple):
    """The edges of one relation, with ids of the whole graph."""

    senders: np.ndarray
    receivers: np.ndarray
    features: np.ndarray | None
    time: np.ndarray | None

    @property
    def T(self) -> _Part:
        return _Part(
            self.receivers, self.senders, self.features, None if self.time is None else -self.time
        )


def _part(relation, ends, counts, first, edge_features, edge_time) -> _Part:
    source, _, target = relation
    if len(ends) != 2:
        raise ValueError(
            f"edges[{relation}] must be (senders, receivers), got {len(ends)} of them. Fix: for [E, 2], its transpose."
        )
    ids = []
    for end, kind, x in (("senders", source, ends[0]), ("receivers", target, ends[1])):
        name = f"{end} of edges[{relation}]"
        x = as_ids(name, x)
        _checks.ids(name, x)
        _checks.ids_in_range(name, x, counts[kind], f"nodes of type {kind!r}")
        ids.append(x.astype(np.int64) + first[kind])
    if len(ids[0]) != len(ids[1]):
        raise ValueError(
            f"edges[{relation}] must have as many senders as receivers, got {len(ids[0])} and {len(ids[1])}."
        )
    rows = []
    for name, given, dims in (("edge_features", edge_features, 2), ("edge_time", edge_time, 1)):
        x = None if given is None or relation not in given else given[relation]
        if x is not None:
            x = as_array(f"{name}[{relation}]", x)
            _checks.shape(f"{name}[{relation}]", x, (len(ids[0]), "D_e")[:dims])
        rows.append(x)
    return _Part(*ids, *rows)


def _stacked(name: str, given: Any, parts: list[Any]) -> np.ndarray | None:
    if given is None:
        return None
    if any(part is None for part in parts):
        raise ValueError(f"{name} must have an array for every relation, got {list(given)}.")
    if len({part.shape[1:] for part in parts}) > 1:
        widths = {relation: np.shape(x)[1] for relation, x in given.items()}
        raise ValueError(f"{name} must have one width for all relations, got {widths}.")
    return np.concatenate(parts)


def _rows_of(name: str, x: Any) -> tuple[int, EncodedColumns]:
    """The number of nodes of a type, and what they come with."""
    if isinstance(x, (int, np.integer)):
        return as_count(f"nodes[{name!r}]", x), EncodedColumns(None, None, ())
    if isinstance(x, EncodedColumns):
        return x.num_rows, x
    features = as_array(f"nodes[{name!r}]", x)
    _checks.shape(f"nodes[{name!r}]", features, ("N", "D"))
    _checks.floating(f"nodes[{name!r}]", features)
    return len(features), EncodedColumns(features, None, ())


def _node_times(given: Mapping[str, Any] | None, counts: dict[str, int]) -> np.ndarray | None:
    if given is None:
        return None
    for name in given:
        _checks.choice("a type of node_time", name, counts)
    times = {
        name: as_times(f"node_time[{name!r}]", given[name])
        if name in given
        else np.full(count, ALWAYS, np.int32)
        for name, count in counts.items()
    }
    for name, x in times.items():
        _checks.shape(f"node_time[{name!r}]", x, (counts[name],))
    return np.concatenate(list(times.values()))


def packed(counts: Mapping[str, int], parts: Mapping[str, np.ndarray | None]) -> np.ndarray | None:
    """`[N, D]`, the rows of each type filled up with 0; None where no type has any."""
    given = [x for x in parts.values() if x is not None]
    if not given:
        return None
    width = max(x.shape[1] for x in given)
    out = np.zeros((sum(counts.values()), width), np.result_type(*(x.dtype for x in given)))
    start = 0
    for name, count in counts.items():
        if (x := parts[name]) is not None:
            out[start : start + count, : x.shape[1]] = x
        start += count
    return out
