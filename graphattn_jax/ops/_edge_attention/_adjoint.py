"""The two ops that sparse attention is composed of, each other's gradient.

With x at the rows, y at the columns of the edges, w on the edges:

    edge_dot(x, y)_e   = Σ_c x[row_e, c] y[col_e, c]        d/dx = aggregate(g, y)    d/dy = aggregateᵀ(g, x)
    aggregate(w, y)_i  = Σ_{e: row_e = i} w_e y[col_e]      d/dw = edge_dot(g, y)     d/dy = aggregateᵀ(w, g)

with ᵀ the same op over the transposed edges. An implementation brings the two as plain functions, a `Pair`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from graphattn_jax.ops._layout import EdgeLayout, Tiles, check_layout
from graphattn_jax.typing import Array

__all__ = ["Edges", "Pair", "aggregate", "edge_dot", "no_gradient", "tiled_edges"]


class Edges(NamedTuple):
    """Edges as (row, col) pairs, with the tiles of the rows and of the columns."""

    rows: Array
    cols: Array
    by_row: Tiles
    by_col: Tiles

    @property
    def T(self) -> Edges:
        return Edges(self.cols, self.rows, self.by_col, self.by_row)


class Pair(NamedTuple):
    """edge_dot(x, y, edges) -> [E, H] and aggregate(w, y, edges, num_rows) -> [num_rows, H, C]."""

    edge_dot: Callable[..., Array]
    aggregate: Callable[..., Array]


def tiled_edges(implementation: str, senders, receivers, layout: EdgeLayout | None) -> Edges:
    """The edges with receivers as rows; an implementation over tiles has none without a layout."""
    layout = check_layout(implementation, layout, senders)
    return Edges(receivers, senders, layout.by_receiver, layout.by_sender)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def edge_dot(pair: Pair, x: Array, y: Array, edges: Edges) -> Array:
    """Σ_c x[row, c] y[col, c] per edge, `[E, H]`."""
    return pair.edge_dot(x, y, edges)


def _edge_dot_forward(pair, x, y, edges):
    return edge_dot(pair, x, y, edges), (x, y, edges)


def _edge_dot_backward(pair, saved, g):
    x, y, edges = saved
    dx = aggregate(pair, g, y, edges, len(x))
    return dx, aggregate(pair, g, x, edges.T, len(y)), no_gradient(edges)


edge_dot.defvjp(_edge_dot_forward, _edge_dot_backward)


@partial(jax.custom_vjp, nondiff_argnums=(0, 4))
def aggregate(pair: Pair, weights: Array, y: Array, edges: Edges, num_rows: int) -> Array:
    """Σ_e w_e y[col_e] over the edges of each row, `[num_rows, H, C]`."""
    return pair.aggregate(weights, y, edges, num_rows)


def _aggregate_forward(pair, weights, y, edges, num_rows):
    return aggregate(pair, weights, y, edges, num_rows), (weights, y, edges)


def _aggregate_backward(pair, num_rows, saved, g):
    weights, y, edges = saved
    dy = aggregate(pair, weights, g, edges.T, len(y))
    return edge_dot(pair, g, y, edges), dy, no_gradient(edges)


aggregate.defvjp(_aggregate_forward, _aggregate_backward)


def no_gradient(ids: Any) -> Any:
    """The cotangent of integers and masks."""
    return jax.tree.map(lambda x: np.zeros(x.shape, jax.dtypes.float0), ids)
