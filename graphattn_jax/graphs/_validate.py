"""Everything that must hold of a graph, checked on the host before it meets jit."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from graphattn_jax import _checks
from graphattn_jax.graphs._masks import edge_graph_ids, edge_mask, node_graph_ids, node_mask
from graphattn_jax.graphs._typed import TypedNodes, check_types
from graphattn_jax.graphs._types import (
    GraphsTuple,
    PreparedGraph,
    checked_layout,
    is_bipartite,
    is_padded,
    num_rows,
    receivers_of,
    to_host,
)
from graphattn_jax.ops import is_sparse


def validate(graph: GraphsTuple, *, check_finite: bool = False) -> GraphsTuple:
    """Check a graph or batch and return it unchanged, so that the call can be chained.

    Under `jax.jit` an id out of range is clamped or dropped silently, and an edge that crosses to
    another graph of the batch mixes two examples; call this once on data you did not build here.

    Args:
      graph: any `GraphsTuple`, on the host. Of a padded one the padding is checked too, of a prepared one the sizes of
        its layout. The nodes of a bipartite one are counted by `n_node` on the side of the receivers.
      check_finite: also refuse NaN and infinity in the features.

    Returns:
      `graph` itself.

    Raises:
      ValueError: ids that are not integers, out of range or outside their own graph; `n_node` or
        `n_edge` that do not add up; features with a wrong number of rows; with `check_finite`, the
        leaf and the first row that is not finite; a padded graph without its padding graph, a layout of another graph;
        in a typed graph an edge between other types than those of its relation.

    Cost: O(N + E) numpy; with `check_finite` also one pass over the features.

    Example:
      >>> import graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 2])
      >>> ga.graphs.validate(graph) is graph
      True
      >>> ga.graphs.validate(graph._replace(senders=graph.senders + 2))
      Traceback (most recent call last):
      ValueError: senders must lie in [0, 3) for 3 nodes, got 3 at position 1.
    """
    host = to_host(graph, "validate", allow_padded=True, allow_bipartite=True)
    check_graph(host, padded=is_padded(graph))
    if isinstance(graph.nodes, TypedNodes):
        check_types(host, np.asarray(node_mask(host)), np.asarray(edge_mask(host)))
    if isinstance(graph, PreparedGraph):
        checked_layout(graph)
    if check_finite:
        for name in ("nodes", "edges", "globals"):
            _check_finite(name, getattr(host, name))
    return graph


def check_graph(graph: GraphsTuple, *, padded: bool) -> None:
    """The same for a graph from `to_host`."""
    _check_sizes(graph)
    check_features(graph)
    _check_endpoints(graph)
    if padded and not graph.n_node.any():
        raise ValueError("a PaddedGraphsTuple needs a padding node. Fix: make it with graphs.pad.")


def check_features(graph: GraphsTuple) -> None:
    """A row of each feature for each node, edge and graph."""
    _check_rows("nodes", receivers_of(graph.nodes), int(graph.n_node.sum()), "the sum of n_node")
    _check_rows("edges", graph.edges, int(graph.n_edge.sum()), "the sum of n_edge")
    _check_rows("globals", graph.globals, graph.n_node.shape[0], "the number of graphs")
    if is_bipartite(graph):
        senders = graph.nodes.senders
        _check_rows("nodes.senders", senders, num_rows("nodes.senders", senders), "as its first")


def _check_sizes(graph: GraphsTuple) -> None:
    _checks.ids("n_edge", graph.n_edge, graph.n_node.shape[0])
    for name in ("n_node", "n_edge"):
        sizes = getattr(graph, name)
        if (sizes < 0).any():
            bad = int(np.flatnonzero(sizes < 0)[0])
            raise ValueError(f"{name} must not be negative, got {sizes[bad]} for graph {bad}.")
    total = int(graph.n_edge.sum())
    for name in ("senders", "receivers"):
        if (rows := getattr(graph, name).shape[0]) != total:
            raise ValueError(f"{name} has {rows} ids, but n_edge adds up to {total} edges.")


def _check_rows(name: str, features: Any, rows: int, meaning: str) -> None:
    for path, x in jax.tree_util.tree_leaves_with_path(features, is_leaf=is_sparse):
        leaf = name + jax.tree_util.keystr(path)
        if x.ndim == 0 or x.shape[0] != rows:
            raise ValueError(
                f"{leaf} must have {rows} rows, {meaning}, got shape {tuple(x.shape)}."
                + (" Fix: add a leading axis, x[None]." if name == "globals" else "")
            )


def _check_endpoints(graph: GraphsTuple) -> None:
    num_nodes = int(graph.n_node.sum())
    of_node, of_edge = node_graph_ids(graph), edge_graph_ids(graph)
    ends = {"senders": graph.senders, "receivers": graph.receivers}
    if is_bipartite(graph):  # the senders belong to no graph
        num_senders = num_rows("nodes.senders", graph.nodes.senders)
        _checks.ids_in_range("senders", ends.pop("senders"), num_senders)
    for name, ids in ends.items():
        _checks.ids_in_range(name, ids, num_nodes)
        if (crossing := of_node[ids] != of_edge).any():
            bad = int(np.flatnonzero(crossing)[0])
            raise ValueError(
                f"{name}: edge {bad} belongs to graph {of_edge[bad]}, but node {ids[bad]} belongs "
                f"to graph {of_node[ids[bad]]}. Fix: ids count over the whole batch (graphs.batch "
                "adds the offsets), and each graph's edges stand together."
            )


def _check_finite(name: str, features: Any) -> None:
    for path, x in jax.tree_util.tree_leaves_with_path(features):
        if jnp.issubdtype(x.dtype, jnp.inexact) and not (finite := np.isfinite(x)).all():
            row = int(np.flatnonzero(~finite.reshape(x.shape[0], -1).all(axis=1))[0])
            raise ValueError(f"{name}{jax.tree_util.keystr(path)} is not finite in row {row}.")
