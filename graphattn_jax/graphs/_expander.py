"""Random expanders: sparse patterns in which every pair of nodes is a few hops apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse
from scipy.sparse.linalg import eigsh

from graphattn_jax import _checks
from graphattn_jax.graphs._edges import Means, append_edges, edge_keys, filled_rows
from graphattn_jax.graphs._masks import edge_graph_ids, node_graph_ids
from graphattn_jax.graphs._types import GraphsTuple, num_nodes, to_host

_SMALL = 10
_ATTEMPTS = 100
_DENSE_NODES = 512
_LANCZOS: dict[str, Any] = {"which": "LA", "tol": 1e-4}


def add_expander(
    graph: GraphsTuple, degree: int, *, seed: int = 0, edge_fill: Any = None
) -> GraphsTuple:
    """Add the edges of a random expander to each graph: O(N) edges, O(log N) hops to everywhere.

    With d the degree, d random permutations π of the n nodes of a graph, taken in both directions, are a 2d-regular
    multigraph. It is accepted as near-Ramanujan if

        λ₂(A) ≤ 2 √(2d - 1) + 0.1    (λ₂ of the Laplacian ≥ 2d - 2 √(2d - 1) - 0.1),   A = Σ_π (P_π + P_πᵀ)

    and drawn again otherwise. Its self-loops, its duplicates and the edges that the graph already has are then left
    out, so a node gets at most 2d new neighbours. A graph of at most max(10, 2d + 1) nodes gets all its pairs.

    The expander depends on `seed`, `degree` and the number of nodes, on nothing else: a graph gets the same one alone
    and in any batch, and graphs of equal size share it.

    Args:
      graph: a graph or batch without padding.
      degree: d ≥ 2, permutations. One would give cycles, which are no expander.
      seed: of the permutations, an integer ≥ 0.
      edge_fill: features of the new edges: None = zeros, "mean" = the mean over the edges of the graph, a number, or a
        pytree like `edges` with one row's values per leaf.

    Returns:
      The graph with more edges; numpy leaves. The new edges stand behind the old ones of their graph, by receiver,
      then sender. Each has a reverse, unless the graph has one way of the pair already and the other not.

    Raises:
      ValueError: the graph is padded, bipartite or traced, degree below 2, a negative seed, a fill that does not fit,
        or 100 draws without an expander (more than three in four draws are one).

    Cost: for each distinct number of nodes an eigenvalue, O(n³) up to 512 nodes, else O(d n) per Lanczos step; O(E +
      d N) for the edges.

    Padding: apply before `pad`.

    Example:
      >>> import graphattn_jax as ga
      >>> ring = ga.graphs.from_edge_list(range(100), [(i + 1) % 100 for i in range(100)])
      >>> graph = ga.graphs.add_expander(ring, 3)
      >>> int(ga.graphs.in_degree(graph).max()) <= 7
      True

    Source: Shirzad, Velingker, Venkatachalam, Sutherland, Sinop, "Exphormer: Sparse Transformers for Graphs",
    ICML 2023, arXiv:2303.06147, the random regular expander; that they exist in plenty is Friedman's theorem.
    """
    graph = to_host(graph, "add_expander")
    if isinstance(degree, bool) or not isinstance(degree, (int, np.integer)) or degree < 2:
        raise ValueError(
            f"degree must be an integer of at least 2, got {_checks.describe(degree)}. "
            "Fix: 3 is the paper's usual choice; each node gets twice as many neighbours."
        )
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(f"seed must be an integer of at least 0, got {_checks.describe(seed)}.")
    first = np.cumsum(graph.n_node) - graph.n_node
    ends = [np.zeros((0, 2), np.int64)]
    for size in np.unique(graph.n_node):
        offsets = first[graph.n_node == size]
        ends.append((_pairs(int(size), degree, seed) + offsets[:, None, None]).reshape(-1, 2))
    receivers, senders = np.concatenate(ends).T
    new = ~np.isin(receivers * num_nodes(graph) + senders, edge_keys(graph))
    means = Means(
        edge_graph_ids(graph), node_graph_ids(graph)[receivers[new]], graph.n_node.shape[0]
    )
    return append_edges(
        graph,
        senders[new],
        receivers[new],
        filled_rows("edge_fill", graph.edges, edge_fill, means),
    )


def _pairs(size: int, degree: int, seed: int) -> np.ndarray:
    """`[M, 2]` receivers and senders of an expander on `size` nodes, each pair once, ascending."""
    if size <= max(_SMALL, 2 * degree + 1):
        pairs = np.stack(np.divmod(np.arange(size**2), max(size, 1)), axis=1)
    else:
        there = draw_permutations(size, degree, seed).ravel()
        here = np.tile(np.arange(size), degree)
        keys = np.unique(np.concatenate([here * size + there, there * size + here]))
        pairs = np.stack(np.divmod(keys, size), axis=1)
    return pairs[pairs[:, 0] != pairs[:, 1]]


def draw_permutations(size: int, degree: int, seed: int) -> np.ndarray:
    """`[degree, size]`: random permutations whose multigraph is an expander."""
    rng = np.random.default_rng([seed, size])
    nodes = np.tile(np.arange(size), (degree, 1))
    for _ in range(_ATTEMPTS):
        permutations = rng.permuted(nodes, axis=1)
        if second_eigenvalue(permutations) <= largest_second_eigenvalue(degree):
            return permutations
    raise ValueError(
        f"no expander among {_ATTEMPTS} random graphs of {size} nodes with degree={degree}, seed={seed}. "
        "Fix: another seed, or a larger degree."
    )


def largest_second_eigenvalue(degree: int) -> float:
    """What an expander may have: Ramanujan's bound of 2d-regular graphs, and 0.1."""
    return 2 * np.sqrt(2 * degree - 1) + 0.1


def second_eigenvalue(permutations: np.ndarray) -> float:
    """λ₂ of A = Σ (P + Pᵀ); λ₁ = 2d."""
    degree, size = permutations.shape
    here, there = np.tile(np.arange(size), degree), permutations.ravel()
    one_way = scipy.sparse.csr_array((np.ones(len(here)), (here, there)), shape=(size, size))
    adjacency = one_way + one_way.T
    if size <= _DENSE_NODES:
        return float(np.linalg.eigvalsh(adjacency.toarray())[-2])
    start = np.random.default_rng(0).normal(size=size)
    return float(min(eigsh(adjacency, 2, v0=start, return_eigenvectors=False, **_LANCZOS)))
