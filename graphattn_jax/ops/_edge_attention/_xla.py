"""Sparse attention that XLA fuses well: per-channel gathers, neighbour tiles, and no scatter of rows.

Written channel by channel and tile slot by tile slot, the gathers of the two ops of `_adjoint` fuse into the
arithmetic, so that no [E, H, C] array is materialised; what is saved for the backward pass is [E, H] or [N, H, C].
The barriers keep XLA from undoing that by fusing across the two.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp

from graphattn_jax.ops._edge_attention import _adjoint
from graphattn_jax.ops._edge_attention._adjoint import Edges, no_gradient, tiled_edges
from graphattn_jax.ops._edge_attention._scores import AdditiveScore, DotScore, OneWayScore
from graphattn_jax.ops._layout import Tiles
from graphattn_jax.ops._segment import take
from graphattn_jax.typing import Array

_fence = jax.lax.optimization_barrier


def scores(
    query: Array, key: Array, senders: Array, receivers: Array, score: OneWayScore, layout
) -> Array:
    """`[E, H]` logits."""
    if isinstance(score, AdditiveScore):
        z = take(query, receivers) + take(key, senders)
        return jax.nn.leaky_relu(z if score.edge is None else z + score.edge, score.negative_slope)
    edges = tiled_edges("xla", senders, receivers, layout)
    if score.edge is not None:
        raise NotImplementedError(
            f"implementation='xla' has no {type(score).__name__} with edge features. "
            "Fix: implementation=None."
        )
    if isinstance(score, DotScore):
        return _adjoint.edge_dot(_PAIR, query * jnp.asarray(score.scale, query.dtype), key, edges)
    vector = jnp.asarray(score.vector).astype(query.dtype)
    return _edge_gatv2(query, key, vector, edges, score.negative_slope)


def aggregate(
    weights: Array, value: Array, senders: Array, receivers: Array, num_nodes: int, layout
) -> Array:
    """Σ_j w_ij v_j, `[N, H, C]`."""
    edges = tiled_edges("xla", senders, receivers, layout)
    return _adjoint.aggregate(_PAIR, weights, value, edges, num_nodes)


# --- dot product and aggregation ------------------------------------------------------------------------------


def _edge_dot(x: Array, y: Array, edges: Edges) -> Array:
    return _sum_over_channels(lambda c, xi, yj: xi * yj, x, y, edges)


def _aggregate(weights: Array, y: Array, edges: Edges, num_rows: int) -> Array:
    return _sum_over_slots(lambda w, row, yj: w * yj, weights, y, edges.by_row, num_rows)


_PAIR = _adjoint.Pair(_edge_dot, _aggregate)


def _sum_over_channels(term, x: Array, y: Array, edges: Edges) -> Array:
    """Σ_c term(c, x[row, :, c], y[col, :, c]) per edge, `[E, H]`."""
    x, y, rows, cols = _fence((x, y, edges.rows, edges.cols))
    total = jnp.zeros((len(rows), x.shape[1]), x.dtype)
    for c in range(x.shape[2]):
        total = total + term(c, take(x[:, :, c], rows), take(y[:, :, c], cols))
    return _fence(total)


def _sum_over_slots(term, weights: Array, y: Array, tiles: Tiles, num_rows: int) -> Array:
    """Σ over the slots of every row of term(w_e, row, y[col_e]), `[num_rows, H, C]`."""
    empty = jnp.zeros((1, weights.shape[1]), weights.dtype)
    w = take(jnp.concatenate([weights, empty]), tiles.edge)
    w, y, neighbor = _fence((w, y, tiles.neighbor))
    partial = jnp.zeros((len(neighbor), *y.shape[1:]), y.dtype)
    for slot in range(neighbor.shape[1]):
        partial = partial + term(w[:, slot, :, None], tiles.row, take(y, neighbor[:, slot]))
    return jax.ops.segment_sum(
        _fence(partial),
        tiles.row,
        num_rows,
        indices_are_sorted=True,
        mode="promise_in_bounds",
    )


# --- GATv2 --------------------------------------------------------------------------------------------------


@partial(jax.custom_vjp, nondiff_argnums=(4,))
def _edge_gatv2(x: Array, y: Array, vector: Array, edges: Edges, negative_slope: float) -> Array:
    """Σ_c a_c LeakyReLU(x[row, c] + y[col, c]) per edge.

    LeakyReLU(z) = λ(z) z with λ ∈ {1, slope}. With P_i = Σ_{e: row_e = i} g_e λ(z_e) and R_j the same over
    columns, the gradients are dx = a ⊙ P, dy = a ⊙ R and da = Σ_i x_i ⊙ P_i + Σ_j y_j ⊙ R_j: two passes over
    tiles give all three.
    """

    def term(c, xi, yj):
        return vector[None, :, c] * jax.nn.leaky_relu(xi + yj, negative_slope)

    return _sum_over_channels(term, x, y, edges)


def _edge_gatv2_forward(x, y, vector, edges, negative_slope):
    return _edge_gatv2(x, y, vector, edges, negative_slope), (x, y, vector, edges)


def _edge_gatv2_backward(negative_slope, saved, g):
    x, y, vector, edges = saved

    def weighted_slopes(x, y, tiles):
        def term(w, row, yj):
            steep = take(x, row) + yj >= 0  # the derivative that jax.nn.leaky_relu takes at 0
            return w * jnp.where(steep, jnp.ones((), w.dtype), jnp.asarray(negative_slope, w.dtype))

        return _sum_over_slots(term, g, y, tiles, len(x))

    p, r = weighted_slopes(x, y, edges.by_row), weighted_slopes(y, x, edges.by_col)
    d_vector = (x * p).sum(0) + (y * r).sum(0)
    return vector[None] * p, vector[None] * r, d_vector, no_gradient(edges)


_edge_gatv2.defvjp(_edge_gatv2_forward, _edge_gatv2_backward)
