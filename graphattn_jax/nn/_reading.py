"""What a layer reads from a graph, and what it puts back."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax.graphs import NodePair, TypedEdges, TypedNodes, edge_mask, is_padded, node_mask
from graphattn_jax.nn._layer import EdgeInputs
from graphattn_jax.ops import SparseFeatures, is_sparse
from graphattn_jax.typing import Array, ArrayLike

__all__ = [
    "read_edges",
    "read_ends",
    "read_nodes",
    "real_edges",
    "real_nodes",
    "widths_of_ends",
    "with_edges",
    "with_nodes",
]


def read_nodes(graph: Any, width: int, *, allow_sparse: bool = False) -> Any:
    """The features of the nodes that a layer works on: checked, and 0 in padding.

    Those of a typed graph are its `nodes.features`.

    Args:
      graph: any `GraphsTuple`; also inside `jax.jit`.
      width: D, of the parameters.
      allow_sparse: whether the layer multiplies them first, and so takes `SparseFeatures` too.

    Returns:
      `[N, D]`.

    Raises:
      ValueError: nodes that are no floating-point array of this width, or those of a bipartite graph.

    Cost: one select where the graph is padded, none elsewhere.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0], [1], nodes=np.ones((2, 1), np.float32))
      >>> ga.nn.read_nodes(graph, 1).shape
      (2, 1)
      >>> ga.nn.read_nodes(graph, 3)
      Traceback (most recent call last):
      ValueError: graph.nodes must be an array of shape [N, 3] for these parameters, got float32 array of shape (2, 1).
    """
    if isinstance(graph.nodes, NodePair):
        raise ValueError(
            "this layer works on one set of nodes, got a bipartite graph (a NodePair)."
        )
    name, nodes = "graph.nodes", graph.nodes
    if isinstance(nodes, TypedNodes):
        name, nodes = "graph.nodes.features", nodes.features
    return real_nodes(graph, _node_features(name, nodes, width, allow_sparse))


def read_ends(
    graph: Any, senders: int, receivers: int, *, allow_sparse: bool = False
) -> tuple[Any, Any]:
    """The features of both ends of the edges, checked: those of a `NodePair`, or of one set of nodes twice.

    Args:
      graph: any `GraphsTuple`; also inside `jax.jit`.
      senders, receivers: their widths, of the parameters; see `widths_of_ends`.
      allow_sparse: whether the layer multiplies them first, and so takes `SparseFeatures` too.

    Returns:
      `[N_s, D_s]` and `[N_r, D_r]`, 0 in padding.

    Raises:
      ValueError: nodes that are no floating-point arrays of these widths.

    Cost: one select where the graph is padded, none elsewhere.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0], [1], nodes=np.ones((2, 1), np.float32))
      >>> senders, receivers = ga.nn.read_ends(graph, 1, 1)
      >>> senders is receivers
      True
    """
    if isinstance(graph.nodes, NodePair):
        return (
            _node_features("graph.nodes.senders", graph.nodes.senders, senders, allow_sparse),
            _node_features("graph.nodes.receivers", graph.nodes.receivers, receivers, allow_sparse),
        )
    nodes = read_nodes(graph, senders, allow_sparse=allow_sparse)
    if receivers == senders:
        return nodes, nodes
    return nodes, read_nodes(graph, receivers, allow_sparse=allow_sparse)


def read_edges(graph: Any, width: int) -> Array:
    """The features of the edges that a layer works on: checked, and 0 in padding.

    Where the edges hold more (`EdgeInputs`, typed edges) they are its `features`.

    Args:
      graph: any `GraphsTuple`; also inside `jax.jit`.
      width: D_e, of the parameters.

    Returns:
      `[E, D_e]`.

    Raises:
      ValueError: edges that are no floating-point array of this width.

    Cost: one select where the graph is padded, none elsewhere.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0], [1], edges=np.ones((1, 2), np.float32))
      >>> ga.nn.read_edges(graph, 2).tolist()
      [[1.0, 1.0]]
    """
    edges: Any = graph.edges
    if isinstance(edges, EdgeInputs | TypedEdges):
        edges = edges.features
    if not hasattr(edges, "shape") or len(edges.shape) != 2 or edges.shape[1] != width:
        raise ValueError(
            f"graph.edges must be an array of shape [E, {width}] for these parameters (made with "
            f"edge_features={width}), got {_checks.describe(edges)}."
        )
    _checks.floating("graph.edges", edges)
    return real_edges(graph, jnp.asarray(edges))


def real_nodes(graph: Any, rows: Any) -> Any:
    """Rows of the nodes with 0 in padding, for a layer of your own: it may hold what is not finite.

    A product with padding rows has a cotangent of 0 there, and 0 times NaN is NaN: the gradient of its weight.

    Args:
      graph: any `GraphsTuple`; also inside `jax.jit`.
      rows: `[N, ...]`, an array or `SparseFeatures`.

    Returns:
      The rows; those of padding 0.

    Cost: one select where the graph is padded, none elsewhere.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0], [1], nodes=np.ones((2, 1), np.float32))
      >>> padded = ga.graphs.pad(graph, ga.graphs.Budget(3, 1, 2))
      >>> ga.nn.real_nodes(padded, padded.nodes + 1).ravel().tolist()
      [2.0, 2.0, 0.0]
    """
    return _real_or_zero(rows, node_mask(graph)) if is_padded(graph) else rows


def real_edges(graph: Any, rows: Any) -> Any:
    """The same as `real_nodes` for rows of the edges.

    Args:
      graph: any `GraphsTuple`; also inside `jax.jit`.
      rows: `[E, ...]`.

    Returns:
      The rows; those of padding 0.

    Cost: one select where the graph is padded, none elsewhere.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0], [1], edges=np.ones((1, 1), np.float32))
      >>> padded = ga.graphs.pad(graph, ga.graphs.Budget(3, 2, 2))
      >>> ga.nn.real_edges(padded, padded.edges + 1).ravel().tolist()
      [2.0, 0.0]
    """
    return _real_or_zero(rows, edge_mask(graph)) if is_padded(graph) else rows


def _real_or_zero(rows: Any, mask: ArrayLike) -> Any:
    if isinstance(rows, SparseFeatures):  # padding rows have no entries
        return rows
    rows, mask = jnp.asarray(rows), jnp.asarray(mask)
    mask = mask.reshape(-1, *(1,) * (rows.ndim - 1))
    return jnp.where(mask, rows, jnp.zeros((), rows.dtype))


def with_nodes(graph: Any, nodes: Any) -> Any:
    """The graph with new features of its nodes: of the receivers of a `NodePair`, beside the types of a typed graph.

    Args:
      graph: any `GraphsTuple`.
      nodes: `[N, ...]`.

    Returns:
      The graph; a prepared one keeps its layout.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0], [1], nodes=np.ones((2, 1), np.float32))
      >>> ga.nn.with_nodes(graph, 2 * graph.nodes).nodes.ravel().tolist()
      [2.0, 2.0]
    """
    if isinstance(graph.nodes, NodePair):
        nodes = graph.nodes._replace(receivers=nodes)
    if isinstance(graph.nodes, TypedNodes):
        nodes = dataclasses.replace(graph.nodes, features=nodes)
    return graph._replace(nodes=nodes)


def with_edges(graph: Any, edges: Any) -> Any:
    """The graph with new features of its edges, beside what else its edges hold (`EdgeInputs`, typed edges).

    Args:
      graph: any `GraphsTuple`.
      edges: `[E, ...]` or None.

    Returns:
      The graph; a prepared one keeps its layout.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0], [1], edges=ga.nn.EdgeInputs(buckets=np.array([4])))
      >>> ga.nn.with_edges(graph, np.ones((1, 2))).edges
      EdgeInputs(features=array([[1., 1.]]), real=None, buckets=array([4]))
    """
    if isinstance(graph.edges, EdgeInputs | TypedEdges):
        edges = graph.edges._replace(features=edges)
    return graph._replace(edges=edges)


def widths_of_ends(in_features: int | tuple[int, int]) -> tuple[int, int]:
    """The widths of senders and receivers: what `init` of a layer that takes bipartite graphs is told.

    Args:
      in_features: one for both, or (senders, receivers).

    Returns:
      Both.

    Raises:
      ValueError: a width that is not a positive integer, or not one or two of them.

    Example:
      >>> import graphattn_jax as ga
      >>> ga.nn.widths_of_ends(4), ga.nn.widths_of_ends((4, 5))
      ((4, 4), (4, 5))
    """
    both = in_features if isinstance(in_features, tuple) else (in_features, in_features)
    if len(both) != 2:
        raise ValueError(
            f"in_features must be an integer, or one for (senders, receivers), got {in_features!r}."
        )
    for width in both:
        _checks.positive("in_features", width)
    return both


def _node_features(name: str, nodes: Any, width: int, allow_sparse: bool) -> Any:
    if not hasattr(nodes, "shape") or len(nodes.shape) != 2 or nodes.shape[1] != width:
        raise ValueError(
            f"{name} must be an array of shape [N, {width}] for these parameters, got {_checks.describe(nodes)}."
        )
    _checks.floating(name, nodes)
    if not is_sparse(nodes):
        return jnp.asarray(nodes)
    if not allow_sparse:
        raise ValueError(
            "this layer needs the nodes as an array, got SparseFeatures. Fix: graph.nodes.to_dense(), or a layer that "
            "multiplies them first."
        )
    return nodes
