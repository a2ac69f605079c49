"""Which nodes are alike because many metapaths connect them."""

from __future__ import annotations

import numpy as np

from graphattn_jax import _checks
from graphattn_jax.graphs._pad import unpad
from graphattn_jax.graphs._typed import schema_of
from graphattn_jax.graphs._types import GraphsTuple, num_nodes


def metapath_positives(graph: GraphsTuple, count: int) -> np.ndarray:
    """For each node those that most metapaths connect with it, and itself.

        C_ij = #{ φ : an edge j → i of relation φ },      P_i = {i} and the `count` - 1 others with the largest C_ij > 0

    Of equal numbers the first nodes are taken.

    Args:
      graph: typed, with metapaths as its relations (`ga.graphs.metapaths`), on the host.
      count: how many positives a node has at most.

    Returns:
      `[N, N]` bool, for `ga.losses.contrast`.

    Raises:
      ValueError: a graph without types, a count that is not a positive integer.

    Cost: O(E log E + N²).
    Padding: left out.

    Example:
      >>> import graphattn_jax as ga
      >>> edges = {("p", "pap", "p"): ([0, 1, 2], [1, 0, 0]), ("p", "psp", "p"): ([2], [0])}
      >>> ga.graphs.metapath_positives(ga.graphs.from_types({"p": 3}, edges), 2).tolist()
      [[True, False, True], [True, True, False], [False, False, True]]

    Source: Wang et al., "Self-supervised Heterogeneous Graph Neural Network with Co-contrastive Learning", KDD 2021,
      arXiv:2105.09111, section 4.4.
    """
    _checks.positive("count", count)
    graph = unpad(graph)
    number, relations = num_nodes(graph), len(schema_of(graph).relations)
    between = graph.senders != graph.receivers
    pair = graph.receivers.astype(np.int64) * number + graph.senders
    once = np.unique(pair[between] * relations + np.asarray(graph.edges.relation)[between])
    pairs, how_many = np.unique(once // relations, return_counts=True)
    rows, columns = np.divmod(pairs, number)
    order = np.lexsort((columns, -how_many, rows))
    rows, columns = rows[order], columns[order]
    rank = np.arange(len(rows)) - np.searchsorted(rows, rows)
    kept = rank < count - 1
    positives = np.eye(number, dtype=bool)
    positives[rows[kept], columns[kept]] = True
    return positives
