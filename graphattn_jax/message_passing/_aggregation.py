"""What the layers share: weighted sums over incoming edges, and degrees."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp

from graphattn_jax import _checks, ops
from graphattn_jax.graphs import pattern
from graphattn_jax.typing import Array


def check_fields(layer: Any) -> None:
    """The fields that all have: the width of the output, or None; and the implementation. Switches are such."""
    _checks.switches(layer)
    _checks.choice("implementation", layer.implementation, (None, "reference"))
    if layer.features is not None:
        _checks.positive("features", layer.features)


def incoming(layer: Any, graph: Any) -> ops.Edges:
    """The pattern of a graph; for the reference without its layout, which leaves plain gathers and sums."""
    edges = without_tiles(layer, pattern(graph))
    edges.check()  # before anything is computed, by the names of the graph
    return edges


def without_tiles(layer: Any, edges: ops.Edges) -> ops.Edges:
    """The pattern, for the reference without its layout."""
    return dataclasses.replace(edges, layout=None) if layer.implementation else edges


def edge_sum(weights: Array, value: Array, edges: ops.Edges) -> Array:
    """Σ_j w_ij v_j with a weight `[E]` per edge, `[N_r, D]`."""
    return ops.edge_aggregate(weights[:, None], value[:, None, :], edges)[:, 0]


def real_edges(edges: ops.Edges, dtype: Any) -> Array:
    """`[E]`: 1 for a real edge, 0 for padding."""
    if edges.mask is None:
        return jnp.ones(edges.num_edges, dtype)
    return jnp.asarray(edges.mask).astype(dtype)


def in_degrees(weights: Array, edges: ops.Edges) -> Array:
    """Σ_j w_ij, `[N_r]`."""
    return ops.segment_sum(weights, edges.receivers, edges.num_rows)
