"""One step along the edges of a graph, on the device: what the encodings without eigenvectors are made of."""

from __future__ import annotations

import math
from collections.abc import Callable

import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax.encodings._vocabulary import NORMALIZATIONS
from graphattn_jax.graphs import GraphsTuple, num_nodes, pattern
from graphattn_jax.ops import Edges, edge_aggregate, segment_sum
from graphattn_jax.typing import Array, ArrayLike


def own_edges(graph: GraphsTuple) -> Edges:
    """The checked pattern of a graph whose senders and receivers are the same nodes.

    Raises:
      ValueError: a bipartite graph, or ids out of range.
    """
    edges = pattern(graph)
    if edges.is_bipartite:
        raise ValueError(
            "graph must have one set of nodes, got a bipartite one (a NodePair): it has no walks and no spectrum. "
            "Fix: encode a graph of all nodes."
        )
    edges.check()
    return edges


def check_rows(name: str, x: ArrayLike, graph: GraphsTuple) -> None:
    """`x` is `[N, D]` floating point."""
    _checks.shape(name, x, (num_nodes(graph), "D"))
    _checks.floating(name, x)


def degrees(edges: Edges, edge_weight: ArrayLike | None) -> tuple[Array, Array]:
    """Weights `[E]`, 0 for padding, and their sums over received edges `[N]`, in float32."""
    count = edges.num_edges
    if edge_weight is None:
        weight = jnp.ones(count, jnp.float32)
    else:
        weight = jnp.asarray(edge_weight)
        weight = weight[:, 0] if weight.shape == (count, 1) else weight
        _checks.shape("edge_weight", weight, (count,))
        weight = weight.astype(jnp.float32)
    if edges.mask is not None:
        weight = jnp.where(edges.mask, weight, 0)
    return weight, segment_sum(weight, edges.receivers, edges.num_rows)


def symmetric_weights(edges: Edges, edge_weight: ArrayLike | None) -> Array:
    """The entries of D^−½ A D^−½ at the edges, `[E]`."""
    weight, degree = degrees(edges, edge_weight)
    inverse = jnp.where(degree > 0, 1 / jnp.sqrt(jnp.where(degree > 0, degree, 1)), 0)
    return inverse[edges.receivers] * weight * inverse[edges.senders]


def propagate(edges: Edges, weights: Array, x: Array) -> Array:
    """Σ_j w_ij x_j for `x` `[N, ...]` and weights `[E]`, or `[E, H]` with one column per block of features."""
    if weights.ndim == 1:
        weights = weights[:, None]
    rows, heads = x.shape[0], weights.shape[1]
    blocks = x.reshape(rows, heads, math.prod(x.shape[1:]) // heads)
    return edge_aggregate(weights, blocks, edges).reshape(x.shape)


def laplacian_operator(
    edges: Edges, normalization: str, edge_weight: ArrayLike | None
) -> Callable[[Array], Array]:
    """The map x ↦ L x of `[N, F]` float32 arrays, with the L of `laplacian`; padding rows of L x are 0."""
    _checks.choice("normalization", normalization, NORMALIZATIONS)
    weight, degree = degrees(edges, edge_weight)
    diagonal = degree
    if normalization != "combinatorial":
        diagonal = (degree > 0).astype(jnp.float32)
        inverse = diagonal / jnp.where(degree > 0, degree, 1)
        scale = inverse[edges.receivers]
        if normalization == "symmetric":
            scale = jnp.sqrt(scale * inverse[edges.senders])
        weight = weight * scale
    return lambda x: diagonal[:, None] * x - propagate(edges, weight, x)
