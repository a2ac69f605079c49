"""The symmetric adjacency matrix that every encoding starts from."""

from __future__ import annotations

import numpy as np
import scipy.sparse

from graphattn_jax import _checks
from graphattn_jax.graphs import GraphsTuple, edge_mask, num_nodes, to_host
from graphattn_jax.typing import ArrayLike

DIRECTED = ("error", "symmetrize", "keep")


def adjacency(
    graph: GraphsTuple,
    function: str,
    *,
    edge_weight: ArrayLike | None = None,
    directed: str = "error",
) -> scipy.sparse.csr_array:
    """`A[receiver, sender]` over all nodes of a batch: float64, sorted, duplicates added up.

    Padding edges are left out; rows of padding nodes are empty.

    Args:
      graph: a graph or batch on the host, padded or not.
      function: the public function on whose behalf errors speak.
      edge_weight: `[E]` or `[E, 1]` nonnegative finite numbers, None = 1 for every edge.
      directed: what to do if A differs from Aᵀ by more than 1e-6 of a pair's weight: "error"; "symmetrize", which takes
        max(A, Aᵀ), so that an edge counts in both directions; or "keep".

    Raises:
      ValueError: bad weights; a directed graph with `directed="error"`.
    """
    _checks.choice("directed", directed, DIRECTED)
    graph = to_host(graph, function, allow_padded=True)
    real, size = edge_mask(graph), num_nodes(graph)
    weight = _weights(edge_weight, graph.senders.shape[0])[real]
    matrix = scipy.sparse.csr_array(
        (weight, (graph.receivers[real], graph.senders[real])), shape=(size, size)
    )
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    if directed == "keep":
        return matrix
    if directed == "symmetrize":
        return scipy.sparse.csr_array(matrix.maximum(matrix.T))
    excess = abs(matrix - matrix.T) - 1e-6 * matrix.maximum(matrix.T)
    if (excess.data > 0).any():
        raise ValueError(
            f"{function} needs an undirected graph: every edge in both directions with one weight. Fix: "
            "graphs.add_reverse_edges(graph), or directed='symmetrize'."
        )
    return matrix


def _weights(edge_weight: ArrayLike | None, count: int) -> np.ndarray:
    if edge_weight is None:
        return np.ones(count)
    weight = np.asarray(edge_weight)
    if weight.dtype.kind not in "biuf":
        raise ValueError(f"edge_weight must hold numbers, got {_checks.describe(weight)}.")
    weight = weight.astype(np.float64)
    if weight.shape == (count, 1):
        weight = weight[:, 0]
    _checks.shape("edge_weight", weight, (count,))
    if not np.isfinite(weight).all() or weight.min(initial=0.0) < 0:
        raise ValueError(
            "edge_weight must be finite and not negative, got "
            f"{weight[~np.isfinite(weight) | (weight < 0)][0]}."
        )
    return weight
