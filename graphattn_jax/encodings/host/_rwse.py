"""Random-walk structural encodings: the probabilities that a walk is back where it began."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import TypeVar

import numpy as np
import scipy.sparse

from graphattn_jax import _checks
from graphattn_jax.encodings.host._adjacency import adjacency
from graphattn_jax.encodings.host._components import (
    components,
    dense_blocks,
    large_components,
    stacks,
)
from graphattn_jax.encodings.host._triangles import triangles
from graphattn_jax.encodings.host._walks import (
    COLUMNS,
    DENSE_NODES,
    Band,
    band,
    column_powers,
    stack_powers,
    transition,
)
from graphattn_jax.graphs import GraphsTuple, num_nodes
from graphattn_jax.typing import ArrayLike

T = TypeVar("T")


def rwse(
    graph: GraphsTuple,
    k: int,
    *,
    edge_weight: ArrayLike | None = None,
    directed: str = "error",
) -> np.ndarray:
    """Random-walk structural encoding: return probabilities after 1, 2, ..., k steps.

        RWSE_i = [ (P)_ii, (P²)_ii, ..., (P^k)_ii ],     P = D⁻¹ A,     D_ii = Σ_j A_ij

    Exact. P has the diagonal powers of the symmetric N = D^−½ A D^−½, and those take only half the steps:
    (N^t)_ii = ⟨row i of N^⌊t/2⌋, row i of N^⌈t/2⌉⟩.

    Args:
      graph: a graph or batch on the host.
      k: number of steps, positive. Column t − 1 belongs to t steps.
      edge_weight: `[E]` or `[E, 1]` nonnegative numbers A_ij, None = 1. Duplicates add up.
      directed: "error"; "symmetrize", max(A, Aᵀ); or "keep": P_ij = A_ij / Σ_j A_ij with i the receiver, so that
        the walk goes against the edges; a node that receives none has nowhere to go.

    Returns:
      `[N, k]` float32 in [0, 1]. Nodes without edges get 0, and odd steps are 0 in a bipartite graph.

    Raises:
      ValueError: k < 1, bad weights, or a directed graph with `directed="error"`.

    Cost: up to three steps, unless "keep", are sums over edges and triangles, O(m^(3/2)) at most for m edges: seconds
      for a million nodes. More steps: components of up to 128 nodes O(n³ k / 2) as dense stacks, a larger one
      O(n m k / 2), less where few steps reach only a part of it: of a lattice only bands are computed. Memory O(128 n)
      beside the graph.
    Padding: rows of padding nodes are 0.

    Example:
      >>> import graphattn_jax as ga
      >>> path = ga.graphs.from_edge_list([0, 1, 1, 2], [1, 0, 2, 1])
      >>> ga.encodings.rwse(path, 4).round(3).tolist()
      [[0.0, 0.5, 0.0, 0.5], [0.0, 1.0, 0.0, 1.0], [0.0, 0.5, 0.0, 0.5]]

    Source: Dwivedi et al., "Graph Neural Networks with Learnable Structural and Positional Representations", ICLR 2022,
      arXiv:2110.07875, the RWPE.
    """
    _checks.positive("k", k)
    matrix = adjacency(graph, "rwse", edge_weight=edge_weight, directed=directed)
    step = transition(matrix, symmetric=directed != "keep")
    if k <= 3 and directed != "keep":
        return _three_steps(step)[:, :k]
    parts, half = components(matrix), (k + 1) // 2
    values = np.zeros((num_nodes(graph), k), np.float32)
    for nodes in stacks(parts, max_nodes=DENSE_NODES):
        powers = stack_powers(dense_blocks(step, parts, nodes), half)
        for t, (left, right) in zip(range(k), _halves(powers)):
            values[nodes, t] = np.einsum("bij,bji->bi", left, right)
    for nodes in large_components(parts, max_nodes=DENSE_NODES):
        part = band(step, parts, nodes)
        back = part if directed != "keep" else part._replace(matrix=part.matrix.T)
        for start in range(0, len(nodes), COLUMNS):
            columns = part.nodes[start : start + COLUMNS]
            values[columns] = _returns(part, back, start, start + len(columns), k)
    return values


def _three_steps(step: scipy.sparse.csr_array) -> np.ndarray:
    """`[N, 3]` of a symmetric N: its diagonal d, N∘N 1, and the ways i → j → l → i by how many of the three differ."""
    diagonal, squares = step.diagonal(), step.multiply(step).tocsr()
    two = squares.sum(axis=1)
    around = np.zeros(len(diagonal))
    for corners, sides in triangles(step):
        around += np.bincount(corners.ravel(), np.tile(sides.prod(axis=0), 3), len(around))
    three = squares @ diagonal + 2 * diagonal * (two - diagonal**2) + 2 * around
    return np.stack([diagonal, two, three], axis=1).astype(np.float32)


def _halves(powers: Iterable[T]) -> Iterator[tuple[T, T]]:
    """The pairs (⌊t/2⌋, ⌈t/2⌉) of powers for t = 1, 2, ... from the powers 0, 1, 2, ..."""
    for low, high in itertools.pairwise(powers):
        yield low, high
        yield high, high


def _returns(part: Band, back: Band, start: int, stop: int, k: int) -> np.ndarray:
    """Return probabilities of the nodes at [start, stop): columns of M^⌈t/2⌉ times rows of M^⌊t/2⌋."""
    half = (k + 1) // 2
    forward = column_powers(part, start, stop, half)
    if back is part:
        both = ((power, power) for power in forward)
    else:
        both = zip(column_powers(back, start, stop, half), forward)
    values = np.empty((stop - start, k), np.float32)
    for t, (((at, left), _), (_, (low, right))) in zip(range(k), _halves(both)):
        same_rows = right[at - low : at - low + len(left)]
        values[:, t] = np.einsum("ij,ij->j", left, same_rows)
    return values
