"""What functions of this package, and layers on graphs, do to their input first."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax.typing import Array, ArrayLike


def features(x: ArrayLike, width: int) -> Array:
    """`x` as a floating-point JAX array with `width` features on its last axis."""
    x = jnp.asarray(x)
    _checks.floating("x", x)
    if x.ndim == 0 or x.shape[-1] != width:
        raise ValueError(
            f"x must have {width} features on its last axis, got shape {tuple(x.shape)}. "
            "Fix: initialise the parameters with the width of the data."
        )
    return x


def read_nodes(graph: Any, width: int) -> Array:
    """The `[N, D]` features that a layer with D = `width` inputs works on."""
    nodes = graph.nodes
    if not hasattr(nodes, "shape") or len(nodes.shape) != 2 or nodes.shape[1] != width:
        raise ValueError(
            f"graph.nodes must be an array of shape [N, {width}] for these parameters, got {_checks.describe(nodes)}."
        )
    _checks.floating("graph.nodes", nodes)
    return jnp.asarray(nodes)


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
