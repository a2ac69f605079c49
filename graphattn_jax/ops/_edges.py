"""Relations between the edges of one edge list."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from graphattn_jax import _checks
from graphattn_jax.ops._sorted_edges import matched_reverse, sort_edges
from graphattn_jax.typing import Array, ArrayLike

__all__ = ["reverse_edges"]


def reverse_edges(
    senders: ArrayLike, receivers: ArrayLike, *, where: ArrayLike | None = None
) -> ArrayLike:
    """For each edge j → i, the id of an edge i → j.

    A self-loop is its own reverse. Among duplicates the k-th copy of j → i is paired with the k-th copy of
    i → j, so that `reverse[reverse[e]] == e` wherever a reverse exists.

    Args:
      senders: `[E]` integers.
      receivers: `[E]` integers.
      where: `[E]` bool, True = real; the others have no reverse and are none. None = all.

    Returns:
      `[E]` int32, -1 where there is no reverse edge. numpy in, numpy out; JAX arrays stay on the device and
      may be traced.

    Raises:
      ValueError: ids are not integers, lengths disagree, or `where` is not boolean.

    Cost: O(E) in numpy where ids count up from 0, a sort of the 2E directed pairs otherwise.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> ga.ops.reverse_edges(np.array([0, 1, 2, 2]), np.array([1, 0, 2, 0])).tolist()
      [1, 0, 2, -1]
    """
    _checks.ids("senders", senders)
    _checks.ids("receivers", receivers, senders.shape[0])
    if where is not None:
        _checks.mask("where", where, senders.shape[0])
    if any(isinstance(x, jax.Array) for x in (senders, receivers, where)):
        return _by_sorting(senders, receivers, where)
    real = None if where is None else np.flatnonzero(where)
    return _on_host(np.asarray(senders), np.asarray(receivers), real)


def _on_host(senders: np.ndarray, receivers: np.ndarray, real: np.ndarray | None) -> np.ndarray:
    ids = np.stack([senders, receivers])
    if ids.size and not 0 <= ids.min() <= ids.max() <= 2 * ids.size:
        ids = np.unique(ids, return_inverse=True)[1].reshape(ids.shape)
    senders, receivers = ids.astype(np.int32)
    num_nodes = int(ids.max(initial=-1)) + 1
    ends = sort_edges(senders, receivers, real, (num_nodes, num_nodes))
    return matched_reverse(*ends, len(senders))


def _by_sorting(senders: ArrayLike, receivers: ArrayLike, where: ArrayLike | None) -> Array:
    senders, receivers = jnp.asarray(senders, jnp.int32), jnp.asarray(receivers, jnp.int32)
    num_edges = senders.shape[0]
    if num_edges == 0:
        return jnp.zeros((0,), jnp.int32)
    if where is not None:
        # Between two nodes that no edge leads back between.
        real = jnp.asarray(where)
        senders, receivers = jnp.where(real, senders, -1), jnp.where(real, receivers, -2)
    edge = jnp.arange(num_edges, dtype=jnp.int32)
    rank = _rank_among_copies(senders, receivers, edge)
    # Every edge enters as itself and as its mirror image; sorted by (from, to, rank), an edge and the mirror
    # image of its reverse become neighbours, the edge first.
    mirrored = jnp.repeat(jnp.asarray([False, True]), num_edges)
    start = jnp.concatenate([senders, receivers])
    end = jnp.concatenate([receivers, senders])
    rank = jnp.concatenate([rank, rank])
    order = jnp.lexsort((mirrored, rank, end, start))
    start, end, rank, mirrored = start[order], end[order], rank[order], mirrored[order]
    edge = jnp.concatenate([edge, edge])[order]
    matched = (start[1:] == start[:-1]) & (end[1:] == end[:-1]) & (rank[1:] == rank[:-1])
    partner = jnp.where(matched & mirrored[1:] & ~mirrored[:-1], edge[1:], -1)
    partner = jnp.concatenate([partner, jnp.full((1,), -1, jnp.int32)])
    # Scatter the partner of each unmirrored entry back to its edge.
    slot = jnp.where(mirrored, num_edges, edge)
    return jnp.full((num_edges,), -1, jnp.int32).at[slot].set(partner, mode="drop")


def _rank_among_copies(senders: Array, receivers: Array, edge: Array) -> Array:
    """0 for the first copy of a (sender, receiver) pair, 1 for the second, ..., in order of edge id."""
    order = jnp.lexsort((edge, receivers, senders))
    s, r = senders[order], receivers[order]
    is_first = jnp.concatenate([jnp.ones((1,), bool), (s[1:] != s[:-1]) | (r[1:] != r[:-1])])
    start = jax.lax.cummax(jnp.where(is_first, edge, 0))
    return jnp.zeros_like(edge).at[order].set(edge - start)
