"""Relations between the edges of one edge list."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from graphattn_jax import _checks
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

    Cost: O(E log E), a sort of the 2E directed pairs.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> ga.ops.reverse_edges(np.array([0, 1, 2, 2]), np.array([1, 0, 2, 0])).tolist()
      [1, 0, 2, -1]
    """
    _checks.ids("senders", senders)
    _checks.ids("receivers", receivers, senders.shape[0])
    on_host = all(isinstance(x, np.ndarray) for x in (senders, receivers, where) if x is not None)
    xp = np if on_host else jnp
    senders, receivers = xp.asarray(senders, xp.int32), xp.asarray(receivers, xp.int32)
    num_edges = senders.shape[0]
    if where is not None:
        _checks.mask("where", where, num_edges)
        # Between two nodes that no edge leads back between.
        real = xp.asarray(where)
        senders, receivers = xp.where(real, senders, -1), xp.where(real, receivers, -2)
    if num_edges == 0:
        return xp.zeros((0,), xp.int32)
    edge = xp.arange(num_edges, dtype=xp.int32)
    rank = _rank_among_copies(xp, senders, receivers, edge)
    # Every edge enters as itself and as its mirror image; sorted by (from, to, rank), an edge and the mirror
    # image of its reverse become neighbours, the edge first.
    mirrored = xp.repeat(xp.asarray([False, True]), num_edges)
    start = xp.concatenate([senders, receivers])
    end = xp.concatenate([receivers, senders])
    rank = xp.concatenate([rank, rank])
    order = xp.lexsort((mirrored, rank, end, start))
    start, end, rank, mirrored = start[order], end[order], rank[order], mirrored[order]
    edge = xp.concatenate([edge, edge])[order]
    matched = (start[1:] == start[:-1]) & (end[1:] == end[:-1]) & (rank[1:] == rank[:-1])
    partner = xp.where(matched & mirrored[1:] & ~mirrored[:-1], edge[1:], -1)
    partner = xp.concatenate([partner, xp.full((1,), -1, xp.int32)]).astype(xp.int32)
    # Scatter the partner of each unmirrored entry back to its edge.
    if on_host:
        reverse = np.full((num_edges,), -1, np.int32)
        reverse[edge[~mirrored]] = partner[~mirrored]
        return reverse
    slot = jnp.where(mirrored, num_edges, edge)
    return jnp.full((num_edges,), -1, jnp.int32).at[slot].set(partner, mode="drop")


def _rank_among_copies(xp, senders, receivers, edge) -> Array:
    """0 for the first copy of a (sender, receiver) pair, 1 for the second, ..., in order of edge id."""
    order = xp.lexsort((edge, receivers, senders))
    s, r = senders[order], receivers[order]
    position = edge
    is_first = xp.concatenate([xp.ones((1,), bool), (s[1:] != s[:-1]) | (r[1:] != r[:-1])])
    marks = xp.where(is_first, position, 0)
    start = np.maximum.accumulate(marks) if xp is np else jax.lax.cummax(marks)
    if xp is np:
        rank = np.empty_like(position)
        rank[order] = position - start
        return rank
    return jnp.zeros_like(position).at[order].set(position - start)
