"""Relative random-walk probabilities: where a walk from one node is after a few steps, for pairs of nodes."""

from __future__ import annotations

import numpy as np

from graphattn_jax import _checks
from graphattn_jax.encodings.host._adjacency import adjacency
from graphattn_jax.encodings.host._components import (
    components,
    dense_blocks,
    large_components,
    stacks,
)
from graphattn_jax.encodings.host._pairs import PairReader, read_pairs
from graphattn_jax.encodings.host._walks import (
    COLUMNS,
    DENSE_NODES,
    Band,
    band,
    column_powers,
    stack_powers,
    transition,
)
from graphattn_jax.graphs import GraphsTuple
from graphattn_jax.typing import ArrayLike


def rrwp(
    graph: GraphsTuple,
    k: int,
    *,
    pattern: GraphsTuple | None = None,
    symmetric: bool = False,
    edge_weight: ArrayLike | None = None,
    directed: str = "error",
) -> np.ndarray:
    """Relative random-walk probabilities of pairs, for 0, 1, ..., k − 1 steps.

        RRWP_ij = [ I_ij, P_ij, (P²)_ij, ..., (P^{k−1})_ij ],     P = D⁻¹ A,     D_ii = Σ_j A_ij

    with i the receiver and j the sender: a walk that starts at the receiver is at the sender. Over all pairs, each
    row of each step sums to 1, unless the receiver has no edges. P_ij differs from P_ji by the degrees; a symmetric
    bias takes the symmetric N = D^−½ A D^−½ instead of P, whose rows do not sum to 1.

    Exact. Node encodings for the same model are `rwse(graph, k - 1)` behind a column of ones.

    Args:
      graph: a graph or batch on the host.
      k: number of columns, positive. Column t belongs to t steps.
      pattern: the pairs to encode, on the nodes of `graph`; None = the edges of `graph`.
      symmetric: powers of N instead of P.
      edge_weight: `[E]` or `[E, 1]` nonnegative numbers A_ij of the edges of `graph`, None = 1. Duplicates add up.
      directed: "error"; "symmetrize", max(A, Aᵀ); or "keep": the walk goes from receiver to sender, against the
        edges.

    Returns:
      `[E_pattern, k]` float32 in [0, 1]. Pairs in different components get 0.

    Raises:
      ValueError: k < 1, bad weights, a pattern on other nodes, a directed graph with `directed="error"`.

    Cost: components of up to 128 nodes O(n³ k) as dense stacks; larger ones O(n m k) with m edges, less where few
      steps reach only a part of it or few columns have pairs. Memory O(128 n) beside the result, which is the large
      part: all pairs of 1,000 nodes with k = 16 are 64 MB.
    Padding: rows of padding pairs are 0.

    Example:
      >>> import graphattn_jax as ga
      >>> path = ga.graphs.from_edge_list([0, 1, 1, 2], [1, 0, 2, 1])
      >>> pairs = ga.graphs.all_pairs(path)
      >>> ga.encodings.rrwp(path, 3, pattern=pairs)[:3].tolist()  # the pairs of receiver 0
      [[1.0, 0.0, 0.5], [0.0, 1.0, 0.0], [0.0, 0.0, 0.5]]

    Source: Ma et al., "Graph Inductive Biases in Transformers without Message Passing", ICML 2023, arXiv:2305.17589.
    """
    _checks.positive("k", k)
    matrix = adjacency(graph, "rrwp", edge_weight=edge_weight, directed=directed)
    senders, receivers, real = read_pairs(graph, pattern, "rrwp")
    step, parts = transition(matrix, symmetric=symmetric), components(matrix)
    values = np.zeros((len(senders), k), np.float32)
    reader = PairReader(parts, senders, receivers, real, values)
    for nodes in stacks(parts, max_nodes=DENSE_NODES):
        pairs, places = reader.locate(nodes)
        for t, power in enumerate(stack_powers(dense_blocks(step, parts, nodes), k - 1)):
            values[pairs, t] = power[places]
    for nodes in large_components(parts, max_nodes=DENSE_NODES):
        pairs = reader.pairs_of(int(parts.label[nodes[0]]))
        part = band(step, parts, nodes)
        position = np.empty(len(nodes), np.int64)
        position[parts.rank[part.nodes]] = np.arange(len(nodes))
        row, column = (position[parts.rank[ids[pairs]]] for ids in (receivers, senders))
        values[pairs] = _entries(part, row, column, k)
    return values


def _entries(part: Band, row: np.ndarray, column: np.ndarray, k: int) -> np.ndarray:
    """Entries (row, column) of the powers 0 to k − 1, `[pairs, k]`, block by block of columns."""
    values = np.zeros((len(row), k), np.float32)
    order = np.argsort(column, kind="stable")
    ascending = column[order]
    for start in range(0, len(part.nodes), COLUMNS):
        stop = min(start + COLUMNS, len(part.nodes))
        mine = order[slice(*np.searchsorted(ascending, (start, stop)))]
        if not len(mine):
            continue
        for t, (low, power) in enumerate(column_powers(part, start, stop, k - 1)):
            near = mine[(row[mine] >= low) & (row[mine] < low + len(power))]
            values[near, t] = power[row[near] - low, column[near] - start]
    return values
