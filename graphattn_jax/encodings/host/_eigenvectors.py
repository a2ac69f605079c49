"""Laplacian eigenvectors, exact, per connected component."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np

from graphattn_jax import _checks
from graphattn_jax.encodings._vocabulary import NORMALIZATIONS, LaplacianEigenvectors
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
from graphattn_jax.encodings.host._laplacian import UNDIRECTED, laplacian_of, power
from graphattn_jax.encodings.host._threads import map_ahead, thread_pool
from graphattn_jax.graphs import GraphsTuple, node_mask, num_nodes
from graphattn_jax.typing import ArrayLike

MANY_NODES = 2**12
"""From here on it pays to share small components out to threads, and to keep BLAS from starting its own."""


def laplacian_eigenvectors(
    graph: GraphsTuple,
    k: int,
    *,
    normalization: str = "symmetric",
    skip_zero: bool = True,
    edge_weight: ArrayLike | None = None,
    directed: str = "error",
    max_dense: int = 256,
) -> LaplacianEigenvectors:
    """The k smallest non-trivial eigenpairs of the Laplacian of each connected component.

        L v_k = λ_k v_k,    0 = λ_0 < λ_1 ≤ λ_2 ≤ ...

    Each component of n nodes has a trivial pair, λ_0 = 0 with v_0 ∝ D^(1/2) 1 (symmetric) or 1, which is left out, and
    n − 1 others. So a batch gives what each graph gives alone, and a disconnected graph has no columns that only tell
    its components apart.

    Norm: each vector has Euclidean norm 1 on its component, for all normalizations. Those of `"random_walk"` are
    u_k = D^(−1/2) v_k with v_k the symmetric ones, scaled to norm 1: orthogonal in the inner product of D only.

    Sign: Σ_i v_k(i)³ > 0, which does not depend on the order of nodes. Where the sum vanishes (such a vector is often
    turned into its negative by an automorphism of the graph, and then no equivariant rule exists) the first node in
    node order with at least half of the largest magnitude is positive. Within the eigenspace of a multiple
    eigenvalue the basis is arbitrary: the same in every run, and another one in another node order. Functions of the
    projectors, as `spe`, do not depend on it, unless the last column cuts through an eigenspace.

    Solvers: components of equal size up to `max_dense` are solved as one stack of dense matrices; larger ones by
    ARPACK, by shift and invert where the factor is small (rings, trees, grids), else on a Chebyshev filter of L, then
    by the other one, then dense. Pairs are accepted with ‖L v − λ v‖ ≤ 1e-6 · 2 max L_ii only (before rounding to
    float32), and copies of multiple eigenvalues are searched for until none is missing. A spectrum without gaps is no
    obstacle, but it shows: v is known up to an angle of about residual / gap. Residuals of filtered pairs are some
    1e-10, with gaps of 1e-4 between the first eigenvalues of a small world of 100,000 nodes.

    Args:
      graph: a graph or batch on the host, padded or not.
      k: number of pairs K, positive.
      normalization: `"symmetric"`, `"combinatorial"` or `"random_walk"`; see `laplacian`.
      skip_zero: leave the trivial pair out. Otherwise it is the first of the K.
      edge_weight: `[E]` or `[E, 1]` nonnegative finite numbers; None = 1 for every edge.
      directed: for a graph that is not symmetric, `"error"`, or `"symmetrize"`, which takes max(A, Aᵀ).
      max_dense: largest component that is solved by a dense eigendecomposition, positive.

    Returns:
      `LaplacianEigenvectors(vectors, values, mask)`, each `[N, K]`, float32 and bool in numpy.

    Raises:
      ValueError: an option that is unknown or not positive, bad weights, a traced graph, or a directed one with
        `directed="error"`.

    Cost: O(n³) for a component of n ≤ `max_dense` nodes. Else tens of solves after a sparse factorisation, which is
      cheap for what is like a chain, a tree or planar, or some 3,000 products with L: expanders and small worlds of
      100,000 nodes take seconds. A large graph that suits neither takes the memory of its factor.
    Padding: rows of padding nodes are 0 and masked, and so are those of isolated nodes (except for the trivial pair).

    Example:
      >>> import graphattn_jax as ga
      >>> path = ga.graphs.from_edge_list([0, 1, 1, 2], [1, 0, 2, 1])
      >>> eigen = ga.encodings.laplacian_eigenvectors(path, 3, normalization="combinatorial")
      >>> eigen.values[0].round(4).tolist(), eigen.mask[0].tolist()
      ([1.0, 3.0, 0.0], [True, True, False])
      >>> (eigen.vectors[:, 1] * 6**0.5).round(4).tolist()
      [-1.0, 2.0, -1.0]

    Source: Dwivedi, Bresson, "A Generalization of Transformer Networks to Graphs", AAAI workshop 2021,
      arXiv:2012.09699, section 2.
    """
    _checks.positive("k", k)
    _checks.positive("max_dense", max_dense)
    _checks.choice("normalization", normalization, NORMALIZATIONS)
    _checks.choice("directed", directed, UNDIRECTED)
    links = adjacency(graph, "laplacian_eigenvectors", edge_weight=edge_weight, directed=directed)
    by_walk = normalization == "random_walk"
    matrix = laplacian_of(links, "symmetric" if by_walk else normalization)
    parts = components(links)
    first = int(skip_zero)
    vectors = np.zeros((num_nodes(graph), k))
    values, mask = np.zeros(vectors.shape), np.zeros(vectors.shape, bool)

    def store(nodes: np.ndarray, found: np.ndarray, basis: np.ndarray) -> None:
        """Eigenvalues `[B, m]` and vectors `[B, n, m]` of the components with nodes `[B, n]`."""
        count = min(k, nodes.shape[1] - first)
        vectors[nodes, :count] = basis[..., first : first + count]
        values[nodes, :count] = np.maximum(found[:, None, first : first + count], 0.0)
        mask[nodes, :count] = True

    def solve(nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.linalg.eigh(dense_blocks(matrix, parts, nodes))

    small = stacks(parts, max_nodes=max_dense)
    with thread_pool() if len(parts.nodes) >= MANY_NODES else nullcontext() as pool:
        solved = (
            map_ahead(pool, solve, small) if pool else ((nodes, solve(nodes)) for nodes in small)
        )
        for nodes, pairs in solved:
            store(nodes, *pairs)
        for nodes in large_components(parts, max_nodes=max_dense):
            count = min(k + first, len(nodes))
            found, basis = smallest_eigenpairs(sparse_block(matrix, parts, nodes), count)
            store(nodes[None], found[None], basis[None])

    if by_walk:
        vectors *= power(links.sum(axis=1), -0.5)[:, None]
        norm = np.sqrt(component_sum(parts, vectors**2))[parts.label]
        vectors /= np.where(norm > 0, norm, 1.0)
    vectors *= _sign(parts, vectors)[parts.label]
    keep = mask & np.asarray(node_mask(graph))[:, None]
    return LaplacianEigenvectors(
        np.where(keep, vectors, 0.0).astype(np.float32),
        np.where(keep, values, 0.0).astype(np.float32),
        keep,
    )


def _sign(parts: Components, vectors: np.ndarray) -> np.ndarray:
    """±1 `[C, K]`, which makes the sum of cubes positive, or else the first large entry."""
    size = np.abs(vectors)
    skew = component_sum(parts, vectors * size * size)
    clear = np.abs(skew) > 1e-5 * component_sum(
        parts, size * size * size
    )  # products: powers are slow
    large = size >= 0.5 * component_max(parts, size)[parts.label]
    position = np.arange(len(vectors))[:, None]
    leader = component_min(parts, np.where(large, position, len(vectors)))
    entry = np.take_along_axis(vectors, leader, axis=0)
    return np.where(np.where(clear, skew, entry) < 0, -1.0, 1.0)
