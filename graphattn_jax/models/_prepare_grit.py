"""Graphs as `GRITNetwork` takes them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from graphattn_jax import _checks, encodings, graphs
from graphattn_jax.graphs import to_host
from graphattn_jax.models._patterns import pair_rows
from graphattn_jax.typing import ArrayLike

__all__ = ["GRITEdges", "GRITNodes", "prepare_grit"]


class GRITNodes(NamedTuple):
    """What the nodes of a graph come with for `GRITNetwork`; `prepare_grit` makes it.

    features: floats `[N, F]`, or categories `[N, F]` or `[N]`. walks: `[N, K]`, the probabilities of return.
    log_degree: `[N]`, log(1 + degree) in the graph itself.
    """

    features: Any
    walks: ArrayLike
    log_degree: ArrayLike


class GRITEdges(NamedTuple):
    """What the pairs come with for `GRITNetwork`; `prepare_grit` makes it.

    features: of the edges of the graph, zeros for other pairs. walks: `[E, K]`, the probabilities of walks from one
    node to the other. real: `[E]` bool, which pairs are edges of the graph.
    """

    features: Any
    walks: ArrayLike
    real: ArrayLike


def prepare_grit(
    graph: graphs.GraphsTuple,
    walks: int,
    *,
    sparse: bool = False,
    symmetric: bool = False,
    directed: str = "error",
) -> graphs.GraphsTuple:
    """A graph or batch as `GRITNetwork` takes it: all pairs, their random walks, and what was an edge.

    Args:
      graph: nodes `[N, ...]`, edges `[E, ...]` or None, without padding.
      walks: K ≥ 2, the steps 0 to K − 1 of the walks.
      sparse: keep the graph's own edges instead of all pairs: SparseGRIT. A self-loop must be there to attend.
      symmetric: the symmetric walks of `rrwp`, for symmetric attention.
      directed: as `rrwp`.

    Returns:
      The graph with nodes `GRITNodes` and, for each pair, an edge of `GRITEdges`. A pair that is no edge has zeros for
      features; where the graph has no edge features they are one category. `batch`, `pad` and `unbatch` take it like
      any other.

    Raises:
      ValueError: a padded graph, K < 2, a directed graph with `directed="error"`.

    Cost: that of `rrwp` on the pairs.

    Padding: apply before `pad`.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> path = ga.graphs.from_edge_list([0, 1, 1, 2], [1, 0, 2, 1], nodes=np.array([5, 6, 7]))
      >>> prepared = ga.models.prepare_grit(path, 4)
      >>> prepared.edges.walks.shape, int(prepared.edges.real.sum())
      ((9, 4), 4)

    Source: Ma et al., "Graph Inductive Biases in Transformers without Message Passing", ICML 2023, arXiv:2305.17589,
      section 3.1.
    """
    _checks.positive("walks", walks)
    if walks == 1:
        raise ValueError("walks must be at least 2, got 1: a walk of no step is the node itself.")
    graph = to_host(graph, "prepare_grit")
    num_nodes, num_edges = graphs.num_nodes(graph), graphs.num_edges(graph)
    if sparse:
        pairs, edge_ids = graph, np.arange(num_edges)
    else:
        pairs, edge_ids = graphs.all_pairs(graph, return_edge_ids=True)
    bonds = np.zeros((num_edges, 1), np.int32) if graph.edges is None else graph.edges
    returns = encodings.rwse(graph, walks - 1, directed=directed)
    nodes = GRITNodes(
        features=graph.nodes,
        walks=np.concatenate([np.ones((num_nodes, 1), np.float32), returns], axis=1),
        log_degree=np.log1p(graphs.in_degree(graph), dtype=np.float32),
    )
    edges = GRITEdges(
        features=pair_rows(bonds, edge_ids),
        walks=encodings.rrwp(graph, walks, pattern=pairs, symmetric=symmetric, directed=directed),
        real=edge_ids >= 0,
    )
    return pairs._replace(nodes=nodes, edges=edges)
