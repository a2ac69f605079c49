"""What the layers share: weighted sums over incoming edges, and degrees."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from graphattn_jax import ops
from graphattn_jax._dtypes import accumulation_dtype
from graphattn_jax.ops._segment import take
from graphattn_jax.typing import Array


def wide(x: Array) -> Array:
    """In float32 at least."""
    return x.astype(accumulation_dtype(x.dtype))


def edge_sum(weights: Array, value: Array, graph: Any, layout: Any) -> Array:
    """Σ_j w_ij v_j with a weight `[E]` per edge, `[N, D]`."""
    return ops.edge_aggregate(
        weights[:, None],
        value[:, None, :],
        graph.senders,
        graph.receivers,
        num_nodes=value.shape[0],
        layout=None if layout is None else layout.edges,
    )[:, 0]


def real_edges(graph: Any, layout: Any, dtype: Any) -> Array:
    """`[E]`: 1 for a real edge, 0 for one that the layout knows as padding."""
    if layout is None:
        return jnp.ones(graph.receivers.shape, dtype)
    return jnp.asarray(layout.edge_mask, dtype)


def in_degrees(weights: Array, graph: Any, num_nodes: int) -> Array:
    """Σ_j w_ij, `[N]`."""
    return ops.segment_sum(weights, graph.receivers, num_nodes)


def sender_rows(x: Array, graph: Any, layout: Any) -> Array:
    """x_j of every edge, `[E, D]`; the gradient sums over tiles instead of scattering rows."""
    if layout is None:
        return take(x, graph.senders)
    return _rows(x, graph.senders, layout.edge_mask, layout.edges.by_sender, x.shape[0])


def receiver_sum(rows: Array, graph: Any, layout: Any, num_nodes: int) -> Array:
    """Σ_j of a row `[E, D]` per real edge, `[N, D]`; the gradient is a gather."""
    if layout is None:
        return ops.segment_sum(rows, graph.receivers, num_nodes)
    tiles = layout.edges.by_receiver
    return _sums(rows, graph.receivers, layout.edge_mask, tiles, num_nodes)


# A gather of rows and a sum over tiles: each is the gradient of the other.


@partial(jax.custom_vjp, nondiff_argnums=(4,))
def _rows(x: Array, ids: Array, real: Array, tiles: ops.Tiles, num_nodes: int) -> Array:
    return take(x, ids)


@partial(jax.custom_vjp, nondiff_argnums=(4,))
def _sums(rows: Array, ids: Array, real: Array, tiles: ops.Tiles, num_nodes: int) -> Array:
    padded = jnp.concatenate([rows, jnp.zeros((1, rows.shape[1]), rows.dtype)])
    edge = jnp.asarray(tiles.edge)
    total = sum(
        (take(padded, edge[:, slot]) for slot in range(1, edge.shape[1])),
        start=take(padded, edge[:, 0]),
    )
    return jax.ops.segment_sum(
        total, jnp.asarray(tiles.row), num_nodes, indices_are_sorted=True, mode="promise_in_bounds"
    )


def _rows_backward(num_nodes: int, saved: Any, g: Array) -> tuple[Any, ...]:
    ids, real, tiles = saved
    return _sums(g, ids, real, tiles, num_nodes), *_no_gradient(ids, real, tiles)


def _sums_backward(num_nodes: int, saved: Any, g: Array) -> tuple[Any, ...]:
    ids, real, tiles = saved
    rows = jnp.where(jnp.asarray(real)[:, None], take(g, ids), 0)
    return rows, *_no_gradient(ids, real, tiles)


_rows.defvjp(
    lambda x, ids, real, tiles, n: (_rows(x, ids, real, tiles, n), (ids, real, tiles)),
    _rows_backward,
)
_sums.defvjp(
    lambda rows, ids, real, tiles, n: (_sums(rows, ids, real, tiles, n), (ids, real, tiles)),
    _sums_backward,
)


def _no_gradient(*trees: Any) -> tuple[Any, ...]:
    return jax.tree.map(lambda ids: np.zeros(ids.shape, jax.dtypes.float0), trees)
