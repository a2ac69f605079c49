"""What the nodes and edges of a typed graph hold, and the names of their types."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import numpy as np

from graphattn_jax import _checks
from graphattn_jax.graphs._types import GraphsTuple
from graphattn_jax.ops import reverse_edges
from graphattn_jax.typing import ArrayLike

__all__ = [
    "ALWAYS",
    "Relation",
    "Schema",
    "TypedEdges",
    "TypedNodes",
    "check_schema",
    "schema_of",
]

Relation = tuple[str, str, str]
"""(type of the senders, name, type of the receivers)."""

REVERSE = "rev_"
"""Before the name of a relation that is another one the other way round."""

ALWAYS = int(np.iinfo(np.int32).min)
"""The time of what was always known: at or before any other."""


@dataclass(frozen=True)
class Schema:
    """The names of the types and relations of a typed graph; ids count through them.

    A relation and its reverse are known by their names, `writes` and `rev_writes`. One between nodes of one type counts
    as its own reverse where there is no such other.

    Args:
      types: names of the types of nodes.
      relations: (type of the senders, name, type of the receivers).

    Raises:
      ValueError: no names, a name twice, a relation of an unknown type.

    Example:
      >>> import graphattn_jax as ga
      >>> schema = ga.graphs.Schema(("author", "paper"), (("author", "writes", "paper"),))
      >>> schema.type_id("paper"), schema.relation_id("writes"), schema.sources, schema.targets
      (1, 0, (0,), (1,))
    """

    types: tuple[str, ...]
    relations: tuple[Relation, ...]

    def __post_init__(self) -> None:
        for name in ("types", "relations"):
            names = getattr(self, name)
            if not isinstance(names, tuple) or not names or len(set(names)) < len(names):
                raise ValueError(
                    f"schema.{name} must be a tuple of different names, got {names!r}."
                )
        for relation in self.relations:
            if not isinstance(relation, tuple) or len(relation) != 3:
                raise ValueError(
                    f"a relation must be (type of the senders, name, type of the receivers), got {relation!r}."
                )
            for name in (relation[0], relation[2]):
                _checks.choice(f"the type of {relation}", name, self.types)

    def type_id(self, name: str) -> int:
        """Of a type of nodes."""
        _checks.choice("type", name, self.types)
        return self.types.index(name)

    def relation_id(self, relation: str | Relation) -> int:
        """Of a relation, by its name where that is unique."""
        if isinstance(relation, tuple):
            _checks.choice("relation", relation, self.relations)
            return self.relations.index(relation)
        found = [i for i, (_, name, _) in enumerate(self.relations) if name == relation]
        if len(found) != 1:
            options = self.relations if not found else [self.relations[i] for i in found]
            raise ValueError(
                f"relation {relation!r} is {'not there' if not found else 'not unique'}: "
                f"{', '.join(map(str, options))}."
            )
        return found[0]

    def check(self, graph: GraphsTuple) -> None:
        """A typed graph of this schema; also inside `jax.jit`.

        Raises:
          ValueError: one of another, or without types.
        """
        other = schema_of(graph)
        for name in ("types", "relations"):
            own, given = getattr(self, name), getattr(other, name)
            if own != given:
                differing = sorted(set(own) ^ set(given)) or ["the same ones in another order"]
                raise ValueError(
                    f"the graph must have the {len(own)} {name} of schema, got {len(given)}, differing in "
                    f"{differing[0]}. Fix: schema=ga.graphs.schema_of(graph), and new parameters."
                )

    @property
    def sources(self) -> tuple[int, ...]:
        """Per relation, the type of its senders."""
        return tuple(self.types.index(source) for source, _, _ in self.relations)

    @property
    def targets(self) -> tuple[int, ...]:
        """Per relation, the type of its receivers."""
        return tuple(self.types.index(target) for _, _, target in self.relations)

    @property
    def reverses(self) -> tuple[int, ...]:
        """Per relation, its reverse, or -1."""
        ids = {relation: i for i, relation in enumerate(self.relations)}

        def reverse(i: int, source: str, name: str, target: str) -> int:
            names = [REVERSE + name]
            if name.startswith(REVERSE):
                names.append(name.removeprefix(REVERSE))
            found = (ids[target, n, source] for n in names if (target, n, source) in ids)
            return next(found, i if source == target else -1)

        return tuple(reverse(i, *relation) for i, relation in enumerate(self.relations))


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class TypedNodes:
    """The nodes of a typed graph.

    features: `[N, D]`, narrower ones of a type filled up with 0; None where no type has any.
    type: `[N]` int32, of `schema.types`.
    index: `[N]` int32, which node of its type each is, in the whole graph.
    widths: per type, how many of the D features it has. counts: per type, how many nodes the whole graph has.
    time: `[N]` int32, when each node becomes known, `ALWAYS` for nodes of types without times; None where no type has
    any. Seconds since 1970, or whole numbers of another unit.
    categories: `[N, K]` int32, columns of categories, 0 = unknown, filled up with 0; None where no type has any.
    vocabularies: per type, the number of categories of each of its columns.
    """

    features: ArrayLike | None
    type: ArrayLike
    index: ArrayLike
    schema: Schema = field(metadata={"static": True})
    widths: tuple[int, ...] = field(metadata={"static": True})
    counts: tuple[int, ...] = field(metadata={"static": True})
    time: ArrayLike | None = None
    categories: ArrayLike | None = None
    vocabularies: tuple[tuple[int, ...], ...] = field(default=(), metadata={"static": True})


class TypedEdges(NamedTuple):
    """The edges of a typed graph.

    relation: `[E]` int32, of `schema.relations`. features: `[E, D_e]` or None. time: `[E]` or None, the time of the
    receiver less that of the sender, or whatever else a layer is to know as time. weights: `[E, H]` or None, how a
    layer attended whose weights the next one takes up, such as `ga.attention.SimpleHGN`. buckets: `[E]` integers or
    None, for `ga.attention.RelativeBias`.
    """

    relation: ArrayLike
    features: ArrayLike | None = None
    time: ArrayLike | None = None
    weights: ArrayLike | None = None
    buckets: ArrayLike | None = None


def schema_of(graph: GraphsTuple) -> Schema:
    """The names of a typed graph.

    Args:
      graph: with `TypedNodes`; also inside `jax.jit`.

    Returns:
      A `Schema`.

    Raises:
      ValueError: a graph without types.

    Example:
      >>> import graphattn_jax as ga
      >>> graph = ga.graphs.from_types({"page": 2}, {("page", "links", "page"): ([0], [1])})
      >>> ga.graphs.schema_of(graph).types
      ('page',)
    """
    if not isinstance(graph.nodes, TypedNodes) or not isinstance(graph.edges, TypedEdges):
        raise ValueError(
            "graph must be typed, with TypedNodes and TypedEdges, got nodes "
            f"{type(graph.nodes).__name__} and edges {type(graph.edges).__name__}. Fix: ga.graphs.from_types(...)."
        )
    return graph.nodes.schema


def check_schema(schema: Any) -> None:
    """A value that says which types there are.

    Args:
      schema: what may be one.

    Returns:
      Nothing.

    Raises:
      ValueError: anything else.

    Example:
      >>> import graphattn_jax as ga
      >>> ga.graphs.check_schema(ga.graphs.Schema(("page",), (("page", "links", "page"),)))
    """
    if not isinstance(schema, Schema):
        raise ValueError(
            f"schema must be a ga.graphs.Schema, got {_checks.describe(schema)}. "
            "Fix: schema=ga.graphs.schema_of(graph)."
        )


def check_types(graph: GraphsTuple, node_mask: np.ndarray, edge_mask: np.ndarray) -> None:
    """Every real node is one of its type, and every real edge leads between the types of its relation; on the host."""
    schema = schema_of(graph)
    kinds, relation = np.asarray(graph.nodes.type), np.asarray(graph.edges.relation)
    _checks.ids("graph.nodes.type", kinds)
    _checks.ids("graph.edges.relation", relation)
    _checks.ids_in_range("graph.nodes.type", kinds, len(schema.types), "types")
    _checks.ids_in_range("graph.edges.relation", relation, len(schema.relations), "relations")
    index, counts = np.asarray(graph.nodes.index), np.array(graph.nodes.counts)
    beyond = node_mask & ((index < 0) | (index >= counts[kinds]))
    if beyond.any():
        bad = int(np.flatnonzero(beyond)[0])
        raise ValueError(
            f"graph.nodes.index of node {bad} must lie in [0, {counts[kinds[bad]]}) for nodes of type "
            f"{schema.types[kinds[bad]]!r}, got {index[bad]}."
        )
    for end, ids, wanted in (
        ("sender", graph.senders, schema.sources),
        ("receiver", graph.receivers, schema.targets),
    ):
        wrong = edge_mask & (kinds[ids] != np.array(wanted)[relation])
        if wrong.any():
            bad = int(np.flatnonzero(wrong)[0])
            raise ValueError(
                f"edge {bad} of relation {schema.relations[relation[bad]]} has node {ids[bad]} of type "
                f"{schema.types[kinds[ids[bad]]]!r} as its {end}."
            )


def with_common_counts(graphs: list[Any]) -> list[Any]:
    """Typed graphs of one batch, which count nodes of the same types: the counts are the largest of each type."""
    if not all(isinstance(graph.nodes, TypedNodes) for graph in graphs):
        return graphs
    first = graphs[0].nodes.schema
    for i, graph in enumerate(graphs):
        for name in ("types", "relations"):
            own, wanted = getattr(graph.nodes.schema, name), getattr(first, name)
            if own != wanted:
                differing = [x for x in (*own, *wanted) if x not in own or x not in wanted]
                raise ValueError(
                    f"graph {i} has other {name} than graph 0, differing in {(differing or ['their order'])[0]}. "
                    "Fix: give all graphs the same types and relations, empty ones too."
                )
    counts = tuple(np.max([graph.nodes.counts for graph in graphs], axis=0).tolist())
    return [
        graph._replace(nodes=dataclasses.replace(graph.nodes, counts=counts)) for graph in graphs
    ]


def typed_reverse(graph: GraphsTuple, where: np.ndarray) -> np.ndarray:
    """`[E]`, for each edge its partner of the reverse relation, -1 where there is none; on the host."""
    relation, num_nodes = np.asarray(graph.edges.relation), len(graph.nodes.type)
    back = np.array(graph.nodes.schema.reverses)[relation]
    # Both ends count apart for each pair of a relation and its reverse, and on either side of it, as if they were
    # different nodes: then only partners lead back.
    pair = np.where(back < 0, relation, np.minimum(relation, back)).astype(np.int64)
    flipped = (back >= 0) & (back < relation)
    sides = np.where(back == relation, 0, [flipped, ~flipped])
    ends = (pair * 2 + sides) * num_nodes + np.stack([graph.senders, graph.receivers])
    return np.asarray(reverse_edges(*ends, where=where))
