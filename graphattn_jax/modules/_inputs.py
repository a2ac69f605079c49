"""The widths of a layer's inputs, read off a graph."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax.graphs import NodePair
from graphattn_jax.nn import EdgeInputs


def widths(graph: Any) -> dict[str, Any]:
    """`in_features` and `edge_features` of `ga.nn.Layer.init` for this graph; features of edges are floating point."""
    nodes = graph.nodes
    ends = nodes if isinstance(nodes, NodePair) else (nodes,)
    for x in ends:
        _checks.shape("graph.nodes", x, ("N", "D"))
    sizes = tuple(x.shape[1] for x in ends)
    edges: Any = graph.edges.features if isinstance(graph.edges, EdgeInputs) else graph.edges
    has_features = len(getattr(edges, "shape", ())) == 2 and jnp.issubdtype(
        edges.dtype, jnp.floating
    )
    return {
        "in_features": sizes[0] if len(sizes) == 1 else sizes,
        "edge_features": edges.shape[1] if has_features else None,
    }
