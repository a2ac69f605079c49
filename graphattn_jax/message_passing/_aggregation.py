"""What the layers share: weighted sums over incoming edges, and degrees."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from graphattn_jax import ops
from graphattn_jax._dtypes import accumulation_dtype
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
