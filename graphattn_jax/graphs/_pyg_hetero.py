"""Typed data of PyTorch Geometric, in and out, without importing torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from graphattn_jax import _checks
from graphattn_jax.graphs._features import as_array, as_count, as_ids
from graphattn_jax.graphs._from_types import from_types
from graphattn_jax.graphs._typed import ALWAYS, schema_of
from graphattn_jax.graphs._types import GraphsTuple, num_graphs, to_host

__all__ = ["HeteroGraph", "from_pyg_hetero", "to_pyg_hetero"]


class HeteroGraph(NamedTuple):
    """A typed graph, and what else stood beside its nodes and edges.

    attributes: by type, or by relation, arrays by their names, such as `attributes["paper"]["y"]` and `"train_mask"`;
    what is no array as it was.
    """

    graph: GraphsTuple
    attributes: dict[Any, dict[str, Any]]


def from_pyg_hetero(data: Any) -> HeteroGraph:
    """A typed graph from PyTorch Geometric's `HeteroData`, or from a dict like it.

    `x` are the features of a type, of its own width; a type without has `num_nodes`, or another array with a row per
    node. `edge_index` are the edges of a relation, in their order; `edge_attr` their features. `time` of nodes is when
    they become known, of edges a number that layers know as their time; either is there for all relations or not read.

    Args:
      data: with `node_types` and `edge_types`, and the store of each under `data[type]` and `data[relation]`; or a dict
        of types and of relations (type of the senders, name, type of the receivers), each a dict of arrays, of numpy or
        torch.

    Returns:
      `HeteroGraph`: the graph, and what it does not hold, such as targets and masks. Nothing shares memory with `data`.

    Raises:
      ValueError: a relation without `edge_index` (as with `adj_t`), a type whose nodes nobody counts, a batch, ids out
        of range, rows that do not fit; the message names the type or relation.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> data = {
      ...     "author": {"num_nodes": 2}, "paper": {"x": [[1.0], [2.0]], "y": np.array([0, 1])},
      ...     ("author", "writes", "paper"): {"edge_index": [[0, 1], [0, 1]]}}
      >>> graph, attributes = ga.graphs.from_pyg_hetero(data)
      >>> graph.nodes.counts, attributes["paper"]["y"]
      ((2, 2), array([0, 1]))
    """
    types, relations = _names(data)
    stores = {name: dict(data[name].items()) for name in (*types, *relations)}
    for name, store in stores.items():
        if "ptr" in store:
            raise ValueError(
                f"data is a batch: {name!r} has ptr. "
                "Fix: ga.graphs.batch([from_pyg_hetero(x).graph for x in data.to_data_list()])."
            )
    edges = {relation: _edge_index(relation, stores[relation]) for relation in relations}
    nodes = {name: _nodes(name, stores[name]) for name in types}
    node_time = {name: stores[name].pop("time") for name in types if "time" in stores[name]}
    graph = from_types(
        nodes,
        edges,
        edge_features=_of_all(stores, relations, "edge_attr"),
        edge_time=_of_all(stores, relations, "time"),
        node_time=node_time or None,
    )
    rest = {
        name: {
            key: np.array(as_array(f"{key} of {name!r}", x)) if hasattr(x, "shape") else x
            for key, x in store.items()
        }
        for name, store in stores.items()
        if store
    }
    return HeteroGraph(graph, rest)


def _names(data: Any) -> tuple[list[str], list[Any]]:
    if hasattr(data, "node_types") and hasattr(data, "edge_types"):
        return list(data.node_types), [tuple(relation) for relation in data.edge_types]
    if not isinstance(data, Mapping):
        raise ValueError(
            f"data must be HeteroData or a dict like it, got {_checks.describe(data)}. "
            "Fix: ga.graphs.from_pyg_data for data of one type."
        )
    types = [name for name in data if isinstance(name, str)]
    return types, [name for name in data if isinstance(name, tuple)]


def _edge_index(relation: Any, store: dict[str, Any]) -> np.ndarray:
    """Taken out of the store."""
    if store.get("edge_index") is None:
        fix = (
            " Fix: data before T.ToSparseTensor, which makes adj_t of edges."
            if "adj_t" in store
            else " Fix: an array [2, E], empty for no edges."
        )
        raise ValueError(f"data[{relation}] has no edge_index.{fix}")
    edge_index = as_ids(f"edge_index of {relation}", store.pop("edge_index"))
    _checks.shape(f"edge_index of {relation}", edge_index, (2, "E"))
    return edge_index


def _nodes(name: str, store: dict[str, Any]) -> Any:
    """Features, or the number of nodes, taken out of the store."""
    count, x = store.pop("num_nodes", None), store.pop("x", None)
    if x is not None:
        return np.array(as_array(f"x of {name!r}", x))
    if count is not None:
        return as_count(f"num_nodes of {name!r}", count)
    lengths = [len(x) for x in store.values() if np.ndim(x)]
    if not lengths:
        raise ValueError(
            f"data[{name!r}] has neither x nor num_nodes. Fix: data[{name!r}].num_nodes = how many there are."
        )
    return lengths[0]


def _of_all(stores: dict[Any, Any], relations: list[Any], key: str) -> dict[Any, Any] | None:
    """What every relation has, taken out of the stores; a number per edge is a feature of width 1."""
    if not relations or not all(key in stores[relation] for relation in relations):
        return None
    found = {r: as_array(f"{key} of {r}", stores[r].pop(key)) for r in relations}
    if key == "time":
        return found
    return {r: x[:, None] if x.ndim == 1 else x for r, x in found.items()}


def to_pyg_hetero(
    graph: GraphsTuple, attributes: Mapping[Any, Mapping[str, Any]] | None = None
) -> dict[Any, dict[str, Any]]:
    """What PyTorch Geometric's `HeteroData` is made of, as dicts of numpy arrays; the inverse of `from_pyg_hetero`.

    With torch at hand, `HeteroData({name: {k: torch.as_tensor(v) for k, v in store.items()} ...})` makes the object.

    Args:
      graph: one typed graph without padding.
      attributes: more arrays by type or relation, such as `HeteroGraph.attributes`.

    Returns:
      By type `x` with its own width where it has features, `num_nodes`, and `time` and `categories` where it has these;
      by relation `edge_index` `[2, E_r]` int64 counted within the types, and `edge_attr` and `time` if there are any.

    Raises:
      ValueError: a graph without types, a batch, a padded one, an unknown type or relation.

    Example:
      >>> import graphattn_jax as ga
      >>> graph = ga.graphs.from_types({"page": 3}, {("page", "links", "page"): ([0, 2], [1, 1])})
      >>> ga.graphs.to_pyg_hetero(graph)["page", "links", "page"]["edge_index"].tolist()
      [[0, 2], [1, 1]]
    """
    schema = schema_of(graph)
    graph = to_host(graph, "to_pyg_hetero", allow_sparse=False)
    if num_graphs(graph) != 1:
        raise ValueError(
            f"to_pyg_hetero takes one graph, got a batch of {num_graphs(graph)}. Fix: unbatch it."
        )
    nodes, edges, data = graph.nodes, graph.edges, {}
    number = np.empty(len(nodes.type), np.int64)
    sizes = nodes.vocabularies or ((),) * len(schema.types)
    for i, (name, width) in enumerate(zip(schema.types, nodes.widths, strict=True)):
        rows = np.flatnonzero(nodes.type == i)
        number[rows] = np.arange(len(rows))
        data[name] = {"num_nodes": len(rows)}
        if width:
            data[name]["x"] = nodes.features[rows, :width]
        if sizes[i]:
            data[name]["categories"] = nodes.categories[rows, : len(sizes[i])]
        if nodes.time is not None and (nodes.time[rows] != ALWAYS).any():
            data[name]["time"] = nodes.time[rows]
    for i, relation in enumerate(schema.relations):
        rows = np.flatnonzero(edges.relation == i)
        ends = number[np.stack([graph.senders[rows], graph.receivers[rows]])]
        data[relation] = {"edge_index": ends}
        for key, x in (("edge_attr", edges.features), ("time", edges.time)):
            if x is not None:
                data[relation][key] = x[rows]
    for name, arrays in (attributes or {}).items():
        _checks.choice("a name of attributes", name, data)
        data[name].update(arrays)
    return data
