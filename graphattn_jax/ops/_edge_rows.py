"""Rows of nodes on their edges, and sums of rows over the edges of a node: each is the gradient of the other."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax._dtypes import wide
from graphattn_jax.ops._no_gradient import no_gradient
from graphattn_jax.ops._pattern import Edges, check_edges
from graphattn_jax.ops._segment import segment_sum, take
from graphattn_jax.typing import Array, ArrayLike

__all__ = ["real_or_zero", "receiver_sum", "sender_rows"]


def sender_rows(x: ArrayLike, edges: Edges) -> Array:
    """The row of its sender on every edge: x_j for an edge from j to i.

    Args:
      x: of the senders, `[N_s, ...]` floating point.
      edges: the pattern.

    Returns:
      `[E, ...]` in the dtype of `x`; masked edges get 0.

    Raises:
      ValueError: shapes, ids.

    Cost: one gather. With a layout the gradient is a sum over tiles, without one a scatter of rows.
    Padding: exact with a mask.

    Example:
      >>> import jax.numpy as jnp, graphattn_jax as ga
      >>> edges = ga.ops.Edges(jnp.array([0, 1, 2]), jnp.array([1, 1, 0]), num_senders=3)
      >>> ga.ops.sender_rows(jnp.array([[1.0], [2.0], [4.0]]), edges).tolist()
      [[1.0], [2.0], [4.0]]
    """
    check_edges(edges)
    _checks.floating("x", x)
    _checks.shape("x", x, (edges.num_senders, *x.shape[1:]))
    x = jnp.asarray(x)
    return _rows(x, edges) if edges.layout is None else _rows_of_tiles(x, edges)


def receiver_sum(rows: ArrayLike, edges: Edges) -> Array:
    """The sum of the rows on the incoming edges of each receiver: Σ_j of the rows of the edges from j to i.

    Args:
      rows: `[E, ...]` floating point.
      edges: the pattern.

    Returns:
      `[N_r, ...]` in the dtype of `rows`, accumulated in float32. Receivers without edges get 0.

    Raises:
      ValueError: shapes, ids.

    Cost: with a layout a sum over tiles, without one a scatter of rows. The gradient is a gather.
    Padding: exact with a mask; what the rows of masked edges hold does not matter.

    Example:
      >>> import jax.numpy as jnp, graphattn_jax as ga
      >>> edges = ga.ops.Edges(jnp.array([0, 1, 2]), jnp.array([1, 1, 0]), num_senders=3)
      >>> ga.ops.receiver_sum(jnp.array([[1.0], [2.0], [4.0]]), edges).tolist()
      [[4.0], [3.0], [0.0]]
    """
    check_edges(edges)
    _checks.floating("rows", rows)
    _checks.shape("rows", rows, (edges.num_edges, *rows.shape[1:]))
    rows = jnp.asarray(rows)
    if edges.layout is None:
        return segment_sum(rows, edges.receivers, edges.num_rows, where=edges.mask)
    return _sums_of_tiles(rows, edges)


def _rows(x: Array, edges: Edges) -> Array:
    # Widened so that a gradient by a scatter is summed in float32.
    return real_or_zero(take(wide(x), edges.senders), edges).astype(x.dtype)


def real_or_zero(rows: Array, edges: Edges) -> Array:
    """Rows of edges with 0 on masked ones: 0 · NaN is not 0, so what is masked is not multiplied but replaced.

    Args:
      rows: `[E, ...]`.
      edges: the pattern.

    Returns:
      `[E, ...]`; the rows as they are where no edge is masked.

    Cost: one select.

    Example:
      >>> import jax.numpy as jnp, graphattn_jax as ga
      >>> edges = ga.ops.Edges(jnp.array([0, 1]), jnp.array([1, 0]), 2, mask=jnp.array([True, False]))
      >>> ga.ops.real_or_zero(jnp.array([1.0, jnp.nan]), edges).tolist()
      [1.0, 0.0]
    """
    if edges.mask is None:
        return rows
    real = jnp.asarray(edges.mask).reshape(-1, *(1,) * (rows.ndim - 1))
    return jnp.where(real, rows, 0)


# --- with a layout ------------------------------------------------------------------------------------------


@jax.custom_vjp
def _rows_of_tiles(x: Array, edges: Edges) -> Array:
    return _rows(x, edges)


@jax.custom_vjp
def _sums_of_tiles(rows: Array, edges: Edges) -> Array:
    widened = wide(real_or_zero(rows, edges))
    padded = jnp.concatenate([widened, jnp.zeros((1, *rows.shape[1:]), widened.dtype)])
    edge = jnp.asarray(edges.tiles.edge)
    total = sum(
        (take(padded, edge[:, slot]) for slot in range(1, edge.shape[1])),
        start=take(padded, edge[:, 0]),
    )
    return jax.ops.segment_sum(
        total,
        jnp.asarray(edges.tiles.row),
        edges.num_rows,
        indices_are_sorted=True,
        mode="promise_in_bounds",
    ).astype(rows.dtype)


def _rows_backward(edges: Edges, g: Array) -> tuple[Array, Any]:
    return _sums_of_tiles(g, edges.T), no_gradient(edges)


def _sums_backward(edges: Edges, g: Array) -> tuple[Array, Any]:
    return _rows_of_tiles(g, edges.T), no_gradient(edges)


_rows_of_tiles.defvjp(lambda x, edges: (_rows_of_tiles(x, edges), edges), _rows_backward)
_sums_of_tiles.defvjp(lambda rows, edges: (_sums_of_tiles(rows, edges), edges), _sums_backward)
