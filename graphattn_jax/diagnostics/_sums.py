"""Sums over the rows, the columns and the diagonal of attention weights."""

from __future__ import annotations

import jax.numpy as jnp

from graphattn_jax.diagnostics._weights import (
    dense_nodes,
    dense_weights,
    edge_nodes,
    edge_weights,
    like,
)
from graphattn_jax.ops import Attention, Edges, segment_sum
from graphattn_jax.typing import Array, ArrayLike


def diagonal_mass(
    weights: ArrayLike | Attention,
    edges: Edges | None = None,
    *,
    node_mask: ArrayLike | None = None,
) -> Array:
    """The mean attention of a node to itself, per head: `mean_i A_ii` over the real nodes.

    1 for attention that never leaves its node, 0 without self-loops.

    Args:
      weights: `[E]` or `[E, H]` with `edges`, or `[..., N, N]` indexed `[receiver, sender]`; an array or a
        `ga.ops.Attention`.
      edges: the pattern, `ga.graphs.pattern(graph)`; parallel edges add up. None for dense weights.
      node_mask: `[N]` bool (dense: `[..., N]`), True = real. None = all.

    Returns:
      float32, shaped as from `symmetry_error`. 0 without real nodes.

    Raises:
      ValueError: shapes disagree, or the pattern is bipartite.

    Cost: O(E); dense O(N^2).
    Padding: exact under `node_mask`; without, padding nodes enter the mean.

    Example:
      >>> import jax.numpy as jnp
      >>> import graphattn_jax as ga
      >>> round(float(ga.diagnostics.diagonal_mass(jnp.array([[0.9, 0.1], [0.5, 0.5]]))), 3)
      0.7
    """
    if edges is None:
        matrix = dense_weights(weights, node_mask)
        diagonal = jnp.diagonal(matrix, axis1=-2, axis2=-1).sum(axis=-1)
        count = dense_nodes(node_mask, matrix.shape).sum(axis=-1, dtype=diagonal.dtype)
    else:
        read = edge_weights(weights, edges, node_mask)
        is_loop = like(read.senders == read.receivers, read.weights)
        diagonal = jnp.where(is_loop, read.weights, 0).sum(axis=0)
        count = edge_nodes(node_mask, edges).sum(dtype=diagonal.dtype)
    return diagonal / jnp.maximum(count, 1)


def row_column_sums(
    weights: ArrayLike | Attention,
    edges: Edges | None = None,
    *,
    node_mask: ArrayLike | None = None,
) -> tuple[Array, Array]:
    """How much attention each node gives (its row) and gets (its column).

        row_i = sum_j A_ij,   column_j = sum_i A_ij

    Softmax makes every row of a receiver 1; the column sums tell which nodes attention favours.
    Both are 1 for doubly stochastic weights.

    Args:
      weights: `[E]` or `[E, H]` with `edges`, or `[..., N, N]` indexed `[receiver, sender]`; an array or a
        `ga.ops.Attention`.
      edges: the pattern, `ga.graphs.pattern(graph)`, also a bipartite one. None for dense weights.
      node_mask: `[N]` bool (dense: `[..., N]`), True = real. None = all.

    Returns:
      `(rows, columns)` float32, each `[N]`, `[N, H]` or dense `[..., N]`; 0 for nodes without edges. Rows of a
        bipartite pattern are receivers, columns senders.

    Raises:
      ValueError: shapes disagree.

    Cost: O(E); dense O(N^2).
    Padding: exact; the sums of padding nodes are 0 under a mask.

    Example:
      >>> import jax.numpy as jnp
      >>> import graphattn_jax as ga
      >>> star = ga.ops.Edges(jnp.array([1, 2]), jnp.array([0, 0]), num_senders=3)
      >>> rows, columns = ga.diagnostics.row_column_sums(jnp.array([0.25, 0.75]), star)
      >>> rows.tolist(), columns.tolist()
      ([1.0, 0.0, 0.0], [0.0, 0.25, 0.75])
    """
    return sums_of_existing(weights, edges, node_mask)[:2]


def sums_of_existing(
    weights: ArrayLike | Attention, edges: Edges | None, node_mask: ArrayLike | None
) -> tuple[Array, Array, Array, Array]:
    """Row sums, column sums, and which nodes have a row and a column at all."""
    if edges is None:
        matrix = dense_weights(weights, node_mask)
        nonzero = matrix != 0
        return matrix.sum(-1), matrix.sum(-2), nonzero.any(-1), nonzero.any(-2)
    read = edge_weights(weights, edges, node_mask, allow_bipartite=True)
    sides = ((read.receivers, edges.num_rows), (read.senders, edges.num_senders))
    rows, columns = (segment_sum(read.weights, ids, size) for ids, size in sides)
    receives, sends = (
        like(segment_sum(read.real.astype(jnp.int32), ids, size) > 0, rows) for ids, size in sides
    )
    return rows, columns, receives, sends
