"""The sum of rectified messages of GINE, in a C++ kernel on the CPU."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from graphattn_jax.message_passing._aggregation import receiver_sum, sender_rows
from graphattn_jax.ops import _native
from graphattn_jax.ops._edge_attention._adjoint import no_gradient
from graphattn_jax.ops._layout import Tiles
from graphattn_jax.ops._platform import on_cpu
from graphattn_jax.typing import Array

__all__ = ["composed_sum", "rectified_sum"]


def rectified_sum(x: Array, edges: Array, graph: Any, layout: Any) -> Array:
    """Σ_j ReLU(x_j + e_ij), `[N, D]`, of x `[N, D]` and edges `[E, D]`, both wide.

    By the C++ kernels where they are built and there is a layout, without an array of messages.
    """
    if layout is not None and on_cpu():
        try:
            return _sum(x, edges, graph._replace(nodes=None, edges=None, globals=None), layout)
        except NotImplementedError:
            pass
    return composed_sum(x, edges, graph, layout)


def composed_sum(x: Array, edges: Array, graph: Any, layout: Any) -> Array:
    """The same by ordinary operations: the reference of the kernels."""
    messages = jax.nn.relu(sender_rows(x, graph, layout) + edges)
    return receiver_sum(messages, graph, layout, x.shape[0])


@jax.custom_vjp
def _sum(x: Array, edges: Array, graph: Any, layout: Any) -> Array:
    out = jax.ShapeDtypeStruct(x.shape, x.dtype)
    return _native.call("rectified_sum", out, x, edges, *_indices(layout.edges.by_receiver))


@jax.custom_vjp
def _gradients(x: Array, edges: Array, g: Array, graph: Any, layout: Any) -> tuple[Array, Array]:
    """de_ij = g_i [x_j + e_ij > 0], and its sum over the edges of each sender."""
    results = [jax.ShapeDtypeStruct(a.shape, a.dtype) for a in (x, edges)]
    tiles = (*_indices(layout.edges.by_receiver), *_indices(layout.edges.by_sender))
    dx, d_edges = _native.call("rectified_sum_backward", results, x, edges, *tiles, g)
    return dx, d_edges


def _indices(tiles: Tiles) -> tuple[Array, ...]:
    return tuple(jnp.asarray(x) for x in (tiles.neighbor, tiles.edge, tiles.start))


def _sum_forward(x, edges, graph, layout):
    return _sum(x, edges, graph, layout), (x, edges, graph, layout)


def _sum_backward(saved, g):
    x, edges, *fixed = saved
    return *_gradients(x, edges, g, *fixed), *no_gradient(fixed)


def _gradients_forward(x, edges, g, graph, layout):
    return _gradients(x, edges, g, graph, layout), (x, edges, g, graph, layout)


def _gradients_backward(saved, second):
    # Second derivatives are those of the composition.
    *arrays, graph, layout = saved

    def gradients(x, edges, g):
        return jax.vjp(lambda x, edges: composed_sum(x, edges, graph, layout), x, edges)[1](g)

    return *jax.vjp(gradients, *arrays)[1](second), *no_gradient([graph, layout])


_sum.defvjp(_sum_forward, _sum_backward)
_gradients.defvjp(_gradients_forward, _gradients_backward)
