"""Assertions on attention weights, one row per edge."""

from __future__ import annotations

import numpy as np

from graphattn_jax.diagnostics import unordered_pairs
from graphattn_jax.ops import Attention, Edges, check_edges
from graphattn_jax.typing import ArrayLike


def assert_symmetric_attention(
    weights: ArrayLike | Attention, edges: Edges, *, atol: float = 1e-6
) -> None:
    """What i gives to j, j gives to i: `A_ij = A_ji`.

    Parallel edges add up; an edge without a reverse is symmetric only with weight 0.

    Args:
      weights: `[E]` or `[E, H]`, or a `ga.ops.Attention`.
      edges: the pattern, `ga.graphs.pattern(graph)`; masked edges do not count.
      atol: allowed `|A_ij - A_ji|`.

    Raises:
      AssertionError: with the worst pair, head and difference, and the usual cause.
      ValueError: shapes disagree, or the pattern is bipartite.

    Example:
      >>> import numpy as np
      >>> import graphattn_jax as ga
      >>> edges = ga.graphs.pattern(ga.graphs.from_edge_list([0, 1], [1, 0]))
      >>> ga.testing.assert_symmetric_attention(np.array([0.3, 0.3]), edges)
    """
    check_edges(edges, allow_bipartite=False)
    weights, senders, receivers = _real_edges(weights, edges)
    pairs = np.asarray(unordered_pairs(Edges(senders, receivers, edges.num_senders)))
    forward, backward = (
        _sums(weights * direction[:, None], pairs, len(pairs))
        for direction in (senders < receivers, senders > receivers)
    )
    error = np.abs(forward - backward)
    if not (error <= atol).all():
        pair, head = _worst(error)
        members = np.flatnonzero(pairs == pair)
        i, j = sorted((int(senders[members[0]]), int(receivers[members[0]])))
        one_way = len(np.unique(senders[members])) == 1
        cause = (
            "the graph lacks the reverse edge; apply graphs.add_reverse_edges"
            if one_way
            else "softmax over each row of symmetric logits, which breaks their symmetry; use a "
            "symmetric normalizer such as ga.ops.Sinkhorn()"
        )
        raise AssertionError(
            f"attention is not symmetric: between nodes {i} and {j}, head {head}, it is "
            f"{backward[pair, head]:.6g} from {j} to {i} and {forward[pair, head]:.6g} from {i} to "
            f"{j}, off by {error[pair, head]:.3g} where {atol:.3g} is allowed. "
            f"Usual cause: {cause}."
        )


def assert_row_stochastic(
    weights: ArrayLike | Attention, edges: Edges, *, atol: float = 1e-5
) -> None:
    """Weights are not negative, and those into each node with an incoming edge sum to 1.

    Args:
      weights: `[E]` or `[E, H]`, or a `ga.ops.Attention`.
      edges: the pattern, `ga.graphs.pattern(graph)`, also a bipartite one; masked edges do not count.
      atol: allowed `|sum - 1|`.

    Raises:
      AssertionError: with the worst node, head and sum, and the usual cause.
      ValueError: shapes disagree.

    Example:
      >>> import numpy as np
      >>> import graphattn_jax as ga
      >>> edges = ga.graphs.pattern(ga.graphs.from_edge_list([0, 1], [2, 2]))
      >>> ga.testing.assert_row_stochastic(np.array([0.3, 0.7]), edges)
    """
    check_edges(edges)
    weights, _, receivers = _real_edges(weights, edges)
    _assert_non_negative(weights, atol)
    _assert_sums(weights, receivers, np.unique(receivers), "into", atol)


def assert_doubly_stochastic(
    weights: ArrayLike | Attention, edges: Edges, *, atol: float = 1e-5
) -> None:
    """Weights are not negative, and those into and out of each node with an edge sum to 1.

    Args:
      weights: `[E]` or `[E, H]`, or a `ga.ops.Attention`.
      edges: the pattern, `ga.graphs.pattern(graph)`; masked edges do not count.
      atol: allowed `|sum - 1|`.

    Raises:
      AssertionError: with the worst node, head and sum, and the usual cause.
      ValueError: shapes disagree, or the pattern is bipartite.

    Example:
      >>> import numpy as np
      >>> import graphattn_jax as ga
      >>> edges = ga.graphs.pattern(ga.graphs.from_edge_list([0, 1], [1, 0]))
      >>> ga.testing.assert_doubly_stochastic(np.array([1.0, 1.0]), edges)
    """
    check_edges(edges, allow_bipartite=False)
    weights, senders, receivers = _real_edges(weights, edges)
    _assert_non_negative(weights, atol)
    nodes = np.union1d(senders, receivers)
    _assert_sums(weights, receivers, nodes, "into", atol)
    _assert_sums(weights, senders, nodes, "out of", atol)


_CAUSES = {
    "into": "weights that are not normalised over the incoming edges of each receiver, or dropout",
    "out of": "softmax, which normalises rows only, or too few Sinkhorn iterations, or a graph "
    "without self-loops, on which no doubly stochastic weights need exist",
}


def _assert_non_negative(weights: np.ndarray, atol: float) -> None:
    if not (weights >= -atol).all():
        edge, head = _worst(-weights)
        raise AssertionError(
            f"attention is negative or NaN: {weights[edge, head]:.6g} at edge {edge}, head {head} "
            "of the real edges. Usual cause: logits instead of weights."
        )


def _assert_sums(
    weights: np.ndarray, ids: np.ndarray, nodes: np.ndarray, way: str, atol: float
) -> None:
    sums = _sums(weights, np.searchsorted(nodes, ids), len(nodes))
    error = np.abs(sums - 1)
    if not (error <= atol).all():
        row, head = _worst(error)
        raise AssertionError(
            f"attention {way} node {nodes[row]}, head {head}, sums to {sums[row, head]:.6g}, wanted "
            f"1; {(~(error <= atol)).any(axis=1).sum()} of {len(nodes)} nodes are off by more than "
            f"{atol:.3g}. Usual cause: {_CAUSES[way]}."
        )


def _real_edges(
    weights: ArrayLike | Attention, edges: Edges
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The edges without masked ones, weights as float64 `[E, H]`."""
    weights = np.asarray(weights.weights if isinstance(weights, Attention) else weights)
    senders, receivers = np.asarray(edges.senders), np.asarray(edges.receivers)
    if weights.ndim not in (1, 2) or len(weights) != len(senders):
        raise ValueError(
            f"weights must have shape [{len(senders)}] or [{len(senders)}, H], got {weights.shape}."
        )
    weights = (
        weights.astype(np.float64) if weights.ndim == 2 else weights.astype(np.float64)[:, None]
    )
    real = slice(None) if edges.mask is None else np.asarray(edges.mask)
    return weights[real], senders[real], receivers[real]


def _sums(weights: np.ndarray, ids: np.ndarray, size: int) -> np.ndarray:
    sums = np.zeros((size, weights.shape[1]))
    np.add.at(sums, ids, weights)
    return sums


def _worst(error: np.ndarray) -> tuple[int, int]:
    """Row and head of the largest entry; NaN is larger than any."""
    row, head = np.unravel_index(np.argmax(np.nan_to_num(error, nan=np.inf)), error.shape)
    return int(row), int(head)
