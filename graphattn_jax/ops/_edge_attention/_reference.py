"""The obvious implementation: gather both ends of every edge, segment sums, automatic differentiation."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from graphattn_jax.ops._edge_attention._call import Call, Fused
from graphattn_jax.ops._edge_attention._scores import AdditiveScore, DotScore, OneWayScore
from graphattn_jax.ops._edge_rows import real_or_zero
from graphattn_jax.ops._pattern import Edges
from graphattn_jax.ops._segment import segment_sum, take
from graphattn_jax.typing import Array, ArrayLike

__all__ = ["Reference", "aggregate", "scores"]


def scores(query: Array, key: Array, edges: Edges, score: OneWayScore) -> Array:
    """`[E, H]` logits in the dtype of the (wide) inputs."""
    q, k = _rows(query, edges.receivers, edges), _rows(key, edges.senders, edges)
    x = None if score.edge is None else real_or_zero(jnp.asarray(score.edge), edges)
    if isinstance(score, DotScore):
        products = q * k if x is None else q * k * x
        return jnp.asarray(score.scale, q.dtype) * jnp.sum(products, axis=-1)
    z = q + k if x is None else q + k + x
    z = jax.nn.leaky_relu(z, score.negative_slope)
    return z if isinstance(score, AdditiveScore) else jnp.einsum("ehc,hc->eh", z, score.vector)


def aggregate(weights: Array, value: Array, edges: Edges) -> Array:
    """Σ_j w_ij v_j, `[N_r, H, C]`."""
    weights = real_or_zero(weights, edges)
    messages = weights[:, :, None] * _rows(value, edges.senders, edges)
    return segment_sum(messages, edges.receivers, edges.num_rows)


def _rows(x: Array, ids: ArrayLike, edges: Edges) -> Array:
    return real_or_zero(take(x, ids), edges)


class Reference:
    """Supports every call."""

    name, is_fused = "reference", False
    scores, aggregate = staticmethod(scores), staticmethod(aggregate)

    def supports(self, call: Call) -> str | None:
        """Always."""
        return None

    def attention(self, arguments: Fused) -> tuple[Array, Array]:
        """Composed by the op."""
        raise AssertionError("the reference is not fused")
