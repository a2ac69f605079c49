"""Sparse attention that XLA fuses well: per-channel gathers, neighbour tiles, and no scatter of rows.

Written channel by channel and tile slot by tile slot, the gathers of the two ops of `_adjoint` fuse into the
arithmetic, so that no [E, H, C] array is materialised; what is saved for the backward pass is [E, H] or [N, H, C].
The barriers keep XLA from undoing that by fusing across the two.

An empty slot of a tile points at node 0, whose row may hold anything: its term is replaced by 0, not multiplied by it.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp

from graphattn_jax.ops._edge_attention import _adjoint, _reference
from graphattn_jax.ops._edge_attention._call import Call, Fused
from graphattn_jax.ops._edge_attention._scores import AdditiveScore, DotScore, OneWayScore
from graphattn_jax.ops._edge_rows import real_or_zero
from graphattn_jax.ops._layout import Tiles
from graphattn_jax.ops._no_gradient import no_gradient
from graphattn_jax.ops._pattern import Edges, without_layout
from graphattn_jax.ops._segment import take
from graphattn_jax.typing import Array

__all__ = ["XLA", "aggregate", "scores"]

_fence = jax.lax.optimization_barrier


def scores(query: Array, key: Array, edges: Edges, score: OneWayScore) -> Array:
    """`[E, H]` logits. With vectors on the edges there is an [E, H, C] array anyway, and gathers do as well."""
    if isinstance(score, AdditiveScore) or score.edge is not None:
        return _reference.scores(query, key, edges, score)
    if isinstance(score, DotScore):
        return _adjoint.edge_dot(_PAIR, query * jnp.asarray(score.scale, query.dtype), key, edges)
    vector = jnp.asarray(score.vector).astype(query.dtype)
    return _edge_gatv2(query, key, vector, edges, score.negative_slope)


def aggregate(weights: Array, value: Array, edges: Edges) -> Array:
    """Σ_j w_ij v_j, `[N_r, H, C]`."""
    return _adjoint.aggregate(_PAIR, weights, value, edges)


class XLA:
    """Supports every call on edges with a layout."""

    name, is_fused = "xla", False
    scores, aggregate = staticmethod(scores), staticmethod(aggregate)

    def supports(self, call: Call) -> str | None:
        """With a layout."""
        return without_layout(call.edges)

    def attention(self, arguments: Fused) -> tuple[Array, Array]:
        """Composed by the op."""
        raise AssertionError("xla is not fused")


# --- dot product and aggregation ------------------------------------------------------------------------------


def _edge_dot(x: Array, y: Array, edges: Edges) -> Array:
    return _sum_over_channels(lambda c, xi, yj: xi * yj, x, y, edges)


def _aggregate(weights: Array, y: Array, edges: Edges) -> Array:
    return _sum_over_slots(lambda w, row, yj: w * yj, weights, y, edges)


_PAIR = _adjoint.Pair(_edge_dot, _aggregate)


def _sum_over_channels(term, x: Array, y: Array, edges: Edges) -> Array:
    """Σ_c term(c, x[receiver, :, c], y[sender, :, c]) per edge, `[E, H]`."""
    x, y, rows, cols = _fence((x, y, edges.receivers, edges.senders))
    total = jnp.zeros((len(rows), x.shape[1]), x.dtype)
    for c in range(x.shape[2]):
        total = total + term(c, take(x[:, :, c], rows), take(y[:, :, c], cols))
    return _fence(real_or_zero(total, edges))


def _sum_over_slots(term, weights: Array, y: Array, edges: Edges) -> Array:
    """Σ over the incoming edges of every receiver i of term(w_e, i, y[sender_e]), `[N_r, H, C]`."""
    tiles = edges.tiles
    empty = jnp.zeros((1, weights.shape[1]), weights.dtype)
    w = take(jnp.concatenate([weights, empty]), tiles.edge)
    w, y, neighbor, filled = _fence((w, y, tiles.neighbor, _filled(tiles, edges)))
    partial = jnp.zeros((len(neighbor), *y.shape[1:]), y.dtype)
    for slot in range(neighbor.shape[1]):
        summand = term(w[:, slot, :, None], tiles.row, take(y, neighbor[:, slot]))
        partial = partial + jnp.where(filled[:, slot, None, None], summand, 0)
    return jax.ops.segment_sum(
        _fence(partial),
        tiles.row,
        edges.num_rows,
        indices_are_sorted=True,
        mode="promise_in_bounds",
    )


def _filled(tiles: Tiles, edges: Edges) -> Array:
    """The slots `[T, W]` that hold a real edge."""
    edge = jnp.asarray(tiles.edge)
    if edges.mask is None:
        return edge < edges.num_edges
    return take(jnp.concatenate([jnp.asarray(edges.mask), jnp.zeros(1, bool)]), edge)


# --- GATv2 --------------------------------------------------------------------------------------------------


@partial(jax.custom_vjp, nondiff_argnums=(4,))
def _edge_gatv2(x: Array, y: Array, vector: Array, edges: Edges, negative_slope: float) -> Array:
    """Σ_c a_c LeakyReLU(x[receiver, c] + y[sender, c]) per edge.

    LeakyReLU(z) = λ(z) z with λ ∈ {1, slope}. With P_i = Σ_{e: i_e = i} g_e λ(z_e) and R_j the same over
    senders, the gradients are dx = a ⊙ P, dy = a ⊙ R and da = Σ_i x_i ⊙ P_i + Σ_j y_j ⊙ R_j: two passes over
    tiles give all three.
    """

    def term(c, xi, yj):
        return vector[None, :, c] * jax.nn.leaky_relu(xi + yj, negative_slope)

    return _sum_over_channels(term, x, y, edges)


def _edge_gatv2_forward(x, y, vector, edges, negative_slope):
    return _edge_gatv2(x, y, vector, edges, negative_slope), (x, y, vector, edges)


def _edge_gatv2_backward(negative_slope, saved, g):
    x, y, vector, edges = saved

    def weighted_slopes(x, y, edges):
        def term(w, row, yj):
            steep = take(x, row) + yj >= 0  # the derivative that jax.nn.leaky_relu takes at 0
            return w * jnp.where(steep, jnp.ones((), w.dtype), jnp.asarray(negative_slope, w.dtype))

        return _sum_over_slots(term, g, y, edges)

    p, r = weighted_slopes(x, y, edges), weighted_slopes(y, x, edges.T)
    d_vector = (_held(x, p) * p).sum(0) + (_held(y, r) * r).sum(0)
    return vector[None] * p, vector[None] * r, d_vector, no_gradient(edges)


def _held(x: Array, d: Array) -> Array:
    """Rows x; what is not finite replaced by 0 where d is 0: a node without real edges has no part in a sum."""
    return jnp.where((d == 0) & ~jnp.isfinite(x), 0, x)


_edge_gatv2.defvjp(_edge_gatv2_forward, _edge_gatv2_backward)
