"""The obvious implementation: gather both ends of every edge, segment sums, automatic differentiation."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from graphattn_jax.ops._edge_attention._scores import AdditiveScore, DotScore, OneWayScore
from graphattn_jax.ops._segment import segment_sum, take
from graphattn_jax.typing import Array


def scores(
    query: Array, key: Array, senders: Array, receivers: Array, score: OneWayScore, layout
) -> Array:
    """`[E, H]` logits in the dtype of the (wide) inputs."""
    q, k = take(query, receivers), take(key, senders)
    if isinstance(score, DotScore):
        products = q * k if score.edge is None else q * k * score.edge
        return jnp.asarray(score.scale, q.dtype) * jnp.sum(products, axis=-1)
    z = q + k if score.edge is None else q + k + score.edge
    z = jax.nn.leaky_relu(z, score.negative_slope)
    return z if isinstance(score, AdditiveScore) else jnp.einsum("ehc,hc->eh", z, score.vector)


def aggregate(
    weights: Array, value: Array, senders: Array, receivers: Array, num_nodes: int, layout
) -> Array:
    """Σ_j w_ij v_j, `[N, H, C]`."""
    return segment_sum(weights[:, :, None] * take(value, senders), receivers, num_nodes)
