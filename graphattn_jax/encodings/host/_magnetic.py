"""Eigenvectors of the magnetic Laplacian: coordinates of the nodes of a directed graph, exact, per component."""

from __future__ import annotations

import numpy as np
import scipy.linalg
import scipy.sparse

from graphattn_jax import _checks
from graphattn_jax.encodings._vocabulary import MagneticEigenvectors
from graphattn_jax.encodings.host._adjacency import adjacency
from graphattn_jax.encodings.host._components import (
    Components,
    component_max,
    component_min,
    component_sum,
    components,
    dense_blocks,
    large_components,
    sparse_block,
    stacks,
)
from graphattn_jax.encodings.host._eigensolvers import smallest_eigenpairs
from graphattn_jax.encodings.host._laplacian import power
from graphattn_jax.graphs import GraphsTuple, node_mask, num_nodes
from graphattn_jax.typing import ArrayLike

NORMALIZATIONS = ("symmetric", "combinatorial")


def magnetic_laplacian_eigenvectors(
    graph: GraphsTuple,
    k: int,
    *,
    q: float = 0.1,
    normalization: str = "symmetric",
    edge_weight: ArrayLike | None = None,
    max_dense: int = 256,
) -> MagneticEigenvectors:
    """The k smallest eigenpairs of the magnetic Laplacian of each (weakly) connected component of a directed graph.

        W = max(A, Aᵀ),    H_ij = W_ij exp(2πi q (A_ij − A_ji) / W_ij),    A[receiver, sender]
        combinatorial  L = D − H            symmetric  L = I − D^(−1/2) H D^(−1/2)            D_ii = Σ_j W_ij

    A step along an edge turns the phase by 2πq, a step against it by −2πq, and an edge in both directions leaves it:
    L is Hermitian, its eigenvalues are real and not negative (up to 2 for "symmetric"), its eigenvectors are complex.
    With q = 0, or on an undirected graph, it is the Laplacian of the undirected graph. On a tree every q gives the
    eigenvalues of the undirected tree, and phases that count steps along the edges: v_0 is a topological order, up to
    full turns. Cycles that are not multiples of 1 / q long raise the smallest eigenvalue above 0, so that no pair
    is trivial and none is left out. Phases are unambiguous up to paths of 1 / (2q) edges: q = 0.25 tells the direction
    of an edge best, a q of 1 / (4 · longest path) keeps far positions apart.

    Norm: each vector has norm 1 on its component. Phase: e^{iα} v is as good an eigenvector as v. Here
    Σ_i |v(i)|² v(i) is real and positive, which depends on no order of nodes and is the rule of
    `laplacian_eigenvectors` where v is real. Where the sum vanishes (as on a directed cycle, whose rotation turns the
    phase of its vectors) the first node with at least half of the largest magnitude has a positive real entry. In
    training let `turn_phases` draw them anew, or take `spe`, which depends neither on them nor on bases of eigenspaces.

    Args:
      graph: a graph or batch on the host, padded or not.
      k: number of pairs K, positive.
      q: the potential, turns per edge, in [0, 0.5].
      normalization: `"symmetric"` or `"combinatorial"`.
      edge_weight: `[E]` or `[E, 1]` nonnegative finite numbers; None = 1 for every edge. Phases depend on the share of
        each direction, not on the scale.
      max_dense: largest component that is solved by a dense eigendecomposition, positive.

    Returns:
      `MagneticEigenvectors(vectors [N, K, 2], values [N, K], mask [N, K])`, float32 and bool in numpy: real and
      imaginary parts.

    Raises:
      ValueError: an option out of range, bad weights, a traced graph.

    Cost: O(n³) for a component of n ≤ `max_dense` nodes, else that of `laplacian_eigenvectors` for twice as many nodes
      and pairs: L is solved as a real symmetric matrix `[2n, 2n]`.
    Padding: rows of padding nodes are 0 and masked. An isolated node has one pair, of eigenvalue 0.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> path = ga.graphs.from_edge_list([0, 1], [1, 2])
      >>> eigen = ga.encodings.magnetic_laplacian_eigenvectors(path, 1, q=0.125)
      >>> turns = np.arctan2(eigen.vectors[:, 0, 1], eigen.vectors[:, 0, 0]) / (2 * np.pi)
      >>> (turns - turns[0]).round(4).tolist(), abs(eigen.values[0].round(4)).tolist()
      ([0.0, 0.125, 0.25], [0.0])

    Source: Geisler, Li, Mankowitz, Cemgil, Günnemann, Paduraru, "Transformers Meet Directed Graphs", ICML 2023,
      arXiv:2302.00049, section 3; Furutani, Shibahara, Akiyama, Hato, Aida, "Graph Signal Processing for Directed
      Graphs based on the Hermitian Laplacian", ECML PKDD 2019. Their A is our Aᵀ, so that their vectors are the
      complex conjugates; weighted edges have phases of this library's. Several q at once: Huang, Wang, Li, "What Are
      Good Positional Encodings for Directed Graphs?", ICLR 2025, arXiv:2407.20912.
    """
    _checks.positive("k", k)
    _checks.positive("max_dense", max_dense)
    _checks.choice("normalization", normalization, NORMALIZATIONS)
    if not _checks.is_number(q) or not 0 <= q <= 0.5:
        raise ValueError(f"q must be a number in [0, 0.5], turns per edge, got {q!r}.")
    matrix = _laplacian(
        adjacency(
            graph,
            "magnetic_laplacian_eigenvectors",
            edge_weight=edge_weight,
            directed="keep",
        ),
        float(q),
        normalization,
    )
    parts = components(abs(matrix))  # csgraph reads real numbers
    vectors = np.zeros((num_nodes(graph), k), np.complex128)
    values, mask = np.zeros(vectors.shape), np.zeros(vectors.shape, bool)

    def store(nodes: np.ndarray, found: np.ndarray, basis: np.ndarray) -> None:
        """Eigenvalues `[B, m]` and vectors `[B, n, m]` of the components with nodes `[B, n]`."""
        count = min(k, nodes.shape[1])
        vectors[nodes, :count] = basis[..., :count]
        values[nodes, :count] = np.maximum(found[:, None, :count], 0.0)
        mask[nodes, :count] = True

    for nodes in stacks(parts, max_nodes=max_dense):
        store(nodes, *np.linalg.eigh(dense_blocks(matrix, parts, nodes)))
    for nodes in large_components(parts, max_nodes=max_dense):
        found, basis = _hermitian_eigenpairs(sparse_block(matrix, parts, nodes), min(k, len(nodes)))
        store(nodes[None], found[None], basis[None])

    vectors *= _phase(parts, vectors)[parts.label]
    keep = mask & np.asarray(node_mask(graph))[:, None]
    both = np.stack([vectors.real, vectors.imag], axis=-1)
    return MagneticEigenvectors(
        np.where(keep[..., None], both, 0.0).astype(np.float32),
        np.where(keep, values, 0.0).astype(np.float32),
        keep,
    )


