"""Sums over the rows, the columns and the diagonal of attention weights."""

from __future__ import annotations

import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax.diagnostics._weights import (
    dense_nodes,
    dense_weights,
    edge_nodes,
    edge_weights,
    endpoints,
    like,
)
from graphattn_jax.ops import segment_sum
from graphattn_jax.typing import Array, ArrayLike


def diagonal_mass(
    weights: ArrayLike,
    senders: ArrayLike | None = None,
    receivers: ArrayLike | None = None,
    *,
    num_nodes: int | None = None,
    where: ArrayLike | None = None,
    node_mask: ArrayLike | None = None,
) -> Array:
    """The mean attention of a node to itself, per head: `mean_i A_ii` over the real nodes.

    1 for attention that never leaves its node, 0 without self-loops.

    Args:
      weights: edge weights `[E]` or `[E, H]`, or `[..., N, N]` indexed `[receiver, sender]`.
      senders, receivers: `[E]` integer, any order; parallel edges add up. None for dense weights.
      num_nodes: static number of nodes; needed for edge weights without `node_mask`.
      where: `[E]` bool, True = real edge. For edge weights only.
      node_mask: `[N]` bool (dense: `[..., N]`), True = real.

    Returns:
      float32, shaped as from `symmetry_error`. 0 without real nodes.

    Raises:
      ValueError: shapes disagree, or the number of nodes is unknown.

    Cost: O(E); dense O(N^2).
    Padding: exact under `node_mask`.

    Example:
      >>> import jax.numpy as jnp
      >>> import graphattn_jax as ga
      >>> round(float(ga.diagnostics.diagonal_mass(jnp.array([[0.9, 0.1], [0.5, 0.5]]))), 3)
      0.7
    """
    ends = endpoints(senders, receivers)
    if ends is None:
        matrix = dense_weights(weights, node_mask, where=where)
        diagonal = jnp.diagonal(matrix, axis1=-2, axis2=-1).sum(axis=-1)
        count = dense_nodes(node_mask, matrix.shape).sum(axis=-1, dtype=diagonal.dtype)
    else:
        edges, _ = edge_weights(weights, ends, where, node_mask)
        is_loop = ends[0] == ends[1]
        diagonal = jnp.where(like(is_loop, edges), edges, 0).sum(axis=0)
        count = edge_nodes(node_mask, num_nodes).sum(dtype=diagonal.dtype)
    return diagonal / jnp.maximum(count, 1)


def row_column_sums(
    weights: ArrayLike,
    senders: ArrayLike | None = None,
    receivers: ArrayLike | None = None,
    *,
    num_nodes: int | None = None,
    where: ArrayLike | None = None,
    node_mask: ArrayLike | None = None,
) -> tuple[Array, Array]:
    """How much attention each node gives (its row) and gets (its column).

        row_i = sum_j A_ij,   column_j = sum_i A_ij

    Softmax makes every row of a receiver 1; the column sums tell which nodes attention favours.
    Both are 1 for doubly stochastic weights.

    Args:
      weights: edge weights `[E]` or `[E, H]`, or `[..., N, N]` indexed `[receiver, sender]`.
      senders, receivers: `[E]` integer, any order. None for dense weights.
      num_nodes: static number of nodes; needed for edge weights without `node_mask`.
      where: `[E]` bool, True = real edge. For edge weights only.
      node_mask: `[N]` bool (dense: `[..., N]`), True = real.

    Returns:
      `(rows, columns)` float32, each `[N]`, `[N, H]` or dense `[..., N]`; 0 for nodes without
        edges.

    Raises:
      ValueError: shapes disagree, or the number of nodes is unknown.

    Cost: O(E); dense O(N^2).
    Padding: exact; the sums of padding nodes are 0 under a mask.

    Example:
      >>> import jax.numpy as jnp
      >>> import graphattn_jax as ga
      >>> star = jnp.array([0.25, 0.75]), jnp.array([1, 2]), jnp.array([0, 0])
      >>> rows, columns = ga.diagnostics.row_column_sums(*star, num_nodes=3)
      >>> rows.tolist(), columns.tolist()
      ([1.0, 0.0, 0.0], [0.0, 0.25, 0.75])
    """
    return sums_of_existing(weights, senders, receivers, num_nodes, where, node_mask)[:2]


def sums_of_existing(
    weights: ArrayLike,
    senders: ArrayLike | None,
    receivers: ArrayLike | None,
    num_nodes: int | None,
    where: ArrayLike | None,
    node_mask: ArrayLike | None,
) -> tuple[Array, Array, Array, Array]:
    """Row sums, column sums, and which nodes have a row and a column at all."""
    ends = endpoints(senders, receivers)
    if ends is None:
        matrix = dense_weights(weights, node_mask, where=where)
        nonzero = matrix != 0
        return matrix.sum(-1), matrix.sum(-2), nonzero.any(-1), nonzero.any(-2)
    senders, receivers = ends
    edges, real = edge_weights(weights, ends, where, node_mask)
    num_nodes = edge_nodes(node_mask, num_nodes).shape[0]
    _checks.ids_in_range("senders", senders, num_nodes)
    _checks.ids_in_range("receivers", receivers, num_nodes)
    rows, columns = (segment_sum(edges, ids, num_nodes) for ids in (receivers, senders))
    receives, sends = (
        like(segment_sum(real.astype(jnp.int32), ids, num_nodes) > 0, rows)
        for ids in (receivers, senders)
    )
    return rows, columns, receives, sends
