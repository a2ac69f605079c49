"""What functions of this package, and layers on graphs, do to their input first."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax._dtypes import accumulation_dtype
from graphattn_jax.graphs import NodePair, TypedEdges, TypedNodes, edge_mask, is_padded, node_mask
from graphattn_jax.nn._layer import EdgeInputs
from graphattn_jax.ops import SparseFeatures
from graphattn_jax.typing import Array, ArrayLike


def features(x: ArrayLike, width: int) -> Array:
    """`x` as a floating-point JAX array with `width` features on its last axis."""
    x = jnp.asarray(x)
    check_features(x, width)
    return x


def check_features(x: Array | SparseFeatures, width: int) -> None:
    """Floating point, with `width` features on the last axis."""
    _checks.floating("x", x)
    if x.ndim == 0 or x.shape[-1] != width:
        raise ValueError(
            f"x must have {width} features on its last axis, got shape {tuple(x.shape)}. "
            "Fix: initialise the parameters with the width of the data."
        )


def product(x: Array | SparseFeatures, weight: ArrayLike) -> Array:
    """The product x W over the last axis, W in the dtype of x, accumulated and returned in float32 or wider."""
    wide = accumulation_dtype(x.dtype)
    weight = jnp.asarray(weight).astype(x.dtype)
    if isinstance(x, SparseFeatures):
        return x @ weight.astype(wide)
    return jnp.matmul(x, weight, preferred_element_type=wide)


def read_ends(graph: Any, senders: int, receivers: int) -> tuple[Any, Any]:
    """Features of both ends of the edges, of these widths: those of a `NodePair`, or of one set of nodes twice."""
    if isinstance(graph.nodes, NodePair):
        return (
            _check_nodes("graph.nodes.senders", graph.nodes.senders, senders),
            _check_nodes("graph.nodes.receivers", graph.nodes.receivers, receivers),
        )
    nodes = read_sparse_nodes(graph, senders)
    return nodes, nodes if receivers == senders else read_sparse_nodes(graph, receivers)


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


def read_dense_ends(graph: Any, senders: int, receivers: int) -> tuple[Array, Array]:
    """The same as arrays, for a layer that does not multiply them first."""
    both = read_ends(graph, senders, receivers)
    for x in both:
        _refuse_sparse(x)
    return both


def widths_of_ends(in_features: int | tuple[int, int]) -> tuple[int, int]:
    """The widths of senders and receivers: `in_features` of a layer that takes bipartite graphs."""
    both = in_features if isinstance(in_features, tuple) else (in_features, in_features)
    if len(both) != 2:
        raise ValueError(
            f"in_features must be an integer, or one for (senders, receivers), got {in_features!r}."
        )
    for width in both:
        _checks.positive("in_features", width)
    return both


def with_nodes(graph: Any, nodes: Any) -> Any:
    """The graph with new features of its nodes, of the receivers of a `NodePair`."""
    if isinstance(graph.nodes, NodePair):
        nodes = graph.nodes._replace(receivers=nodes)
    if isinstance(graph.nodes, TypedNodes):
        nodes = dataclasses.replace(graph.nodes, features=nodes)
    return graph._replace(nodes=nodes)


def with_edges(graph: Any, edges: Any) -> Any:
    """The graph with new features of its edges, beside what else its edges hold."""
    if isinstance(graph.edges, EdgeInputs | TypedEdges):
        edges = graph.edges._replace(features=edges)
    return graph._replace(edges=edges)


def read_nodes(graph: Any, width: int) -> Array:
    """The `[N, D]` features that a layer with D = `width` inputs works on, 0 in padding."""
    nodes = read_sparse_nodes(graph, width)
    _refuse_sparse(nodes)
    return jnp.asarray(nodes)


def _refuse_sparse(x: Array | SparseFeatures) -> None:
    if isinstance(x, SparseFeatures):
        raise ValueError(
            "this layer needs the nodes as an array, got SparseFeatures. Fix: graph.nodes.to_dense(), or a layer that "
            "multiplies them first."
        )


def read_sparse_nodes(graph: Any, width: int) -> Array | SparseFeatures:
    """The same for a layer that multiplies them first, and so takes `SparseFeatures` too."""
    if isinstance(graph.nodes, NodePair):
        raise ValueError(
            "this layer works on one set of nodes, got a bipartite graph (a NodePair)."
        )
    name, nodes = "graph.nodes", graph.nodes
    if isinstance(nodes, TypedNodes):
        name, nodes = "graph.nodes.features", nodes.features
    return real_nodes(graph, _check_nodes(name, nodes, width))


def _check_nodes(name: str, nodes: Any, width: int) -> Array | SparseFeatures:
    if not hasattr(nodes, "shape") or len(nodes.shape) != 2 or nodes.shape[1] != width:
        raise ValueError(
            f"{name} must be an array of shape [N, {width}] for these parameters, got {_checks.describe(nodes)}."
        )
    _checks.floating(name, nodes)
    return nodes if isinstance(nodes, SparseFeatures) else jnp.asarray(nodes)


def read_edges(graph: Any, width: int) -> Array:
    """The `[E, D_e]` features that a layer with `width` edge inputs works on, 0 in padding."""
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
