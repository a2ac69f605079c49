"""How far attention weights are from symmetric and from doubly stochastic.

No publication defines the asymmetry of graph attention; the definitions are this library's. The
three numbers belong together: attention that has collapsed onto self-loops has a small `error`
whatever the rest does, which `off_diagonal_error` and `diagonal_mass` show.

Every function takes weights of edges with their pattern, or a dense matrix without. Edges are read as
the matrix `A[receiver, sender]` in which parallel edges add up, so that both forms agree.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax.diagnostics._sums import diagonal_mass, sums_of_existing
from graphattn_jax.diagnostics._weights import dense_weights, edge_weights, like
from graphattn_jax.ops import Attention, Edges, check_edges, segment_sum
from graphattn_jax.typing import Array, ArrayLike


class Symmetry(NamedTuple):
    """What `symmetry` reports; each entry is per head.

    Attributes:
      error: `||A - A^T||_F / ||A||_F`; 0 for symmetric, sqrt(2) for one-directional weights.
      off_diagonal_error: the same without the diagonal.
      diagonal_mass: mean of `A_ii` over the nodes, the attention that stays at home.
      row_sum_error: largest `|sum_j A_ij - 1|` over nodes that receive.
      column_sum_error: largest `|sum_i A_ij - 1|` over nodes that send.
    """

    error: Array
    off_diagonal_error: Array
    diagonal_mass: Array
    row_sum_error: Array
    column_sum_error: Array


def symmetry(
    weights: ArrayLike | Attention,
    edges: Edges | None = None,
    *,
    node_mask: ArrayLike | None = None,
    pairs: ArrayLike | None = None,
) -> Symmetry:
    """Asymmetry, self-attention and row and column sums of attention weights, in one report.

    The numbers to log for a layer that claims symmetric or doubly stochastic attention. Nodes
    without an incoming edge have no row sum, nodes without an outgoing edge no column sum; in a
    dense matrix such a node shows as a row or column of zeros.

    Args:
      weights: `[E]` or `[E, H]` with `edges`, or `[..., N, N]` indexed `[receiver, sender]`; an array or a
        `ga.ops.Attention`.
      edges: the pattern, `ga.graphs.pattern(graph)`; parallel edges add up. None for dense weights.
      node_mask: `[N]` bool (dense: `[..., N]`), True = real; pairs with another node count as 0.
      pairs: `[E]` from `unordered_pairs`, to save its sort. For edge weights only.

    Returns:
      A `Symmetry` of float32 arrays: scalars for `[E]`, `[H]` for `[E, H]`, `[...]` for dense.

    Raises:
      ValueError: shapes disagree, the pattern is bipartite, or `pairs` are given with dense weights.

    Cost: O(E log E), O(E) with `pairs`; dense O(N^2).
    Padding: exact under `node_mask`; without, padding nodes enter the diagonal's mean.

    Example:
      >>> import jax.numpy as jnp
      >>> import graphattn_jax as ga
      >>> report = ga.diagnostics.symmetry(jnp.array([[0.5, 0.5], [0.0, 1.0]]))
      >>> [round(float(x), 3) for x in report]
      [0.577, 1.414, 0.75, 0.0, 0.5]
    """
    rows, columns, has_row, has_column = sums_of_existing(weights, edges, node_mask)
    norms = _norms(weights, edges, node_mask, pairs)
    node_axis = -1 if edges is None else 0
    return Symmetry(
        error=root_ratio(norms.antisymmetric, norms.off_diagonal + norms.diagonal),
        off_diagonal_error=root_ratio(norms.antisymmetric, norms.off_diagonal),
        diagonal_mass=diagonal_mass(weights, edges, node_mask=node_mask),
        row_sum_error=_largest_deviation(rows, has_row, node_axis),
        column_sum_error=_largest_deviation(columns, has_column, node_axis),
    )


def symmetry_error(
    weights: ArrayLike | Attention,
    edges: Edges | None = None,
    *,
    node_mask: ArrayLike | None = None,
    pairs: ArrayLike | None = None,
) -> Array:
    """The relative asymmetry of attention weights, per head.

        e(A) = ||A - A^T||_F / ||A||_F

    0 for symmetric weights, sqrt(2) for non-negative weights of which no edge has a reverse, 2
    for antisymmetric ones. A missing reverse edge counts as a weight of 0. Differentiable, so
    that it can serve as a penalty. Report it together with the other entries of `symmetry`.

    Args:
      weights: `[E]` or `[E, H]` with `edges`, or `[..., N, N]` indexed `[receiver, sender]`; an array or a
        `ga.ops.Attention`.
      edges: the pattern, `ga.graphs.pattern(graph)`; parallel edges add up. None for dense weights.
      node_mask: `[N]` bool (dense: `[..., N]`), True = real; pairs with another node count as 0.
      pairs: `[E]` from `unordered_pairs`, to save its sort. For edge weights only.

    Returns:
      float32: scalar for `[E]`, `[H]` for `[E, H]`, `[...]` for dense. 0 for weights that are all
      zero, or without edges.

    Raises:
      ValueError: shapes disagree, the pattern is bipartite, or `pairs` are given with dense weights.

    Cost: O(E log E), O(E) with `pairs`; dense O(N^2).
    Padding: exact with the mask of the pattern, or under `node_mask`. Gradient: finite, zero where `A` is symmetric.

    Example:
      >>> import jax.numpy as jnp
      >>> import graphattn_jax as ga
      >>> star = ga.ops.Edges(jnp.array([1, 2]), jnp.array([0, 0]), num_senders=3)
      >>> round(float(ga.diagnostics.symmetry_error(jnp.array([0.25, 0.75]), star)), 3)
      1.414
    """
    norms = _norms(weights, edges, node_mask, pairs)
    return root_ratio(norms.antisymmetric, norms.off_diagonal + norms.diagonal)


def off_diagonal_symmetry_error(
    weights: ArrayLike | Attention,
    edges: Edges | None = None,
    *,
    node_mask: ArrayLike | None = None,
    pairs: ArrayLike | None = None,
) -> Array:
    """`symmetry_error` with the diagonal left out: the asymmetry of attention between nodes.

    Where nodes attend mostly to themselves, the diagonal dominates `||A||` and `symmetry_error`
    is small; this one is not.

    Args:
      weights: `[E]` or `[E, H]` with `edges`, or `[..., N, N]` indexed `[receiver, sender]`; an array or a
        `ga.ops.Attention`.
      edges: the pattern, `ga.graphs.pattern(graph)`; parallel edges add up. None for dense weights.
      node_mask: `[N]` bool (dense: `[..., N]`), True = real; pairs with another node count as 0.
      pairs: `[E]` from `unordered_pairs`, to save its sort. For edge weights only.

    Returns:
      float32, shaped as from `symmetry_error`. 0 where all weights off the diagonal are zero.

    Raises:
      ValueError: shapes disagree, the pattern is bipartite, or `pairs` are given with dense weights.

    Cost: O(E log E), O(E) with `pairs`; dense O(N^2).
    Padding: exact with the mask of the pattern, or under `node_mask`. Gradient: finite, zero where `A` is symmetric.

    Example:
      >>> import jax.numpy as jnp
      >>> import graphattn_jax as ga
      >>> collapsed = jnp.array([[0.99, 0.01], [0.0, 1.0]])
      >>> round(float(ga.diagnostics.symmetry_error(collapsed)), 3)
      0.01
      >>> round(float(ga.diagnostics.off_diagonal_symmetry_error(collapsed)), 3)
      1.414
    """
    norms = _norms(weights, edges, node_mask, pairs)
    return root_ratio(norms.antisymmetric, norms.off_diagonal)


def unordered_pairs(edges: Edges) -> Array:
    """An id for each edge that it shares with its reverse and its parallel edges, and no others.

    The costly part of `symmetry_error` on edges: compute it once for a graph that is measured in
    every step.

    Args:
      edges: the pattern, `ga.graphs.pattern(graph)`; its mask does not matter.

    Returns:
      `[E]` int32 in `[0, E)`.

    Raises:
      ValueError: the pattern is bipartite.

    Cost: O(E log E), one sort of the edges.

    Example:
      >>> import jax.numpy as jnp
      >>> import graphattn_jax as ga
      >>> edges = ga.ops.Edges(jnp.array([0, 1, 2, 1]), jnp.array([1, 0, 2, 2]), num_senders=3)
      >>> ga.diagnostics.unordered_pairs(edges).tolist()
      [0, 0, 2, 1]
    """
    check_edges(edges, allow_bipartite=False)
    senders, receivers = jnp.asarray(edges.senders), jnp.asarray(edges.receivers)
    low, high = jnp.minimum(senders, receivers), jnp.maximum(senders, receivers)
    order = jnp.lexsort((high, low))
    starts = (jnp.diff(low[order]) != 0) | (jnp.diff(high[order]) != 0)
    sorted_ids = jnp.zeros(order.shape, jnp.int32).at[1:].set(jnp.cumsum(starts, dtype=jnp.int32))
    return jnp.zeros_like(sorted_ids).at[order].set(sorted_ids, unique_indices=True)


class _Norms(NamedTuple):
    """Squared Frobenius norms of `A - A^T`, of `A` off its diagonal and on it."""

    antisymmetric: Array
    off_diagonal: Array
    diagonal: Array


def _norms(
    weights: ArrayLike | Attention,
    edges: Edges | None,
    node_mask: ArrayLike | None,
    pairs: ArrayLike | None,
) -> _Norms:
    if edges is None:
        matrix = dense_weights(weights, node_mask, pairs=pairs)
        eye = jnp.broadcast_to(jnp.eye(matrix.shape[-1], dtype=bool), matrix.shape)
        square = jnp.square(matrix)
        return _Norms(
            antisymmetric=jnp.square(matrix - matrix.mT).sum(axis=(-2, -1)),
            off_diagonal=jnp.where(eye, 0, square).sum(axis=(-2, -1)),
            diagonal=jnp.where(eye, square, 0).sum(axis=(-2, -1)),
        )
    values, senders, receivers, _ = edge_weights(weights, edges, node_mask)
    if pairs is None:
        pairs = unordered_pairs(edges)
    _checks.ids("pairs", pairs, edges.num_edges)
    # Each pair {i, j} as the entries A_ij, A_ji and, for i = j, A_ii: parallel edges add up here,
    # and a missing reverse is the 0 that no edge adds to.
    kinds = (senders < receivers, senders > receivers, senders == receivers)
    entries = jnp.stack([jnp.where(like(kind, values), values, 0) for kind in kinds], axis=1)
    forward, backward, diagonal = jnp.unstack(segment_sum(entries, pairs, len(pairs)), axis=1)
    return _Norms(
        antisymmetric=2 * jnp.square(forward - backward).sum(axis=0),
        off_diagonal=(jnp.square(forward) + jnp.square(backward)).sum(axis=0),
        diagonal=jnp.square(diagonal).sum(axis=0),
    )


def _largest_deviation(sums: Array, exists: Array, node_axis: int) -> Array:
    deviation = jnp.where(exists, jnp.abs(sums - 1), 0)
    return deviation.max(axis=node_axis, initial=0)


def root_ratio(numerator: Array, denominator: Array) -> Array:
    """`sqrt(numerator / denominator)`; 0 with gradient 0 where either is 0."""
    positive = (numerator > 0) & (denominator > 0)
    ratio = jnp.where(positive, numerator, 1) / jnp.where(positive, denominator, 1)
    return jnp.where(positive, jnp.sqrt(ratio), 0)
