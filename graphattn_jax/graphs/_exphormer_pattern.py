"""The pattern of Exphormer: graph, expander and virtual nodes, and which edge is what."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import numpy as np

from graphattn_jax import _checks
from graphattn_jax.graphs._expander import add_expander
from graphattn_jax.graphs._types import GraphsTuple, num_edges, num_nodes, to_host
from graphattn_jax.graphs._virtual_node import add_virtual_node


class ExphormerPattern(NamedTuple):
    """A graph of three kinds of edges, from `exphormer_pattern`.

    graph: the `GraphsTuple` with the new nodes and edges.
    kinds `[E]` int32: 0 = edge of the graph, 1 = of the expander, 2 k = to virtual node k of its graph, 2 k + 1 =
      from it, with k from 1. There are 2 + 2 `num_virtual` kinds.
    edge_ids `[E]` int32: which edge of the old graph it was, or -1.
    virtual `[N]` int32: 0 = a node of the graph, k = its virtual node k.
    """

    graph: GraphsTuple
    kinds: np.ndarray
    edge_ids: np.ndarray
    virtual: np.ndarray


def exphormer_pattern(
    graph: GraphsTuple, *, degree: int | None = 3, num_virtual: int = 1, seed: int = 0
) -> ExphormerPattern:
    """The union of each graph with a random expander and the stars of virtual nodes: O(N + E) edges.

    New edges and nodes have features 0. What they should have is learned, by kind:

        edges = x.edges @ weight + edge_table[kinds],    nodes = x.nodes @ weight + node_table[virtual]

    To send `kinds` and `virtual` through `batch` and `pad`, make them features: `edges={"features": ..., "kind":
    kinds}`. Encode the original graph, before this: virtual nodes put every pair two hops apart.

    Args:
      graph: a graph or batch without padding.
      degree: d of `add_expander`; None = no expander, as in the paper's runs on Peptides.
      num_virtual: virtual nodes per graph, 0 for none. They are the last nodes of their graph, and not joined to each
        other.
      seed: of the expander.

    Returns:
      `ExphormerPattern(graph, kinds, edge_ids, virtual)`, numpy.

    Raises:
      ValueError: the graph is padded, bipartite or traced, a degree below 2, a negative number of virtual nodes or a
        negative seed.

    Cost: that of `add_expander`.

    Padding: apply before `pad`; padding edges are then of kind 0, padding nodes not virtual.

    Example:
      >>> import graphattn_jax as ga
      >>> path = ga.graphs.from_edge_list([0, 1], [1, 2])
      >>> pattern = ga.graphs.exphormer_pattern(path)
      >>> pattern.kinds, pattern.virtual
      (array([0, 0, 1, 1, 1, 1, 2, 2, 2, 3, 3, 3], dtype=int32), array([0, 0, 0, 1], dtype=int32))

    Source: Shirzad, Velingker, Venkatachalam, Sutherland, Sinop, "Exphormer: Sparse Transformers for Graphs",
    ICML 2023, arXiv:2303.06147, the interaction graph.
    """
    graph = to_host(graph, "exphormer_pattern")
    if num_virtual != 0:
        _checks.positive("num_virtual", num_virtual)
    ids = np.arange(num_edges(graph), dtype=np.int32)
    zeros: Any = jax.tree.map(lambda _: 0, graph.edges)
    fill = {"edge_ids": -1, "features": zeros}
    grown = graph._replace(edges={"edge_ids": ids, "features": graph.edges})
    if degree is not None:
        grown = add_expander(grown, degree, seed=seed, edge_fill=fill)
    if num_virtual:
        grown = add_virtual_node(grown, count=num_virtual, edge_fill=fill)
    from_end = np.repeat(np.cumsum(grown.n_node), grown.n_node) - np.arange(num_nodes(grown))
    virtual = np.maximum(num_virtual + 1 - from_end, 0).astype(np.int32)
    to, by = virtual[grown.receivers], virtual[grown.senders]
    edge_ids = grown.edges["edge_ids"]
    kinds = np.select([to > 0, by > 0], [2 * to, 2 * by + 1], np.where(edge_ids < 0, 1, 0))
    return ExphormerPattern(
        grown._replace(edges=grown.edges["features"]), kinds.astype(np.int32), edge_ids, virtual
    )