def _laplacian(
    matrix: scipy.sparse.csr_array, q: float, normalization: str
) -> scipy.sparse.csr_array:
    """The Hermitian L of an adjacency matrix, complex128 with sorted indices."""
    weight = scipy.sparse.csr_array(matrix.maximum(matrix.T))
    inverse = scipy.sparse.csr_array(
        (1 / weight.data, weight.indices, weight.indptr), shape=weight.shape
    )
    share = scipy.sparse.csr_array((matrix - matrix.T).multiply(inverse))
    turn = scipy.sparse.csr_array(
        (np.exp(2j * np.pi * q * share.data) - 1, share.indices, share.indptr), shape=share.shape
    )
    turned = weight + weight.multiply(turn)
    degree = weight.sum(axis=1)
    scale = power(degree, -0.5) if normalization == "symmetric" else np.ones_like(degree)
    scale = scipy.sparse.diags_array(scale)
    result = scipy.sparse.csr_array(scale @ (scipy.sparse.diags_array(degree) - turned) @ scale)
    result.sort_indices()
    return result


def _hermitian_eigenpairs(
    matrix: scipy.sparse.csr_array, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Of one large component, by the real symmetric [[Re L, −Im L], [Im L, Re L]], which has each eigenvalue twice."""
    size = len(matrix.indptr) - 1
    real, imaginary = matrix.real, matrix.imag
    both = scipy.sparse.csr_array(
        scipy.sparse.block_array([[real, -imaginary], [imaginary, real]], format="csr")
    )
    both.eliminate_zeros()
    _, pairs = smallest_eigenpairs(both, 2 * count)
    # x + iy and its multiple by i stand for one vector: what they span has half as many dimensions.
    span = np.linalg.svd(pairs[:size] + 1j * pairs[size:], full_matrices=False)[0][:, :count]
    values, rotation = scipy.linalg.eigh(span.conj().T @ (matrix @ span))
    return values, span @ rotation


def _phase(parts: Components, vectors: np.ndarray) -> np.ndarray:
    """Unit numbers `[C, K]` that make Σ |v|² v real and positive, or else the first large entry."""
    size = np.abs(vectors)
    skew = component_sum(parts, vectors * size * size)
    clear = np.abs(skew) > 1e-5 * component_sum(parts, size * size * size)
    large = size >= 0.5 * component_max(parts, size)[parts.label]
    position = np.arange(len(vectors))[:, None]
    leader = component_min(parts, np.where(large, position, len(vectors)))
    entry = np.take_along_axis(vectors, leader, axis=0)
    entry = np.where(clear, skew, entry)
    length = np.abs(entry)
    return np.where(length > 0, entry.conj() / np.where(length > 0, length, 1.0), 1.0)
