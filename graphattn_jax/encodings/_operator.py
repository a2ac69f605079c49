"""Products with the Laplacian as segment sums over edges, on a device."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax.encodings._laplacian import NORMALIZATIONS
from graphattn_jax.graphs import GraphsTuple, edge_mask
from graphattn_jax.ops import segment_sum
from graphattn_jax.ops._segment import take
from graphattn_jax.typing import Array, ArrayLike


def weights_and_degrees(
    graph: GraphsTuple, nodes: int, edge_weight: ArrayLike | None
) -> tuple[Array, Array]:
    """Float32 weights `[E]`, 0 on padding, and their sums `[N]` over incoming edges."""
    weight = jnp.ones(graph.receivers.shape, jnp.float32)
    if edge_weight is not None:
        _checks.shape("edge_weight", edge_weight, graph.receivers.shape)
        weight = jnp.asarray(edge_weight).astype(jnp.float32)
    weight = jnp.where(jnp.asarray(edge_mask(graph)), weight, 0)
    return weight, segment_sum(weight, graph.receivers, nodes)


def laplacian_operator(
    graph: GraphsTuple, nodes: int, normalization: str, edge_weight: ArrayLike | None
) -> Callable[[Array], Array]:
    """The map x ↦ L x of `[N, F]` float32 arrays, with the L of `laplacian`; padding rows of L x are 0."""
    _checks.choice("normalization", normalization, NORMALIZATIONS)
    weight, degree = weights_and_degrees(graph, nodes, edge_weight)
    senders, receivers = graph.senders, graph.receivers
    diagonal = degree
    if normalization != "combinatorial":
        diagonal = (degree > 0).astype(jnp.float32)
        inverse = diagonal / jnp.where(degree > 0, degree, 1)
        scale = take(inverse, receivers)
        if normalization == "symmetric":
            scale = jnp.sqrt(scale * take(inverse, senders))
        weight = weight * scale

    def apply(x: Array) -> Array:
        messages = weight[:, None] * take(x, senders)
        return diagonal[:, None] * x - segment_sum(messages, receivers, nodes)

    return apply
