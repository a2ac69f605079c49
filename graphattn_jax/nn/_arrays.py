"""What functions of this package, and layers on graphs, do to their input first."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax._dtypes import accumulation_dtype
from graphattn_jax.ops._sparse_features import SparseFeatures
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


def read_nodes(graph: Any, width: int) -> Array:
    """The `[N, D]` features that a layer with D = `width` inputs works on."""
    return jnp.asarray(read_sparse_nodes(graph, width))


def read_sparse_nodes(graph: Any, width: int) -> Array | SparseFeatures:
    """The same for a layer that multiplies them first, and so takes `SparseFeatures` too."""
    nodes = graph.nodes
    if not hasattr(nodes, "shape") or len(nodes.shape) != 2 or nodes.shape[1] != width:
        raise ValueError(
            f"graph.nodes must be an array of shape [N, {width}] for these parameters, got {_checks.describe(nodes)}."
        )
    _checks.floating("graph.nodes", nodes)
    return nodes if isinstance(nodes, SparseFeatures) else jnp.asarray(nodes)


def read_edges(graph: Any, width: int) -> Array:
    """The `[E, D_e]` features that a layer with `width` edge inputs works on."""
    edges = graph.edges
    if not hasattr(edges, "shape") or len(edges.shape) != 2 or edges.shape[1] != width:
        raise ValueError(
            f"graph.edges must be an array of shape [E, {width}] for these parameters (made with "
            f"edge_features={width}), got {_checks.describe(edges)}."
        )
    _checks.floating("graph.edges", edges)
    return jnp.asarray(edges)
