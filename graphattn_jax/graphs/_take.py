"""Some graphs of a batch, by their numbers."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from graphattn_jax import _checks
from graphattn_jax.graphs._features import as_ids
from graphattn_jax.graphs._types import GraphsTuple, to_host


def take(graph: GraphsTuple, graph_ids: Any) -> GraphsTuple:
    """The batch of the chosen graphs, in the order asked for.

    A data set of many graphs is one batch; its splits, shuffles and mini-batches are this function.
    As `batch([unbatch(graph)[i] for i in graph_ids])`, without a loop.

    Args:
      graph: a batch of G graphs without padding.
      graph_ids: `[K]` integers in `[0, G)`, in any order, also repeated.

    Returns:
      A `GraphsTuple` of K graphs with numpy leaves; nodes and edges of a graph keep their order.

    Raises:
      ValueError: an id out of range, or the graph is padded, bipartite or traced.

    Cost: one gather per feature, O(nodes and edges taken).
    Padding: apply before `pad`.

    Example:
      >>> import graphattn_jax as ga
      >>> pair, path = ga.graphs.from_edge_list([0], [1]), ga.graphs.from_edge_list([0, 1], [1, 2])
      >>> taken = ga.graphs.take(ga.graphs.batch([pair, path]), [1, 0])
      >>> taken.n_node, taken.senders
      (array([3, 2], dtype=int32), array([0, 1, 3], dtype=int32))
    """
    graph = to_host(graph, "take", allow_sparse=False)
    graph_ids = as_ids("graph_ids", graph_ids)
    _checks.ids("graph_ids", graph_ids)
    _checks.ids_in_range("graph_ids", graph_ids, len(graph.n_node), "graphs")
    n_node, n_edge = graph.n_node[graph_ids], graph.n_edge[graph_ids]
    node_rows, edge_rows = _rows(graph.n_node, graph_ids), _rows(graph.n_edge, graph_ids)
    shift = np.repeat(_starts(n_node) - _starts(graph.n_node)[graph_ids], n_edge).astype(np.int32)
    return graph._replace(
        nodes=jax.tree.map(lambda x: x[node_rows], graph.nodes),
        edges=jax.tree.map(lambda x: x[edge_rows], graph.edges),
        senders=graph.senders[edge_rows] + shift,
        receivers=graph.receivers[edge_rows] + shift,
        globals=jax.tree.map(lambda x: x[graph_ids], graph.globals),
        n_node=n_node,
        n_edge=n_edge,
    )


def _starts(sizes: np.ndarray) -> np.ndarray:
    """The first row of each graph."""
    return np.cumsum(sizes) - sizes


def _rows(sizes: np.ndarray, graph_ids: np.ndarray) -> np.ndarray:
    """The rows of the chosen graphs, one graph after the other."""
    lengths = sizes[graph_ids]
    offsets = _starts(sizes)[graph_ids] - _starts(lengths)
    return np.arange(lengths.sum()) + np.repeat(offsets, lengths)
