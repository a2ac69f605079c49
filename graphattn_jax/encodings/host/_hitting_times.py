"""Hitting and commute times of random walks between pairs of nodes."""

from __future__ import annotations

import numpy as np

from graphattn_jax import _checks
from graphattn_jax.encodings.host._adjacency import adjacency
from graphattn_jax.encodings.host._components import components
from graphattn_jax.encodings.host._pairs import PairReader, read_pairs
from graphattn_jax.encodings.host._pseudoinverse import pseudoinverses
from graphattn_jax.graphs import GraphsTuple
from graphattn_jax.typing import ArrayLike


def hitting_times(
    graph: GraphsTuple,
    *,
    pattern: GraphsTuple | None = None,
    commute: bool = False,
    unreachable: float = np.inf,
    edge_weight: ArrayLike | None = None,
    directed: str = "error",
) -> np.ndarray:
    """Expected number of steps of a random walk from the receiver until it first meets the sender.

        H_ij = 1 + Σ_l P_il H_lj  (i ≠ j),   H_jj = 0,     P = D⁻¹ A
             = (L⁺ d)_i − (L⁺ d)_j + vol (L⁺_jj − L⁺_ij),     d = A 1,   vol = Σ d,   L = D − A

    with i the receiver, j the sender and sums over their component. `commute=True` gives the symmetric
    C_ij = H_ij + H_ji = vol R_ij, the effective resistance times the volume. In large graphs with many edges H_ij
    tends to vol / d_j, which says nothing about i: resistances and hitting times are for sparse graphs.

    Args:
      graph: a graph or batch on the host.
      pattern: the pairs, on the nodes of `graph`; None = the edges of `graph`.
      commute: there and back instead of there.
      unreachable: what pairs in different components get; a number that the model can tell from times.
      edge_weight: `[E]` or `[E, 1]` nonnegative numbers A_ij, None = 1. Duplicates add up.
      directed: "error", or "symmetrize": max(A, Aᵀ).

    Returns:
      `[E_pattern]` float32. Times grow up to n³: `log1p` of them, or their product with 1 / vol, makes a feature.

    Raises:
      ValueError: bad weights, a pattern on other nodes, a directed graph with `directed="error"`.

    Cost: O(n³) time and O(n²) memory per component: about 5,000 nodes at most.
    Padding: rows of padding pairs are 0.

    Example:
      >>> import graphattn_jax as ga
      >>> path = ga.graphs.from_edge_list([0, 1, 1, 2], [1, 0, 2, 1])
      >>> pairs = ga.graphs.all_pairs(path)
      >>> ga.encodings.hitting_times(path, pattern=pairs).reshape(3, 3).round(3).tolist()
      [[0.0, 1.0, 4.0], [3.0, 0.0, 3.0], [4.0, 1.0, 0.0]]

    Source: Lovász, "Random Walks on Graphs: A Survey", 1993, theorem 3.1 and section 3; von Luxburg, Radl, Hein,
      "Hitting and Commute Times in Large Random Neighborhood Graphs", JMLR 2014, for large graphs.
    """
    _checks.choice("directed", directed, ("error", "symmetrize"))
    matrix = adjacency(graph, "hitting_times", edge_weight=edge_weight, directed=directed)
    senders, receivers, real = read_pairs(graph, pattern, "hitting_times")
    parts = components(matrix)
    values = np.where(real, unreachable, 0.0).astype(np.float32)
    reader = PairReader(parts, senders, receivers, real, values)
    for nodes, blocks, inverse in pseudoinverses(matrix, parts):
        degree = blocks.sum(-1)
        volume = degree.sum(-1)[:, None, None]
        away = volume * (np.diagonal(inverse, axis1=1, axis2=2)[:, None, :] - inverse)
        height = (inverse @ degree[:, :, None])[..., 0]
        times = height[:, :, None] - height[:, None, :] + away
        reader.read(nodes, times + times.swapaxes(1, 2) if commute else times)
    return values
