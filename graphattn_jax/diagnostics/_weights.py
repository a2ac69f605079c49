"""Attention weights as the diagnostics read them: float32, with 0 wherever a mask says so."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax._dtypes import accumulation_dtype
from graphattn_jax.ops import Attention, Edges, check_edges
from graphattn_jax.typing import Array, ArrayLike


class EdgeWeights(NamedTuple):
    """weights `[E]` or `[E, H]`, the ends of each edge, and which edges are real."""

    weights: Array
    senders: Array
    receivers: Array
    real: Array


def edge_weights(
    weights: ArrayLike | Attention,
    edges: Edges,
    node_mask: ArrayLike | None,
    *,
    allow_bipartite: bool = False,
) -> EdgeWeights:
    """Weights of a pattern, 0 where it or the node mask leaves an edge out."""
    check_edges(edges, allow_bipartite=allow_bipartite)
    weights = as_floats(weights)
    if weights.ndim not in (1, 2) or weights.shape[0] != edges.num_edges:
        raise ValueError(
            f"weights must have shape [{edges.num_edges}] or [{edges.num_edges}, H] for {edges.num_edges} edges, "
            f"got {tuple(weights.shape)}."
        )
    senders, receivers = jnp.asarray(edges.senders), jnp.asarray(edges.receivers)
    real = jnp.ones(edges.num_edges, bool) if edges.mask is None else jnp.asarray(edges.mask)
    if node_mask is not None:
        if edges.is_bipartite:
            raise ValueError(
                "node_mask is for patterns of one set of nodes, got a bipartite one. Fix: edges.where(mask)."
            )
        nodes = edge_nodes(node_mask, edges)
        real = real & nodes[senders] & nodes[receivers]
    weights = jnp.where(like(real, weights), weights, 0)
    return EdgeWeights(weights.astype(accumulation_dtype(weights.dtype)), senders, receivers, real)


def as_floats(weights: ArrayLike | Attention) -> Array:
    """The weights as a floating-point JAX array."""
    weights = jnp.asarray(weights.weights if isinstance(weights, Attention) else weights)
    _checks.floating("weights", weights)
    return weights


def dense_weights(
    weights: ArrayLike | Attention, node_mask: ArrayLike | None, *, pairs: ArrayLike | None = None
) -> Array:
    """Weights `[..., N, N]`."""
    if pairs is not None:
        raise ValueError(
            "pairs belongs to edge weights, got it for dense ones. Fix: pass edges as well, or drop pairs."
        )
    weights = as_floats(weights)
    if weights.ndim < 2 or weights.shape[-1] != weights.shape[-2]:
        raise ValueError(
            f"weights must have shape [..., N, N], got {tuple(weights.shape)}. "
            "Fix: pass edges with edge weights, ga.graphs.pattern(graph)."
        )
    if node_mask is not None:
        real = dense_nodes(node_mask, weights.shape)
        weights = jnp.where(real[..., :, None] & real[..., None, :], weights, 0)
    return weights.astype(accumulation_dtype(weights.dtype))


def dense_nodes(node_mask: ArrayLike | None, shape: tuple[int, ...]) -> Array:
    """The node mask with the leading axes of weights of `shape`: bool `[..., N]`."""
    if node_mask is None:
        return jnp.ones(shape[:-1], bool)
    node_mask = jnp.asarray(node_mask)
    if node_mask.dtype != bool or node_mask.shape not in (shape[-1:], shape[:-1]):
        raise ValueError(
            f"node_mask must be boolean (True = real) of shape {shape[-1:]} or {shape[:-1]}, "
            f"got {_checks.describe(node_mask)}."
        )
    return jnp.broadcast_to(node_mask, shape[:-1])


def edge_nodes(node_mask: ArrayLike | None, edges: Edges) -> Array:
    """Which nodes of a pattern are real, bool `[N]`."""
    if node_mask is None:
        return jnp.ones(edges.num_rows, bool)
    _checks.mask("node_mask", node_mask, edges.num_rows)
    return jnp.asarray(node_mask)


def like(edges: Array, weights: Array) -> Array:
    """A vector over edges with the rank of `weights`."""
    return edges.reshape(edges.shape + (1,) * (weights.ndim - 1))
