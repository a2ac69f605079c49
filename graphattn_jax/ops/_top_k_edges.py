"""The k best incoming edges of every receiver, as an array of static shape."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax.ops._pattern import Edges, check_edges
from graphattn_jax.typing import Array, ArrayLike

__all__ = ["TopK", "top_k_edges"]


class TopK(NamedTuple):
    """edge: `[N_r, k]` int32, ids of edges, best first; 0 in the slots that receivers with fewer leave.
    mask: `[N_r, k]`, the slots that are filled.
    """

    edge: Array
    mask: Array


def top_k_edges(scores: ArrayLike, edges: Edges, k: int) -> TopK:
    """The k incoming edges of each receiver with the largest scores.

    Args:
      scores: `[E]` floating point. Of equal ones the first edges are taken; −inf and NaN are not.
      edges: the candidates; masked ones are left out.
      k: slots per receiver.

    Returns:
      `TopK`. It has no gradient: that is up to what is done with the scores of the chosen.

    Raises:
      ValueError: shapes, k that is not a positive integer.

    Cost: one sort of E pairs.
    Padding: exact with a mask.

    Example:
      >>> import jax.numpy as jnp, graphattn_jax as ga
      >>> edges = ga.ops.Edges(jnp.array([0, 1, 2, 0]), jnp.array([1, 1, 1, 0]), num_senders=3)
      >>> ga.ops.top_k_edges(jnp.array([1.0, 3.0, 2.0, 0.0]), edges, 2).edge.tolist()
      [[3, 0], [1, 2], [0, 0]]
    """
    check_edges(edges)
    _checks.floating("scores", scores)
    _checks.shape("scores", scores, (edges.num_edges,))
    _checks.positive("k", k)
    scores = jax.lax.stop_gradient(jnp.asarray(scores))
    is_candidate = scores > -jnp.inf
    if edges.mask is not None:
        is_candidate = is_candidate & jnp.asarray(edges.mask)
    num_rows = edges.num_rows
    # Those that are left out sort behind all receivers.
    receivers = jnp.where(is_candidate, jnp.asarray(edges.receivers).astype(jnp.int32), num_rows)
    ids = jnp.arange(edges.num_edges, dtype=jnp.int32)
    down = jnp.where(is_candidate, -scores, 0)
    receivers, _, ids = jax.lax.sort((receivers, down, ids), num_keys=2, is_stable=True)
    rows = jnp.arange(num_rows + 1, dtype=jnp.int32)
    start = jnp.searchsorted(receivers, rows).astype(jnp.int32)
    slot = start[:-1, None] + jnp.arange(k, dtype=jnp.int32)[None]
    mask = slot < start[1:, None]
    none = jnp.zeros(1, jnp.int32)  # what empty slots read, also where there are no edges
    edge = jnp.concatenate([ids, none])[jnp.where(mask, slot, edges.num_edges)]
    return TopK(edge, mask)
