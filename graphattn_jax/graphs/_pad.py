"""Batches of static size: padding and its inverse."""

from __future__ import annotations

from typing import NamedTuple

import jax
import numpy as np

from graphattn_jax.graphs._budget import Budget, check_budget, size
from graphattn_jax.graphs._masks import edge_mask, graph_mask, node_mask
from graphattn_jax.graphs._prepare import with_layout
from graphattn_jax.graphs._types import (
    GraphsTuple,
    PaddedGraphsTuple,
    PreparedGraph,
    is_padded,
    prepared,
    to_host,
)
from graphattn_jax.graphs._validate import check_graph
from graphattn_jax.ops import SparseFeatures, is_sparse


def pad(graph: GraphsTuple, budget: Budget, *, block_size: int | None = None) -> PreparedGraph:
    """Fill a graph or batch up to static sizes, so that batches of one budget share a compilation.

    Real rows stay as they are, in their order. Behind them stands one graph that owns all padding
    nodes and edges, then graphs of size zero. Padding features are zeros. Padding edges are
    self-loops of padding nodes, sorted by receiver and spread evenly: all of them on one node
    would be the worst case for a scatter.

    Args:
      graph: a graph or batch without padding; it may have no graphs at all, for an empty batch.
      budget: the sizes to reach, from `estimate_budget` or `Budget.for_graph`. At least one node
        and one graph of it are padding.
      block_size: as `prepare`.

    Returns:
      A `PreparedGraph` with numpy leaves, whose masks jraph reads too.

    Raises:
      ValueError: the graph exceeds the budget (the message says by how much, and which budget
        fits) or `block_size`, is padded already, bipartite or traced, or what `validate` refuses.

    Padding: `unpad(pad(graph, budget))` is `graph`.

    Example:
      >>> import graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 0])
      >>> padded = ga.graphs.pad(graph, ga.graphs.Budget(n_node=4, n_edge=5, n_graph=2))
      >>> padded.receivers, padded.n_node
      (array([1, 0, 2, 2, 3], dtype=int32), array([2, 2], dtype=int32))
    """
    check_budget("budget", budget)
    graph = to_host(graph, "pad")
    check_graph(graph, padded=False)
    n_node, n_edge, n_graph = size(graph)
    if not budget.fits(n_node, n_edge, n_graph):
        raise ValueError(does_not_fit("graph", (n_node, n_edge, n_graph), budget))
    new_nodes, new_edges = budget.n_node - n_node, budget.n_edge - n_edge
    new_graphs = budget.n_graph - n_graph
    spread = n_node + np.arange(new_edges) * new_nodes // max(new_edges, 1)
    padded = PaddedGraphsTuple(
        nodes=_append_zeros(graph.nodes, new_nodes),
        edges=_append_zeros(graph.edges, new_edges),
        senders=np.concatenate([graph.senders, spread.astype(np.int32)]),
        receivers=np.concatenate([graph.receivers, spread.astype(np.int32)]),
        globals=_append_zeros(graph.globals, new_graphs),
        n_node=_append_graphs(graph.n_node, new_nodes, new_graphs),
        n_edge=_append_graphs(graph.n_edge, new_edges, new_graphs),
    )
    masks = (np.asarray(mask(padded)) for mask in (node_mask, edge_mask, graph_mask))
    return with_layout(padded, *masks, padded=True, block_size=block_size)


def _append_zeros(features, rows: int):
    def append(x):
        if isinstance(x, SparseFeatures):
            return x.with_rows(x.shape[0] + rows)
        return np.concatenate([x, np.zeros((rows, *x.shape[1:]), x.dtype)])

    return jax.tree.map(append, features, is_leaf=is_sparse)


def _first_rows(features, rows: int):
    def first(x):
        return x.with_rows(rows) if isinstance(x, SparseFeatures) else x[:rows]

    return jax.tree.map(first, features, is_leaf=is_sparse)


def _append_graphs(sizes: np.ndarray, first: int, count: int) -> np.ndarray:
    return np.concatenate([sizes, np.array([first] + [0] * (count - 1), np.int32)])


def does_not_fit(what: str, sizes: tuple[int, int, int], budget: Budget) -> str:
    """The message for sizes beyond a budget: by how much, and what would fit."""
    n_node, n_edge, n_graph = sizes
    lacks = [
        f"{over} {kind} too many ({got}, room for {room})"
        for kind, got, room in (
            ("nodes", n_node, budget.n_node - 1),
            ("edges", n_edge, budget.n_edge),
            ("graphs", n_graph, budget.n_graph - 1),
        )
        if (over := got - room) > 0
    ]
    wanted = Budget(
        n_node=max(budget.n_node, n_node + 1),
        n_edge=max(budget.n_edge, n_edge),
        n_graph=max(budget.n_graph, n_graph + 1),
    )
    return (
        f"{what} does not fit the budget: {', '.join(lacks)}; one node and one graph stay padding. "
        f"Fix: {wanted} would fit."
    )


def unpad(graph: GraphsTuple) -> GraphsTuple:
    """Drop the padding nodes, edges and graphs; the inverse of `pad`.

    Args:
      graph: a graph or batch on the host; its features may be results of a model.

    Returns:
      A `GraphsTuple` with numpy leaves (views of the padded ones). An unpadded graph comes back
      with its own type and values, and with its layout where it has one.

    Raises:
      ValueError: bipartite or traced.

    Example:
      >>> import graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 0])
      >>> padded = ga.graphs.pad(graph, ga.graphs.Budget(n_node=4, n_edge=5, n_graph=3))
      >>> ga.graphs.unpad(padded).n_node
      array([2], dtype=int32)
    """
    host = to_host(graph, "unpad", allow_padded=True)
    if not is_padded(graph):
        if isinstance(graph, PreparedGraph):
            return prepared(host, jax.tree.map(np.asarray, graph.layout))
        return host
    graph = host
    n_graph = int(graph_mask(graph).sum())
    n_node, n_edge = int(graph.n_node[:n_graph].sum()), int(graph.n_edge[:n_graph].sum())
    return GraphsTuple(
        nodes=_first_rows(graph.nodes, n_node),
        edges=_first_rows(graph.edges, n_edge),
        senders=graph.senders[:n_edge],
        receivers=graph.receivers[:n_edge],
        globals=_first_rows(graph.globals, n_graph),
        n_node=graph.n_node[:n_graph],
        n_edge=graph.n_edge[:n_graph],
    )


class FillRatio(NamedTuple):
    """Shares of the rows that are real, each in [0, 1]; 1 where there are no rows."""

    nodes: float
    edges: float
    graphs: float


def fill_ratio(graph: GraphsTuple) -> FillRatio:
    """How much of a padded batch is real: what the budget costs.

    Args:
      graph: a batch on the host.

    Returns:
      A `FillRatio` of floats; all 1.0 for a batch without padding.

    Example:
      >>> import graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 0])
      >>> ga.graphs.fill_ratio(ga.graphs.pad(graph, ga.graphs.Budget(4, 8, 2)))
      FillRatio(nodes=0.5, edges=0.25, graphs=0.5)
    """
    real, total = size(unpad(graph)), size(graph)
    return FillRatio(*(r / t if t else 1.0 for r, t in zip(real, total, strict=True)))
