"""Typed graphs from triples (subject, relation, object), and triples from N-Triples."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from graphattn_jax import _checks
from graphattn_jax.graphs._build import from_edge_list
from graphattn_jax.graphs._features import as_array, as_ids, largest
from graphattn_jax.graphs._typed import REVERSE, Schema, TypedEdges, TypedNodes
from graphattn_jax.graphs._types import GraphsTuple

__all__ = ["Triples", "from_triples", "number_triples", "parse_ntriples"]

_TERM = r'<[^>]*>|_:\S+|"(?:[^"\\]|\\.)*"(?:\^\^<[^>]*>|@[A-Za-z0-9-]+)?'
_LINE = re.compile(rf"\s*({_TERM})\s+(<[^>]*>)\s+({_TERM})\s*\.\s*(?:#.*)?")


class Triples(NamedTuple):
    """Ids `[M]` of subjects, relations and objects, and the names that they count through."""

    subjects: np.ndarray
    relations: np.ndarray
    objects: np.ndarray
    node_names: tuple[str, ...]
    relation_names: tuple[str, ...]


def number_triples(triples: Iterable[tuple[Any, Any, Any]]) -> Triples:
    """Ids for named triples, in the order in which names appear.

    Args:
      triples: (subject, relation, object) of strings, or of other names that can be compared.

    Returns:
      `Triples`.

    Raises:
      ValueError: something else than three names.

    Example:
      >>> import graphattn_jax as ga
      >>> ga.graphs.number_triples([("ada", "knows", "bob"), ("bob", "likes", "tea")]).node_names
      ('ada', 'bob', 'tea')
    """
    nodes: dict[Any, int] = {}
    relations: dict[Any, int] = {}
    rows = []
    for i, triple in enumerate(triples):
        if isinstance(triple, str) or len(triple) != 3:
            raise ValueError(f"triple {i} must be (subject, relation, object), got {triple!r}.")
        subject, relation, target = triple
        head, tail = (nodes.setdefault(name, len(nodes)) for name in (subject, target))
        rows.append((head, relations.setdefault(relation, len(relations)), tail))
    ids = np.array(rows, np.int32).reshape(-1, 3)
    subjects, kinds, objects = ids.T
    return Triples(subjects, kinds, objects, tuple(map(str, nodes)), tuple(map(str, relations)))


def parse_ntriples(lines: Iterable[str]) -> Triples:
    """The triples of an N-Triples document; literals are nodes, equal ones the same.

    Args:
      lines: of an open file, or `text.splitlines()`. Comments and empty lines are left out.

    Returns:
      `Triples`, with names as they are written: `<http://...>`, `_:b0`, `"text"@en`.

    Raises:
      ValueError: a line that is no triple, by its number.

    Example:
      >>> import graphattn_jax as ga
      >>> ga.graphs.parse_ntriples(['<a> <knows> <b> .', '<a> <name> "Ada"@en . # a literal']).node_names
      ('<a>', '<b>', '"Ada"@en')

    Source: "RDF 1.1 N-Triples", W3C Recommendation, 2014.
    """

    def triples() -> Iterable[tuple[str, str, str]]:
        for number, line in enumerate(lines, 1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            found = _LINE.fullmatch(line.rstrip("\n"))
            if found is None:
                raise ValueError(f"line {number} is not an N-Triple: {line.strip()[:120]!r}.")
            yield found.group(1), found.group(2), found.group(3)

    return number_triples(triples())


def from_triples(
    triples: Any,
    *,
    num_nodes: int | None = None,
    nodes: Any = None,
    relation_names: Sequence[str] | None = None,
    node_types: Any = None,
    type_names: Sequence[str] | None = None,
    reverse: bool = False,
) -> GraphsTuple:
    """A typed graph whose nodes keep their numbers; an edge goes from each subject to its object.

    A relation between several pairs of types becomes as many relations of one name.

    Args:
      triples: `Triples`, or subjects, relations and objects, `[M]` integers each.
      num_nodes: N; None = the length of `node_types` or of `nodes`, or the largest id + 1.
      nodes: `[N, D]` floating point, or None.
      relation_names: of the relations; None = those of `Triples`, otherwise "0", "1", ...
      node_types: `[N]` integers, None = one type "node".
      type_names: of the types; None = "0", "1", ...
      reverse: add to each relation its reverse, `rev_` before the name.

    Returns:
      A `GraphsTuple` with `TypedNodes` and `TypedEdges`: the edges as given, then their reverses.

    Raises:
      ValueError: ids that are not integers or out of range, lengths that disagree.

    Cost: O(M log M).

    Example:
      >>> import graphattn_jax as ga
      >>> triples = ga.graphs.number_triples([("ada", "knows", "bob"), ("bob", "likes", "tea")])
      >>> graph = ga.graphs.from_triples(triples)
      >>> ga.graphs.schema_of(graph).relations
      (('node', 'knows', 'node'), ('node', 'likes', 'node'))
    """
    if isinstance(triples, Triples):
        num_nodes = num_nodes or len(triples.node_names)
        relation_names = relation_names or triples.relation_names
        triples = triples[:3]
    columns = dict(zip(("subjects", "relations", "objects"), triples, strict=True))
    ids = {name: as_ids(name, x) for name, x in columns.items()}
    for name, x in ids.items():
        _checks.ids(name, x, len(ids["subjects"]))
    features = None if nodes is None else as_array("nodes", nodes)
    if features is not None:
        _checks.shape("nodes", features, ("N", "D"))
        _checks.floating("nodes", features)
    kinds = None if node_types is None else as_ids("node_types", node_types)
    if num_nodes is None:
        known = next((len(x) for x in (kinds, features) if x is not None), None)
        ends = max(largest(ids["subjects"]), largest(ids["objects"])) + 1
        num_nodes = ends if known is None else known
    if kinds is None:
        kinds, type_names = np.zeros(num_nodes, np.int32), type_names or ("node",)
    _checks.ids("node_types", kinds, num_nodes)
    for name in ("subjects", "objects"):
        _checks.ids_in_range(name, ids[name], num_nodes)
    types = _names("type_names", type_names, kinds)
    names = _names("relation_names", relation_names, ids["relations"])
    rows = np.stack([ids["relations"], kinds[ids["subjects"]], kinds[ids["objects"]]], axis=1)
    found, relation = np.unique(rows, axis=0, return_inverse=True)
    relation, known = relation.reshape(-1), [(types[s], names[r], types[t]) for r, s, t in found]
    senders, receivers = ids["subjects"], ids["objects"]
    if reverse:
        known += [(target, REVERSE + name, source) for source, name, target in known]
        senders, receivers = np.append(senders, receivers), np.append(receivers, senders)
        relation = np.append(relation, relation + len(found))
    counts = np.bincount(kinds, minlength=len(types))
    order, index = np.argsort(kinds, kind="stable"), np.empty(num_nodes, np.int32)
    index[order] = np.arange(num_nodes) - np.repeat(np.cumsum(counts) - counts, counts)
    typed = TypedNodes(
        features=features,
        type=kinds.astype(np.int32),
        index=index,
        schema=Schema(types, tuple(known)),
        widths=(0 if features is None else features.shape[1],) * len(types),
        counts=tuple(counts.tolist()),
    )
    edges = TypedEdges(relation.astype(np.int32))
    return from_edge_list(senders, receivers, num_nodes=num_nodes, nodes=typed, edges=edges)


def _names(argument: str, names: Sequence[str] | None, ids: np.ndarray) -> tuple[str, ...]:
    if names is None:
        names = [str(i) for i in range(largest(ids) + 1)]
    _checks.ids_in_range("ids of " + argument, ids, len(names), argument.replace("_", " "))
    return tuple(map(str, names))
