"""The graph Laplacian as a sparse matrix on the host."""

from __future__ import annotations

import numpy as np
import scipy.sparse

from graphattn_jax import _checks
from graphattn_jax.encodings._vocabulary import NORMALIZATIONS
from graphattn_jax.encodings.host._adjacency import adjacency
from graphattn_jax.graphs import GraphsTuple
from graphattn_jax.typing import ArrayLike

UNDIRECTED = ("error", "symmetrize")


def laplacian(
    graph: GraphsTuple,
    *,
    normalization: str = "symmetric",
    edge_weight: ArrayLike | None = None,
    directed: str = "error",
) -> scipy.sparse.csr_array:
    """The Laplacian of an undirected graph, or the block-diagonal one of a batch.

        combinatorial   L = D − A
        symmetric       L = I − D^(−1/2) A D^(−1/2)       eigenvalues in [0, 2]
        random_walk     L = I − D^(−1) A                   the same eigenvalues; rows sum to 0

    with D the diagonal matrix of the row sums of A. Rows of nodes of degree 0 are zero in all three, so that there
    are as many eigenvalues 0 as connected components. Duplicate edges add up. A self-loop counts once in A and in D: it
    has no effect on the combinatorial Laplacian, and makes the normalised ones smaller.

    Args:
      graph: a graph or batch on the host, padded or not.
      normalization: `"symmetric"`, `"combinatorial"` or `"random_walk"`.
      edge_weight: `[E]` or `[E, 1]` nonnegative finite numbers; None = 1 for every edge.
      directed: for a graph that is not symmetric, `"error"`, or `"symmetrize"`, which takes max(A, Aᵀ).

    Returns:
      `[N, N]` float64 CSR array with sorted indices.

    Raises:
      ValueError: an unknown option, bad weights, a traced graph, or a directed one with `directed="error"`.

    Cost: O(N + E).
    Padding: rows and columns of padding nodes are zero.

    Example:
      >>> import graphattn_jax as ga
      >>> path = ga.graphs.from_edge_list([0, 1, 1, 2], [1, 0, 2, 1])
      >>> ga.encodings.laplacian(path, normalization="combinatorial").toarray().tolist()
      [[1.0, -1.0, 0.0], [-1.0, 2.0, -1.0], [0.0, -1.0, 1.0]]

    Source: Chung, "Spectral Graph Theory", CBMS 92, 1997, section 1.2.
    """
    _checks.choice("normalization", normalization, NORMALIZATIONS)
    _checks.choice("directed", directed, UNDIRECTED)
    matrix = adjacency(graph, "laplacian", edge_weight=edge_weight, directed=directed)
    return laplacian_of(matrix, normalization)


def laplacian_of(matrix: scipy.sparse.csr_array, normalization: str) -> scipy.sparse.csr_array:
    """The Laplacian of an adjacency matrix."""
    degree = matrix.sum(axis=1)
    left, right = np.ones_like(degree), np.ones_like(degree)
    if normalization == "symmetric":
        left = right = power(degree, -0.5)
    elif normalization == "random_walk":
        left = power(degree, -1.0)
    combinatorial = scipy.sparse.diags_array(degree) - matrix
    scaled = scipy.sparse.diags_array(left) @ combinatorial @ scipy.sparse.diags_array(right)
    result = scipy.sparse.csr_array(scaled)
    result.sort_indices()
    return result


def power(degree: np.ndarray, exponent: float) -> np.ndarray:
    """degree^exponent, 1 for nodes of degree 0, whose rows are zero with any scale."""
    return np.where(degree > 0, degree, 1.0) ** exponent
