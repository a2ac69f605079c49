"""The two ops that sparse attention is composed of, each other's gradient.

With x at the receivers i, y at the senders j of the edges, w on the edges:

    edge_dot(x, y)_e   = Σ_c x[i_e, c] y[j_e, c]            d/dx = aggregate(g, y)    d/dy = aggregateᵀ(g, x)
    aggregate(w, y)_i  = Σ_{e: i_e = i} w_e y[j_e]          d/dw = edge_dot(g, y)     d/dy = aggregateᵀ(w, g)

with ᵀ the same op over the transposed edges. An implementation brings the two as plain functions, a `Pair`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax

from graphattn_jax.ops._no_gradient import no_gradient
from graphattn_jax.ops._pattern import Edges
from graphattn_jax.typing import Array

__all__ = ["Pair", "aggregate", "edge_dot"]


class Pair(NamedTuple):
    """edge_dot(x, y, edges) -> [E, H] and aggregate(w, y, edges) -> [N_r, H, C]."""

    edge_dot: Callable[..., Array]
    aggregate: Callable[..., Array]


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def edge_dot(pair: Pair, x: Array, y: Array, edges: Edges) -> Array:
    """Σ_c x[receiver, c] y[sender, c] per edge, `[E, H]`."""
    return pair.edge_dot(x, y, edges)


def _edge_dot_forward(pair, x, y, edges):
    return edge_dot(pair, x, y, edges), (x, y, edges)


def _edge_dot_backward(pair, saved, g):
    x, y, edges = saved
    return aggregate(pair, g, y, edges), aggregate(pair, g, x, edges.T), no_gradient(edges)


edge_dot.defvjp(_edge_dot_forward, _edge_dot_backward)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def aggregate(pair: Pair, weights: Array, y: Array, edges: Edges) -> Array:
    """Σ_e w_e y[sender_e] over the edges of each receiver, `[N_r, H, C]`."""
    return pair.aggregate(weights, y, edges)


def _aggregate_forward(pair, weights, y, edges):
    return aggregate(pair, weights, y, edges), (weights, y, edges)


def _aggregate_backward(pair, saved, g):
    weights, y, edges = saved
    dy = aggregate(pair, weights, g, edges.T)
    return edge_dot(pair, g, y, edges), dy, no_gradient(edges)


aggregate.defvjp(_aggregate_forward, _aggregate_backward)
