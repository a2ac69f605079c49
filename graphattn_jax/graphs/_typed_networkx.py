"""networkx multigraphs whose nodes and edges name their types, in and out."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from graphattn_jax import _checks
from graphattn_jax.graphs._features import as_array
from graphattn_jax.graphs._from_types import from_types
from graphattn_jax.graphs._typed import schema_of
from graphattn_jax.graphs._types import GraphsTuple, num_graphs, to_host

if TYPE_CHECKING:
    import networkx

__all__ = ["LabelledGraph", "from_typed_networkx", "to_typed_networkx"]


class LabelledGraph(NamedTuple):
    """A typed graph, and by type the labels of its nodes: node `index` of a type is `labels[type][index]`."""

    graph: GraphsTuple
    labels: dict[str, tuple[Hashable, ...]]


def from_typed_networkx(
    graph: Any,
    *,
    node_type: str = "type",
    relation: str = "relation",
    features: str = "features",
    reverse: bool = False,
) -> LabelledGraph:
    """A typed graph from a directed networkx graph, whose parallel edges may be of several relations.

    Types and relations come in the order in which they are first met, nodes and edges of each in that of networkx.

    Args:
      graph: a `MultiDiGraph` or `DiGraph`; not changed.
      node_type: the attribute of nodes that names their type.
      relation: the attribute of edges that names their relation.
      features: the attribute with the numbers of a node or an edge. All nodes of a type have it, of one width, or none;
        all edges of the graph, or none.
      reverse: as `from_types`.

    Returns:
      `LabelledGraph`: the graph and the labels of its nodes.

    Raises:
      ValueError: an undirected graph, a node or an edge without its type, features that only some have; the message
        names the node, the type or the relation.

    Cost: O(N + E), with Python loops.

    Example:
      >>> import networkx as nx, graphattn_jax as ga
      >>> there = nx.MultiDiGraph()
      >>> there.add_nodes_from(["ada", "bob"], type="person")
      >>> there.add_node("tea", type="drink", features=[0.5])
      >>> _ = there.add_edge("ada", "bob", relation="knows"), there.add_edge("bob", "tea", relation="likes")
      >>> graph, labels = ga.graphs.from_typed_networkx(there)
      >>> graph.nodes.counts, labels["person"]
      ((2, 1), ('ada', 'bob'))
    """
    if not hasattr(graph, "is_directed"):
        raise ValueError(f"graph must be a networkx graph, got {_checks.describe(graph)}.")
    if not graph.is_directed():
        raise ValueError(
            "graph must be directed, since a relation leads from one type to another. Fix: graph.to_directed()."
        )
    labels: dict[str, list[Any]] = {}
    place: dict[Any, tuple[str, int]] = {}
    for label, attrs in graph.nodes(data=True):
        name = _named(attrs, node_type, f"node {label!r}")
        place[label] = name, len(labels.setdefault(name, []))
        labels[name].append(label)
    ends: dict[Any, list[tuple[int, int]]] = {}
    rows: dict[Any, list[dict[str, Any]]] = {}
    for u, v, attrs in graph.edges(data=True):
        (source, i), (target, j) = place[u], place[v]
        key = source, _named(attrs, relation, f"edge {u!r} to {v!r}"), target
        ends.setdefault(key, []).append((i, j))
        rows.setdefault(key, []).append(attrs)
    if not ends:
        raise ValueError("graph must have an edge: without one there is no relation.")
    nodes = {
        name: _features(f"type {name!r}", [graph.nodes[label] for label in own], features)
        for name, own in labels.items()
    }
    found = {key: _features(f"relation {key}", own, features) for key, own in rows.items()}
    typed = from_types(
        {name: len(labels[name]) if x is None else x for name, x in nodes.items()},
        {key: np.array(pairs, np.int32).T for key, pairs in ends.items()},
        edge_features=None
        if all(x is None for x in found.values())
        else {key: x for key, x in found.items() if x is not None},
        reverse=reverse,
    )
    return LabelledGraph(typed, {name: tuple(own) for name, own in labels.items()})


def _named(attrs: Mapping[str, Any], name: str, of: str) -> str:
    if name not in attrs:
        raise ValueError(
            f"{of} has no attribute {name!r}, only {list(attrs)}. Fix: the attribute, or another name for it."
        )
    return str(attrs[name])


def _features(of: str, rows: Sequence[Mapping[str, Any]], name: str) -> np.ndarray | None:
    there = [name in row for row in rows]
    if not any(there):
        return None
    if not all(there):
        raise ValueError(f"attribute {name!r} of {of} is missing in row {there.index(False)}.")
    x = as_array(f"attribute {name!r} of {of}", [row[name] for row in rows])
    return x[:, None] if x.ndim == 1 else x


def to_typed_networkx(
    graph: GraphsTuple, labels: Mapping[str, Sequence[Hashable]] | None = None
) -> networkx.MultiDiGraph[Any]:
    """A networkx multigraph whose nodes name their type and edges their relation; the inverse of `from_typed_networkx`.

    Args:
      graph: one typed graph without padding.
      labels: by type, of the nodes of the whole graph; None = pairs (type, index).

    Returns:
      A `MultiDiGraph` with the attributes `type`, `relation` and, where there are any, `features`, lists of Python
      numbers.

    Raises:
      ValueError: a graph without types, a batch, a padded one.

    Cost: O(N + E), with Python loops.

    Example:
      >>> import graphattn_jax as ga
      >>> graph = ga.graphs.from_types({"page": 2}, {("page", "links", "page"): ([0, 0], [1, 1])})
      >>> list(ga.graphs.to_typed_networkx(graph, {"page": ["home", "news"]}).edges(data="relation"))
      [('home', 'news', 'links'), ('home', 'news', 'links')]
    """
    import networkx as nx

    schema = schema_of(graph)
    graph = to_host(graph, "to_typed_networkx", allow_sparse=False)
    if num_graphs(graph) != 1:
        raise ValueError(
            f"to_typed_networkx takes one graph, got a batch of {num_graphs(graph)}. Fix: unbatch it."
        )
    nodes, result, names = graph.nodes, nx.MultiDiGraph(), []
    for i, (kind, index) in enumerate(zip(nodes.type.tolist(), nodes.index.tolist())):
        name, width = schema.types[kind], nodes.widths[kind]
        names.append((name, index) if labels is None else labels[name][index])
        attrs = {"features": nodes.features[i, :width].tolist()} if width else {}
        result.add_node(names[-1], type=name, **attrs)
    if len(result) != len(names):
        raise ValueError("labels must be different for all nodes, of several types too.")
    for e, (u, v) in enumerate(zip(graph.senders.tolist(), graph.receivers.tolist())):
        attrs = (
            {} if graph.edges.features is None else {"features": graph.edges.features[e].tolist()}
        )
        relation = schema.relations[graph.edges.relation[e]][1]
        result.add_edge(names[u], names[v], relation=relation, **attrs)
    return result
