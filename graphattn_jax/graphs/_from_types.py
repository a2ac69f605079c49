"""Typed graphs from their nodes by type and their edges by relation; numpy, on the host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from graphattn_jax import _checks
from graphattn_jax.graphs._build import from_edge_list
from graphattn_jax.graphs._features import as_array, as_count, as_ids
from graphattn_jax.graphs._typed import REVERSE, Relation, Schema, TypedEdges, TypedNodes
from graphattn_jax.graphs._types import GraphsTuple

__all__ = ["from_types"]


def from_types(
    nodes: Mapping[str, Any],
    edges: Mapping[Relation, Any],
    *,
    edge_features: Mapping[Relation, Any] | None = None,
    edge_time: Mapping[Relation, Any] | None = None,
    reverse: bool = False,
) -> GraphsTuple:
    """A typed graph from its nodes by type and its edges by relation.

    Args:
      nodes: features `[N_t, D_t]` per type, or the number of its nodes where it has none. Ids of edges count within a
        type.
      edges: per relation (type of the senders, name, type of the receivers) the ids (senders, receivers), as two
        vectors or `[2, E_r]`.
      edge_features: per relation `[E_r, D_e]`, all relations or none.
      edge_time: per relation `[E_r]`, likewise.
      reverse: add to each relation its reverse, `rev_` before the name, unless it is there. Features are those of the
        edge, times negative.

    Returns:
      A `GraphsTuple` with `TypedNodes`, type by type, and `TypedEdges`, relation by relation.

    Raises:
      ValueError: an unknown type, ids out of range, rows that do not fit; the message names the relation.

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
    features, counts = {}, {}
    for name, x in nodes.items():
        if isinstance(x, (int, np.integer)):
            counts[name] = as_count(f"nodes[{name!r}]", x)
            continue
        features[name] = as_array(f"nodes[{name!r}]", x)
        _checks.shape(f"nodes[{name!r}]", features[name], ("N", "D"))
        _checks.floating(f"nodes[{name!r}]", features[name])
        counts[name] = len(features[name])
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
    width = max((x.shape[1] for x in features.values()), default=0)
    typed = TypedNodes(
        features=_packed(types, features, counts, width) if features else None,
        type=np.repeat(np.arange(len(types), dtype=np.int32), list(counts.values())),
        index=np.concatenate([np.arange(n, dtype=np.int32) for n in counts.values()]),
        schema=Schema(types, tuple(parts)),
        widths=tuple(features[name].shape[1] if name in features else 0 for name in types),
        counts=tuple(counts.values()),
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
    return np.concatenate(parts)


def _packed(types, features, counts, width: int) -> np.ndarray:
    dtype = np.result_type(*(x.dtype for x in features.values()))
    out = np.zeros((sum(counts.values()), width), dtype)
    start = 0
    for name in types:
        if name in features:
            x = features[name]
            out[start : start + len(x), : x.shape[1]] = x
        start += counts[name]
    return out
