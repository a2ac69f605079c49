"""The graph data type, the mark of a padded graph, and sizes known without tracing."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np
from jax.core import Tracer

from graphattn_jax import _checks
from graphattn_jax.ops._sparse_features import is_sparse


class GraphsTuple(NamedTuple):
    """One graph or a batch of graphs with edges as two id vectors.

    This is `jraph.GraphsTuple` where jraph is installed, and a type with the same fields otherwise.
    Features are pytrees of arrays or None; node ids count over the whole batch. Construct it by
    keyword: receivers come before senders.
    """

    nodes: Any
    edges: Any
    receivers: Any
    senders: Any
    globals: Any
    n_node: Any
    n_edge: Any


if not TYPE_CHECKING:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # jraph is frozen; what it warns of is not for users
            from jraph import GraphsTuple
    except ImportError:
        pass


class PaddedGraphsTuple(GraphsTuple):
    """A `GraphsTuple` that knows that its last part is padding; made by `pad`.

    Real graphs come first, then one graph that owns all padding nodes and edges, then graphs of
    size zero. The type is part of the pytree structure, so it survives `jax.jit`, `jax.tree.map`
    and `_replace`. A graph padded by jraph becomes one with `PaddedGraphsTuple(*graph)`.
    """

    __slots__ = ()


def is_padded(graph: GraphsTuple, padded: bool | None) -> bool:
    """What the caller said, or else what the type says."""
    return isinstance(graph, PaddedGraphsTuple) if padded is None else padded


def num_graphs(graph: GraphsTuple) -> int:
    """Number of graphs in the batch, padding included, as a Python int.

    Args:
      graph: any `GraphsTuple`; also inside `jax.jit`.

    Returns:
      The length of `n_node`.

    Example:
      >>> import graphattn_jax as ga
      >>> ga.graphs.num_graphs(ga.graphs.from_edge_list([0, 1], [1, 0]))
      1
    """
    return graph.n_node.shape[0]


def num_edges(graph: GraphsTuple) -> int:
    """Number of edges over the batch, padding included, as a Python int.

    Args:
      graph: any `GraphsTuple`; also inside `jax.jit`.

    Returns:
      The length of `senders`.

    Example:
      >>> import graphattn_jax as ga
      >>> ga.graphs.num_edges(ga.graphs.from_edge_list([0, 1], [1, 0]))
      2
    """
    return graph.senders.shape[0]


def num_nodes(graph: GraphsTuple) -> int:
    """Number of nodes over the batch, padding included, as a Python int.

    Args:
      graph: any `GraphsTuple`. Inside `jax.jit` it needs node features: their shape is static,
        the values of `n_node` are not.

    Returns:
      Rows of the first node feature, or the sum of `n_node` without node features.

    Raises:
      ValueError: traced, and without node features.

    Example:
      >>> import graphattn_jax as ga
      >>> ga.graphs.num_nodes(ga.graphs.from_edge_list([0, 1], [1, 2], num_nodes=5))
      5
    """
    leaves = jax.tree.leaves(graph.nodes, is_leaf=is_sparse)
    if leaves:
        return leaves[0].shape[0]
    if isinstance(graph.n_node, Tracer):
        raise ValueError(
            "graph has no node features, so its number of nodes is not static under tracing. "
            "Fix: give it nodes, or compute what you need on the host, before jax.jit."
        )
    return int(np.sum(graph.n_node))


def to_host(
    graph: GraphsTuple, function: str, *, allow_padded: bool = False, allow_sparse: bool = True
) -> GraphsTuple:
    """The graph with numpy leaves and int32 ids, or an error in the name of `function`.

    A function that picks or copies rows of nodes does not allow sparse features.
    """
    if getattr(graph, "_fields", None) != GraphsTuple._fields:
        raise ValueError(
            f"{function}: graph must be a GraphsTuple, got {type(graph).__name__}. "
            "Fix: build one with graphs.from_edge_list."
        )
    if not allow_padded and isinstance(graph, PaddedGraphsTuple):
        raise ValueError(
            f"{function} got a padded graph. Fix: apply {function} before pad, or to unpad(graph)."
        )
    if not allow_sparse and any(map(is_sparse, jax.tree.leaves(graph.nodes, is_leaf=is_sparse))):
        raise ValueError(
            f"{function} does not take SparseFeatures. "
            "Fix: graph._replace(nodes=graph.nodes.to_dense()), or make them sparse after it."
        )
    if any(isinstance(x, Tracer) for x in jax.tree.leaves(graph)):
        raise ValueError(
            f"{function} runs on the host and got a traced graph. Fix: call it before jax.jit."
        )
    graph = jax.tree.map(np.asarray, graph)
    for name in ("senders", "receivers", "n_node", "n_edge"):
        _checks.ids(name, getattr(graph, name))
    return graph._replace(
        senders=graph.senders.astype(np.int32, copy=False),
        receivers=graph.receivers.astype(np.int32, copy=False),
        n_node=graph.n_node.astype(np.int32, copy=False),
        n_edge=graph.n_edge.astype(np.int32, copy=False),
    )
