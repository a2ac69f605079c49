"""One step along the edges of a graph, on the device: what the encodings without eigenvectors are made of."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax.encodings._laplacian import NORMALIZATIONS
from graphattn_jax.graphs import (
    GraphsTuple,
    Layout,
    edge_mask,
    graph_mask,
    node_graph_ids,
    node_mask,
    num_nodes,
)
from graphattn_jax.ops import EdgeLayout, edge_aggregate, segment_sum
from graphattn_jax.typing import Array, ArrayLike


class Structure(NamedTuple):
    """What is known of a graph: from its layout, or from the graph itself."""

    senders: Array
    receivers: Array
    sizes: Array
    node_mask: Array
    edge_mask: Array
    graph_mask: Array
    graph_ids: Array
    edges: EdgeLayout | None


def structure(graph: GraphsTuple, layout: Layout | None) -> Structure:
    """Masks and ids as JAX arrays; without a layout and under `jit` the graph needs node features."""
    if layout is None:
        known = node_mask(graph), edge_mask(graph), graph_mask(graph), node_graph_ids(graph)
    else:
        known = layout.node_mask, layout.edge_mask, layout.graph_mask, layout.node_graph_ids
    arrays = (jnp.asarray(x) for x in (graph.senders, graph.receivers, graph.n_node, *known))
    return Structure(*arrays, edges=None if layout is None else layout.edges)


def check_rows(name: str, x: ArrayLike, graph: GraphsTuple, layout: Layout | None) -> None:
    """`x` is `[N, D]` floating point."""
    nodes = num_nodes(graph) if layout is None else layout.node_mask.shape[0]
    _checks.shape(name, x, (nodes, "D"))
    _checks.floating(name, x)


def degrees(s: Structure, edge_weight: ArrayLike | None) -> tuple[Array, Array]:
    """Weights `[E]`, 0 for padding, and their sums over received edges `[N]`, in float32."""
    count = s.senders.shape[0]
    if edge_weight is None:
        weight = jnp.ones(count, jnp.float32)
    else:
        weight = jnp.asarray(edge_weight)
        weight = weight[:, 0] if weight.shape == (count, 1) else weight
        _checks.shape("edge_weight", weight, (count,))
        weight = weight.astype(jnp.float32)
    weight = jnp.where(s.edge_mask, weight, 0)
    return weight, segment_sum(weight, s.receivers, s.node_mask.shape[0])


def symmetric_weights(s: Structure, edge_weight: ArrayLike | None) -> Array:
    """The entries of D^−½ A D^−½ at the edges, `[E]`."""
    weight, degree = degrees(s, edge_weight)
    inverse = jnp.where(degree > 0, 1 / jnp.sqrt(jnp.where(degree > 0, degree, 1)), 0)
    return inverse[s.receivers] * weight * inverse[s.senders]


def propagate(s: Structure, weights: Array, x: Array) -> Array:
    """Σ_j w_ij x_j for `x` `[N, ...]` and weights `[E]`, or `[E, H]` with one column per block of features."""
    if weights.ndim == 1:
        weights = weights[:, None]
    rows = x.shape[0]
    out = edge_aggregate(
        weights,
        x.reshape(rows, weights.shape[1], math.prod(x.shape[1:]) // weights.shape[1]),
        s.senders,
        s.receivers,
        num_nodes=rows,
        layout=s.edges,
    )
    return out.reshape(x.shape)


def laplacian_operator(
    s: Structure, normalization: str, edge_weight: ArrayLike | None
) -> Callable[[Array], Array]:
    """The map x ↦ L x of `[N, F]` float32 arrays, with the L of `laplacian`; padding rows of L x are 0."""
    _checks.choice("normalization", normalization, NORMALIZATIONS)
    weight, degree = degrees(s, edge_weight)
    diagonal = degree
    if normalization != "combinatorial":
        diagonal = (degree > 0).astype(jnp.float32)
        inverse = diagonal / jnp.where(degree > 0, degree, 1)
        scale = inverse[s.receivers]
        if normalization == "symmetric":
            scale = jnp.sqrt(scale * inverse[s.senders])
        weight = weight * scale
    return lambda x: diagonal[:, None] * x - propagate(s, weight, x)
