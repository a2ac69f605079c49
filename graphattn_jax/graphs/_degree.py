"""How many edges a node has. On the host and under `jax.jit`."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from graphattn_jax.graphs._masks import edge_mask
from graphattn_jax.graphs._prepare import pattern
from graphattn_jax.graphs._types import GraphsTuple
from graphattn_jax.typing import ArrayLike


def in_degree(graph: GraphsTuple) -> ArrayLike:
    """Number of real edges that each node receives; duplicates and self-loops count.

    Args:
      graph: any `GraphsTuple`. Inside `jax.jit` it needs a layout or node features (see `num_nodes`).

    Returns:
      `[N]` int32, `[N_r]` for a bipartite graph; numpy for a graph held in numpy, a JAX array otherwise.

    Raises:
      ValueError: traced, and with neither.

    Padding: padding edges do not count, so padding nodes have degree 0.

    Example:
      >>> import graphattn_jax as ga
      >>> ga.graphs.in_degree(ga.graphs.from_edge_list([0, 0, 1], [1, 2, 2]))
      array([0, 1, 2], dtype=int32)
    """
    return _count(graph, graph.receivers, pattern(graph).num_rows)


def out_degree(graph: GraphsTuple) -> ArrayLike:
    """Number of real edges that each node sends; duplicates and self-loops count.

    Args:
      graph: any `GraphsTuple`. Inside `jax.jit` it needs a layout or node features (see `num_nodes`).

    Returns:
      `[N]` int32, `[N_s]` for a bipartite graph; numpy for a graph held in numpy, a JAX array otherwise.

    Raises:
      ValueError: traced, and with neither.

    Padding: padding edges do not count, so padding nodes have degree 0.

    Example:
      >>> import graphattn_jax as ga
      >>> ga.graphs.out_degree(ga.graphs.from_edge_list([0, 0, 1], [1, 2, 2]))
      array([2, 1, 0], dtype=int32)
    """
    return _count(graph, graph.senders, pattern(graph).num_senders)


def _count(graph: GraphsTuple, ids: ArrayLike, size: int) -> ArrayLike:
    real = edge_mask(graph)
    if isinstance(ids, np.ndarray) and isinstance(real, np.ndarray):
        return np.bincount(ids[real], minlength=size).astype(np.int32)
    return jnp.zeros(size, jnp.int32).at[ids].add(jnp.asarray(real, jnp.int32))
