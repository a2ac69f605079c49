"""Sparse attention that XLA fuses well: per-channel gathers, neighbour tiles, and no scatter of rows.

Two ops are each other's gradient (x at the rows, y at the columns of the edges, w on the edges):

    edge_dot(x, y)_e   = Σ_c x[row_e, c] y[col_e, c]        d/dx = aggregate(g, y)    d/dy = aggregateᵀ(g, x)
    aggregate(w, y)_i  = Σ_{e: row_e = i} w_e y[col_e]      d/dw = edge_dot(g, y)     d/dy = aggregateᵀ(w, g)

with ᵀ the same op over the transposed edges. Written channel by channel and tile slot by tile slot, their
gathers fuse into the arithmetic, so that no [E, H, C] array is materialised; what is saved for the backward
pass is [E, H] or [N, H, C]. The barriers keep XLA from undoing that by fusing across the two.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from graphattn_jax.ops._edge_attention._scores import AdditiveScore, DotScore, OneWayScore
from graphattn_jax.ops._layout import EdgeLayout, Tiles, check_layout
from graphattn_jax.ops._segment import take
from graphattn_jax.typing import Array

_fence = jax.lax.optimization_barrier


class _Edges(NamedTuple):
    """Edges as (row, col) pairs, with the tiles of the rows and of the columns."""

    rows: Array
    cols: Array
    by_row: Tiles
    by_col: Tiles

    @property
    def T(self) -> _Edges:
        return _Edges(self.cols, self.rows, self.by_col, self.by_row)


def _edges(senders, receivers, layout: EdgeLayout | None) -> _Edges:
    layout = check_layout("xla", layout, senders)
    return _Edges(receivers, senders, layout.by_receiver, layout.by_sender)


def scores(
    query: Array, key: Array, senders: Array, receivers: Array, score: OneWayScore, layout
) -> Array:
    """`[E, H]` logits."""
    if isinstance(score, AdditiveScore):
        z = take(query, receivers) + take(key, senders)
        return jax.nn.leaky_relu(z if score.edge is None else z + score.edge, score.negative_slope)
    edges = _edges(senders, receivers, layout)
    if score.edge is not None:
        raise NotImplementedError(
            f"implementation='xla' has no {type(score).__name__} with edge features. "
            "Fix: implementation=None."
        )
    if isinstance(score, DotScore):
        return _edge_dot(query * jnp.asarray(score.scale, query.dtype), key, edges)
    vector = jnp.asarray(score.vector).astype(query.dtype)
    return _edge_gatv2(query, key, vector, edges, score.negative_slope)


def aggregate(
    weights: Array, value: Array, senders: Array, receivers: Array, num_nodes: int, layout
) -> Array:
    """Σ_j w_ij v_j, `[N, H, C]`."""
    return _aggregate(weights, value, _edges(senders, receivers, layout), num_nodes)


def _no_gradient(edges: _Edges):
    return jax.tree.map(lambda ids: np.zeros(ids.shape, jax.dtypes.float0), edges)


# --- dot product --------------------------------------------------------------------------------------------


@jax.custom_vjp
def _edge_dot(x: Array, y: Array, edges: _Edges) -> Array:
    return _sum_over_channels(lambda c, xi, yj: xi * yj, x, y, edges)


def _edge_dot_forward(x, y, edges):
    return _edge_dot(x, y, edges), (x, y, edges)


def _edge_dot_backward(saved, g):
    x, y, edges = saved
    return _aggregate(g, y, edges, len(x)), _aggregate(g, x, edges.T, len(y)), _no_gradient(edges)


_edge_dot.defvjp(_edge_dot_forward, _edge_dot_backward)


def _sum_over_channels(term, x: Array, y: Array, edges: _Edges) -> Array:
    """Σ_c term(c, x[row, :, c], y[col, :, c]) per edge, `[E, H]`."""
    x, y, rows, cols = _fence((x, y, edges.rows, edges.cols))
    total = jnp.zeros((len(rows), x.shape[1]), x.dtype)
    for c in range(x.shape[2]):
        total = total + term(c, take(x[:, :, c], rows), take(y[:, :, c], cols))
    return _fence(total)


# --- aggregation --------------------------------------------------------------------------------------------


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def _aggregate(weights: Array, y: Array, edges: _Edges, num_rows: int) -> Array:
    return _sum_over_slots(lambda w, row, yj: w * yj, weights, y, edges.by_row, num_rows)


def _aggregate_forward(weights, y, edges, num_rows):
    return _aggregate(weights, y, edges, num_rows), (weights, y, edges)


def _aggregate_backward(num_rows, saved, g):
    weights, y, edges = saved
    return _edge_dot(g, y, edges), _aggregate(weights, g, edges.T, len(y)), _no_gradient(edges)


_aggregate.defvjp(_aggregate_forward, _aggregate_backward)


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
def _edge_gatv2(x: Array, y: Array, vector: Array, edges: _Edges, negative_slope: float) -> Array:
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
    return vector[None] * p, vector[None] * r, d_vector, _no_gradient(edges)


_edge_gatv2.defvjp(_edge_gatv2_forward, _edge_gatv2_backward)
