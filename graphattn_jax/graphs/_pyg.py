"""Data objects of PyTorch Geometric, in and out, without importing torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphattn_jax import _checks
from graphattn_jax.graphs._batch import batch
from graphattn_jax.graphs._features import as_array, as_count, as_ids, by_names, largest, named
from graphattn_jax.graphs._masks import node_graph_ids
from graphattn_jax.graphs._types import GraphsTuple, num_nodes, to_host
from graphattn_jax.graphs._validate import validate

_OPTIONAL = ("x", "edge_attr", "y")  # PyG itself answers None for these when they are not set


def from_pyg_data(
    data: Any,
    *,
    node_attrs: str | Sequence[str] = "x",
    edge_attrs: str | Sequence[str] | None = None,
    graph_attrs: str | Sequence[str] = "y",
) -> GraphsTuple:
    """A graph or batch from PyTorch Geometric: a `Data` or `Batch`, a dict with its names, a list or data set of these.

    `edge_index[0]` are the senders and `edge_index[1]` the receivers (PyG's default flow). Edges
    are kept exactly as given: order, duplicates, self-loops and direction; PyG stores undirected
    graphs with both directions already. A batch is recognised by its `ptr`, or by its `batch`; a list or a data set
    is a batch of its items. A relation of typed data between nodes of one kind is the graph of these nodes.
    `ga.chem.from_pyg_columns` turns the columns of PyG's `from_smiles` into those of `ga.chem`.

    Args:
      data: an object or dict with `edge_index` `[2, E]` and, as wanted, `x`, `edge_attr`, `y`,
        `num_nodes`, `ptr` or `batch`; arrays or torch tensors. Or a list of such, or a PyG data set.
      node_attrs, edge_attrs, graph_attrs: attributes that become `nodes`, `edges` and `globals`:
        one name gives its array, several a dict by name, `()` none. An absent `x`, `edge_attr` or
        `y` is None. Targets of nodes go with the nodes: `node_attrs=("x", "y"), graph_attrs=()`.
        `edge_attrs=None` is `"edge_attr"`, or `"edge_weight"` where only this one is there.

    Returns:
      A `GraphsTuple` with numpy leaves: features in their dtype, ids int32. It shares no memory with `data`.

    Raises:
      ValueError: no `edge_index` (as in heterogeneous data, or with `adj_t`), a relation between two kinds of nodes,
        collated data without its slices, an attribute that does not exist or is sparse, both `edge_attr` and
        `edge_weight` without a choice, ids out of range, `ptr` or `batch` that do not ascend, or features with a
        wrong number of rows.

    Example:
      >>> import graphattn_jax as ga
      >>> data = {"x": [[1.0], [2.0]], "edge_index": [[0, 1], [1, 0]], "y": [1]}
      >>> graph = ga.graphs.from_pyg_data(data)
      >>> graph.nodes.shape, graph.globals
      ((2, 1), array([1], dtype=int32))
    """
    if type(data) in (list, tuple) or isinstance(getattr(data, "slices", None), Mapping):
        options = {"node_attrs": node_attrs, "edge_attrs": edge_attrs, "graph_attrs": graph_attrs}
        return batch([from_pyg_data(data[i], **options) for i in range(len(data))])

    nodes = _nodes_of_relation(data)

    def get(name: str) -> Any:
        value = _look_up(data, name)
        return _look_up(nodes, name) if value is None else value

    def read(name: str) -> np.ndarray | None:
        value = get(name)
        if value is None:
            if name in _OPTIONAL:
                return None
            raise ValueError(f"data has no attribute {name!r}.")
        return np.array(as_array(name, value))

    def read_target(name: str) -> np.ndarray | None:
        """PyG keeps the one number of one graph without an axis too."""
        x = read(name)
        if x is None:
            return None
        x = x[None] if x.ndim == 0 and len(n_node) == 1 else x
        if x.ndim and len(x) != len(n_node):
            raise ValueError(_target_advice(name, x, n_node, senders))
        return x

    if get("edge_index") is None:
        raise ValueError(f"data has no edge_index. Fix: {_edges_advice(get)}")
    edge_index = as_ids("edge_index", get("edge_index"))
    _checks.shape("edge_index", edge_index, (2, "E"))
    _refuse_relations(get)
    if edge_attrs is None:
        edge_attrs = _edge_attribute(get)
    ptr = _starts(get, edge_index)
    for row, name in enumerate(("senders", "receivers")):
        _checks.ids_in_range(f"{name}, edge_index[{row}],", edge_index[row], int(ptr[-1]))
    senders, receivers = edge_index.astype(np.int32)
    n_node = np.diff(ptr).astype(np.int32)
    owner = np.repeat(np.arange(len(n_node)), n_node)[receivers]
    return validate(
        GraphsTuple(
            nodes=by_names(node_attrs, read),
            edges=by_names(edge_attrs, read),
            senders=senders,
            receivers=receivers,
            globals=by_names(graph_attrs, read_target),
            n_node=n_node,
            n_edge=np.bincount(owner, minlength=len(n_node)).astype(np.int32),
        )
    )


def _look_up(data: Any, name: str) -> Any:
    """An entry or an attribute; the parts of typed data have both."""
    value = data.get(name) if isinstance(data, Mapping) else None
    return getattr(data, name, None) if value is None and not isinstance(data, dict) else value


def _nodes_of_relation(data: Any) -> Any:
    """The nodes that a relation of typed data receives at, which stand beside it; None for any other data."""
    parent, relation = getattr(data, "_parent", None), getattr(data, "_key", None)
    if not callable(parent) or not isinstance(relation, tuple):
        return None
    typed: Any = parent()  # held weakly
    if typed is None:
        raise ValueError(
            "data is a relation of typed data that is gone, with its nodes. Fix: keep the HeteroData in a variable."
        )
    return typed[relation[-1]]


def _edges_advice(get: Any) -> str:
    if get("adj_t") is not None:
        return (
            "convert before T.ToSparseTensor, or set data.edge_index = "
            "torch_geometric.utils.to_edge_index(data.adj_t)[0].flip(0)."
        )
    if get("node_types") is not None:
        return (
            "ga.graphs.from_pyg_hetero(data) keeps the types; data.to_homogeneous() is one graph without; a relation "
            "is ga.graphs.bipartite(*data[relation].edge_index, sender_nodes=..., receiver_nodes=...)."
        )
    return "an array [2, E] of senders and receivers, empty for a graph without edges."


def _target_advice(name: str, x: np.ndarray, n_node: np.ndarray, senders: np.ndarray) -> str:
    """What to do with rows that are not those of graphs."""
    meant = {
        int(n_node.sum()): ("node", f'node_attrs=("x", "{name}"), graph_attrs=()'),
        len(senders): ("edge", f'edge_attrs=("edge_attr", "{name}"), graph_attrs=()'),
    }
    fixes = [f"{fix} if it is of {kind}s" for rows, (kind, fix) in meant.items() if rows == len(x)]
    if len(n_node) == 1:
        fixes.append(f"{name}[None] for several targets of one graph")
        fixes.append("the data set itself in place of its collated data")
    graphs = "graph" if len(n_node) == 1 else "graphs"
    fix = "; or ".join(fixes) or "a row per graph"
    return (
        f"{name} must have {len(n_node)} rows for {len(n_node)} {graphs}, got {len(x)}. Fix: {fix}."
    )


def _refuse_relations(get: Any) -> None:
    """Ids of a relation count two sets of nodes, which one graph does not have."""
    x, is_bipartite = get("x"), get("is_bipartite")
    is_pair = isinstance(x, tuple) and any(part is None or hasattr(part, "__array__") for part in x)
    is_named = (
        x is None and get("x_s") is not None and get("x_t") is not None
    )  # as PyG's guide names them
    if is_pair or is_named or (callable(is_bipartite) and is_bipartite()):
        raise ValueError(
            "data is a relation between two sets of nodes. Fix: "
            "ga.graphs.bipartite(*edge_index, sender_nodes=..., receiver_nodes=...)."
        )


def _edge_attribute(get: Any) -> str:
    """The one that becomes `edges`."""
    there = [name for name in ("edge_attr", "edge_weight") if get(name) is not None]
    if len(there) > 1:
        raise ValueError(
            'data has edge_attr and edge_weight. Fix: say which: edge_attrs="edge_attr", or '
            'edge_attrs=("edge_attr", "edge_weight") for a dict of both.'
        )
    return there[0] if there else "edge_attr"


def _starts(get: Any, edge_index: np.ndarray) -> np.ndarray:
    """`[G + 1]`: the first node of each graph, and the number of nodes."""
    if get("ptr") is not None:
        ptr = as_ids("ptr", get("ptr"))
        _checks.shape("ptr", ptr, ("G + 1",))
        if len(ptr) == 0 or ptr[0] != 0 or (ptr[1:] < ptr[:-1]).any():
            raise ValueError(f"ptr must ascend from 0 to the number of nodes, got {ptr}.")
        as_count("ptr", ptr[-1])
        return ptr.astype(np.int64)
    if get("batch") is None:
        if isinstance(get("_num_nodes"), list):
            raise ValueError(
                "data is collated from several graphs, whose ids all begin at 0. Fix: the data set itself."
            )
        return np.array([0, _count_nodes(get, edge_index)])
    graph_ids = as_ids("batch", get("batch"))
    _checks.shape("batch", graph_ids, ("N",))
    if (graph_ids < 0).any() or (graph_ids[1:] < graph_ids[:-1]).any():
        raise ValueError(
            "batch must ascend from 0: the nodes of a graph stand together. Fix: sort the nodes by it."
        )
    known = get("num_graphs")
    num_graphs = 1 + largest(graph_ids) if known is None else as_count("num_graphs", known)
    _checks.ids_in_range("batch", graph_ids, num_graphs, "graphs")
    return np.append(0, np.cumsum(np.bincount(graph_ids, minlength=num_graphs)))


def _count_nodes(get: Any, edge_index: np.ndarray) -> int:
    if get("num_nodes") is not None:
        return as_count("num_nodes", get("num_nodes"))
    if get("x") is not None:
        return len(get("x"))
    return 1 + largest(edge_index)


def to_pyg_data(graph: GraphsTuple) -> dict[str, Any]:
    """The attributes of a PyTorch Geometric `Data`, as a dict of numpy arrays.

    With torch at hand, `Data(**{k: torch.as_tensor(v) for k, v in d.items()})` makes the object.
    Edges keep their order. The inverse of `from_pyg_data`.

    Args:
      graph: a graph or batch without padding. Its `nodes`, `edges` and `globals` are None, one
        array (named `x`, `edge_attr`, `y`), or a flat dict of arrays (under its own names).

    Returns:
      A dict with `edge_index` `[2, E]` int64, `num_nodes`, the features, and for a batch of
      several graphs `batch` `[N]` and `ptr` `[G + 1]`, both int64. The features are copies.

    Raises:
      ValueError: nested features, a name that occurs twice, or a padded or bipartite graph.

    Example:
      >>> import graphattn_jax as ga
      >>> sorted(ga.graphs.to_pyg_data(ga.graphs.from_edge_list([0], [1], nodes=[[1.0], [2.0]])))
      ['edge_index', 'num_nodes', 'x']
    """
    graph = to_host(graph, "to_pyg_data", allow_sparse=False)
    data: dict[str, Any] = {
        "edge_index": np.stack([graph.senders, graph.receivers]).astype(np.int64),
        "num_nodes": num_nodes(graph),
    }
    if graph.n_node.shape[0] != 1:
        data["batch"] = node_graph_ids(graph).astype(np.int64)
        data["ptr"] = np.concatenate([[0], np.cumsum(graph.n_node, dtype=np.int64)])
    for field, default in (("nodes", "x"), ("edges", "edge_attr"), ("globals", "y")):
        for name, x in named(field, getattr(graph, field), default).items():
            if name in data:
                raise ValueError(f"{field}[{name!r}] clashes with another {name!r}: rename it.")
            data[name] = np.array(x)
    return data
