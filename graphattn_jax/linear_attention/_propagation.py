"""Sums over neighbours, which linear attention stands beside in the layers of its authors."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from graphattn_jax import graphs, ops
from graphattn_jax.typing import Array


def neighbour_sum(graph: Any, value: Array, implementation: str | None) -> Array:
    """Σ_j v_j / √(d_i d_j) over the incoming edges of i, d_i its in-degree and d_j the out-degree of j: `[N, H, C]`."""
    edges = graphs.pattern(graph)
    real = ops.real_or_zero(jnp.ones(edges.num_edges, value.dtype), edges)
    degrees = ops.receiver_sum(real, edges), ops.receiver_sum(real, edges.T)
    incoming, outgoing = (jnp.maximum(d, 1) for d in degrees)
    ends = ops.take(incoming, edges.receivers) * ops.take(outgoing, edges.senders)
    weights = jnp.broadcast_to((real / jnp.sqrt(ends))[:, None], (len(real), value.shape[1]))
    return ops.edge_aggregate(weights, value, edges, implementation=implementation)
