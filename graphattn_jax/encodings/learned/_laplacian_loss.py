"""The loss whose minima are Laplacian eigenvectors."""

from __future__ import annotations

import jax.numpy as jnp

from graphattn_jax._dtypes import accumulation_dtype
from graphattn_jax.encodings.device._propagation import (
    check_rows,
    degrees,
    own_edges,
    propagate,
    symmetric_weights,
)
from graphattn_jax.graphs import GraphsTuple, graph_mask, node_graph_ids, node_mask, num_graphs
from graphattn_jax.ops import segment_sum
from graphattn_jax.typing import Array, ArrayLike


def laplacian_loss(
    positions: ArrayLike,
    graph: GraphsTuple,
    *,
    orthogonality: float = 1.0,
    edge_weight: ArrayLike | None = None,
) -> tuple[Array, Array]:
    """How far positions are from the Laplacian eigenvectors with the smallest eigenvalues, per graph.

        loss = 1/K tr(Pᵀ Δ P) + λ/K ‖ Pᵀ P − I ‖²_F,     Δ = I − D^−½ A D^−½

    A graph whose positions are its K lowest eigenvectors has the mean of their eigenvalues, and for large λ no
    positions have less. The first of them is D^½ 1, which says only the degree; the trace is 0 on nodes
    without edges. A graph with fewer than K nodes cannot have orthonormal columns.

    Args:
      positions: P, `[N, K]` floating point: those of the last layer of `lspe`.
      graph: an undirected graph or batch, padded or not. Inside `jax.jit` it needs node features, or to be prepared.
      orthogonality: λ ≥ 0.
      edge_weight: `[E]` or `[E, 1]` nonnegative and symmetric, None = 1.

    Returns:
      `(sum, count)` over the real graphs, float32 scalars.

    Raises:
      ValueError: shapes that disagree.

    Cost: O(E K + N K²).
    Padding: padding nodes and graphs do not count, whatever their positions.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> edge = ga.graphs.from_edge_list([0, 1], [1, 0])
      >>> eigenvector = np.array([[1.0], [-1.0]], np.float32) / 2**0.5  # of eigenvalue 2
      >>> total, count = ga.encodings.laplacian_loss(eigenvector, edge)
      >>> round(float(total), 4), float(count)
      (2.0, 1.0)

    Source: Dwivedi et al., "Graph Neural Networks with Learnable Structural and Positional Representations", ICLR 2022,
      arXiv:2110.07875, the loss on the positions of the last layer.
    """
    check_rows("positions", positions, graph)
    positions, edges = jnp.asarray(positions), own_edges(graph)
    masks = node_mask(graph), node_graph_ids(graph), graph_mask(graph)
    real_nodes, ids, real_graphs = (jnp.asarray(x) for x in masks)
    p = jnp.where(real_nodes[:, None], positions, 0).astype(accumulation_dtype(positions.dtype))
    width, graphs = p.shape[1], num_graphs(graph)
    _, degree = degrees(edges, edge_weight)
    own = jnp.where((degree > 0)[:, None], p, 0)
    smooth = p * (own - propagate(edges, symmetric_weights(edges, edge_weight), p))
    trace = segment_sum(smooth.sum(1), ids, graphs)
    gram = segment_sum(p[:, :, None] * p[:, None, :], ids, graphs)
    off = jnp.square(gram - jnp.eye(width, dtype=gram.dtype)[None]).sum((1, 2))
    loss = (trace + orthogonality * off) / width
    return jnp.where(real_graphs, loss, 0).sum(), real_graphs.sum(dtype=jnp.float32)
