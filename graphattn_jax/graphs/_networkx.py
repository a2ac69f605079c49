"""networkx graphs, in and out."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from graphattn_jax import _checks
from graphattn_jax.graphs._edges import edge_keys
from graphattn_jax.graphs._features import as_array, as_numbers, by_names, named
from graphattn_jax.graphs._types import GraphsTuple, num_nodes, to_host
from graphattn_jax.graphs._validate import validate

if TYPE_CHECKING:
    import networkx

    NxGraph = networkx.Graph[Any]


def from_networkx(
    graph: NxGraph,
    *,
    node_attrs: str | Sequence[str] | None = None,
    edge_attrs: str | Sequence[str] | None = None,
    graph_attrs: str | Sequence[str] | None = None,
) -> GraphsTuple:
    """One graph from any networkx graph: directed or not, with or without multiple edges.

    Node i is the i-th of `list(graph)`: this list recovers the labels, and `to_networkx` takes it.
    Edges come in the order of `graph.edges`, u → v with u the sender. An undirected graph gives
    both directions of each edge with the same features: first all edges as listed, then all
    reverses; a self-loop stays one edge. Parallel edges of a multigraph become duplicates.

    Args:
      graph: a networkx graph; not changed.
      node_attrs, edge_attrs, graph_attrs: attributes that become `nodes`, `edges` and `globals`.
        One name gives its array, several a dict by name, `()` none. None = a dict of every
        attribute that all nodes (edges) have with numbers of one shape; others, such as
        strings, are left out. Names that are no strings become strings. Without edges there are no edge attributes to
        see: `edges` is None, which `batch` takes beside any other.

    Returns:
      A `GraphsTuple` of one graph with numpy leaves. Python numbers become float32 or int32.

    Raises:
      ValueError: a named attribute is missing somewhere, is not numeric, is ragged, or holds numbers beyond float32 or
        int32; two attributes whose names are the same string.

    Cost: O(N + E), with Python loops in networkx itself.

    Example:
      >>> import networkx as nx
      >>> import graphattn_jax as ga
      >>> graph = ga.graphs.from_networkx(nx.Graph([("a", "b", {"weight": 0.5})]))
      >>> graph.senders, graph.receivers, graph.edges
      (array([0, 1], dtype=int32), array([1, 0], dtype=int32),
       {'weight': array([0.5, 0.5], dtype=float32)})
    """
    if not hasattr(graph, "is_directed"):
        raise ValueError(f"graph must be a networkx graph, got {_checks.describe(graph)}.")
    index = {label: i for i, label in enumerate(graph)}
    listed = list(graph.edges(data=True))
    senders = np.array([index[u] for u, _, _ in listed], np.int32)
    receivers = np.array([index[v] for _, v, _ in listed], np.int32)
    edges = _collect("edges", [attrs for _, _, attrs in listed], edge_attrs)
    if not graph.is_directed():
        reverse = np.flatnonzero(senders != receivers)
        senders, receivers = (
            np.concatenate([senders, receivers[reverse]]),
            np.concatenate([receivers, senders[reverse]]),
        )
        edges = jax.tree.map(lambda x: np.concatenate([x, x[reverse]]), edges)
    return validate(
        GraphsTuple(
            nodes=_collect("nodes", [attrs for _, attrs in graph.nodes(data=True)], node_attrs),
            edges=edges,
            senders=senders,
            receivers=receivers,
            globals=_collect("graph", [graph.graph], graph_attrs),
            n_node=np.array([len(index)], np.int32),
            n_edge=np.array([len(senders)], np.int32),
        )
    )


def _collect(kind: str, rows: list[dict], names: str | Sequence[str] | None) -> Any:
    """Attributes of all rows, stacked."""
    if names is None:
        names = [name for name in (rows[0] if rows else ()) if _is_numeric(rows, name)]

    def read(name: str) -> np.ndarray:
        missing = [i for i, row in enumerate(rows) if name not in row]
        if missing:
            raise ValueError(
                f"attribute {name!r} is missing in row {missing[0]} of {kind}. "
                "Fix: set it everywhere, or leave it out of the wanted attributes."
            )
        return as_array(name, [row[name] for row in rows])

    return by_names(names, read)


def _is_numeric(rows: list[dict], name: str) -> bool:
    try:
        as_numbers(name, [row[name] for row in rows])
    except (KeyError, ValueError):
        return False
    return True


def to_networkx(
    graph: GraphsTuple,
    *,
    labels: Sequence[Hashable] | None = None,
    directed: bool | None = None,
) -> NxGraph:
    """A networkx graph with the same nodes, edges and attributes; the inverse of `from_networkx`.

    Duplicate edges give a `MultiGraph` or `MultiDiGraph`, otherwise the result is a `Graph` or
    `DiGraph`. Edges are added in their order.

    Args:
      graph: one graph without padding. Its `nodes`, `edges` and `globals` are None, one array
        (stored as the attribute `features`), or a flat dict of arrays (under its own names).
      labels: N distinct node labels; None = 0 to N - 1.
      directed: None = undirected if every edge has a reverse with the same features (a directed
        graph that happens to be symmetric too: pass True for it). False requires this.

    Returns:
      A networkx graph; attribute values are Python numbers or lists of them, which JSON holds. float64 and int64 come
      back from `from_networkx` as float32 and int32.

    Raises:
      ValueError: several graphs, a padded or bipartite one, labels that do not fit, nested features, or
        `directed=False` for a graph that is not symmetric.

    Example:
      >>> import networkx as nx
      >>> import graphattn_jax as ga
      >>> there = nx.Graph([("a", "b"), ("b", "c")])
      >>> back = ga.graphs.to_networkx(ga.graphs.from_networkx(there), labels=list(there))
      >>> sorted(back.edges), back.is_directed()
      ([('a', 'b'), ('b', 'c')], False)
    """
    import networkx as nx

    graph = to_host(graph, "to_networkx", allow_sparse=False)
    if graph.n_node.shape[0] != 1:
        raise ValueError(
            f"to_networkx takes one graph, got a batch of {graph.n_node.shape[0]}. Fix: unbatch it."
        )
    labels = list(range(num_nodes(graph)) if labels is None else labels)
    if len(set(labels)) != num_nodes(graph) or len(labels) != num_nodes(graph):
        raise ValueError(
            f"labels must be {num_nodes(graph)} distinct values, one per node, got {len(labels)} "
            f"of which {len(set(labels))} are distinct."
        )
    kept = None if directed else _one_of_each_pair(graph)
    if directed is False and kept is None:
        raise ValueError(
            "directed=False needs a reverse with equal features for every edge. "
            "Fix: add_reverse_edges(graph), or directed=True."
        )
    directed = kept is None
    if kept is None:
        kept = np.arange(graph.senders.shape[0])
    parallel = len(np.unique(edge_keys(graph)[kept])) < len(kept)
    kinds = {
        (False, False): nx.Graph,
        (False, True): nx.MultiGraph,
        (True, False): nx.DiGraph,
        (True, True): nx.MultiDiGraph,
    }
    result = kinds[directed, parallel]()
    result.add_nodes_from(zip(labels, _rows("nodes", graph.nodes, len(labels)), strict=True))
    edges = jax.tree.map(lambda x: x[kept], graph.edges)
    result.add_edges_from(
        (labels[s], labels[r], attrs)
        for s, r, attrs in zip(
            graph.senders[kept],
            graph.receivers[kept],
            _rows("edges", edges, len(kept)),
            strict=True,
        )
    )
    result.graph.update(_rows("globals", graph.globals, 1)[0])
    return result


def _one_of_each_pair(graph: GraphsTuple) -> np.ndarray | None:
    """Ids of the edges with sender <= receiver, or None if the others are not their mirror."""
    s, r = graph.senders, graph.receivers
    up, down = np.flatnonzero(s < r), np.flatnonzero(s > r)
    up, down = up[np.lexsort((r[up], s[up]))], down[np.lexsort((s[down], r[down]))]
    mirrored = (
        np.array_equal(s[up], r[down])
        and np.array_equal(r[up], s[down])
        and all(
            np.array_equal(x[up], x[down], equal_nan=True) for x in jax.tree.leaves(graph.edges)
        )
    )
    return np.flatnonzero(s <= r) if mirrored else None


def _rows(name: str, features: Any, count: int) -> list[dict[str, Any]]:
    """One dict of attributes per row."""
    arrays = named(name, features, "features")
    if not arrays:
        return [{} for _ in range(count)]
    columns = (x.tolist() for x in arrays.values())
    return [dict(zip(arrays, row, strict=True)) for row in zip(*columns, strict=True)]
