"""The two graphs of Exphormer and SAN: along whose edges messages pass, and who attends to whom."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from graphattn_jax import graphs
from graphattn_jax.graphs import GraphsTuple
from graphattn_jax.graphs._types import to_host

__all__ = ["prepare_exphormer", "prepare_san"]


def prepare_exphormer(
    graph: GraphsTuple, *, degree: int | None = 3, num_virtual: int = 1, seed: int = 0
) -> tuple[GraphsTuple, GraphsTuple]:
    """A graph or batch and its attention pattern, as `gps_network` takes them with `attention="exphormer"`.

    Args:
      graph: nodes as `encode_inputs` takes them, edges `[E, ...]` or None, without padding. Encode it before this.
      degree: of the expander; None = none.
      num_virtual: virtual nodes per graph, 0 for none.
      seed: of the expander.

    Returns:
      `(graph, pattern)` on the same nodes, the virtual ones last in each graph. The graph has its own edges and, with
      virtual nodes, nodes `{..., "virtual"}` (`[N]` int32, 0 = none). The pattern has nodes None and edges `{"kind",
      "features"}` with the kinds of `ga.graphs.exphormer_pattern`; no features where the graph has none. Batch both
      alike, and pad both to the same numbers of nodes and graphs.

    Raises:
      ValueError: as `ga.graphs.exphormer_pattern`.

    Cost: that of `ga.graphs.exphormer_pattern`.

    Padding: apply before `pad`.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> path = ga.graphs.from_edge_list([0, 1, 1, 2], [1, 0, 2, 1], nodes=np.array([5, 6, 7]))
      >>> graph, pattern = ga.models.prepare_exphormer(path, degree=None)
      >>> graph.nodes["virtual"].tolist(), pattern.edges["kind"].tolist()
      ([0, 0, 0, 1], [0, 0, 0, 0, 2, 2, 2, 3, 3, 3])

    Source: Shirzad et al., "Exphormer: Sparse Transformers for Graphs", ICML 2023, arXiv:2303.06147.
    """
    graph = to_host(graph, "prepare_exphormer")
    found = graphs.exphormer_pattern(graph, degree=degree, num_virtual=num_virtual, seed=seed)
    pattern = _pattern(found.graph, found.graph.edges, found.kinds)
    if not num_virtual:
        return graph, pattern
    nodes = found.graph.nodes
    nodes = (nodes if isinstance(nodes, dict) else {"features": nodes}) | {"virtual": found.virtual}
    own = np.flatnonzero(found.kinds == 0)
    own = own[np.argsort(found.edge_ids[own], kind="stable")]
    edges: Any = jax.tree.map(lambda rows: rows[own], found.graph.edges)
    graph = graph._replace(
        nodes=nodes,
        edges=edges,
        senders=found.graph.senders[own],
        receivers=found.graph.receivers[own],
        n_node=found.graph.n_node,
    )
    return graph, pattern


def prepare_san(graph: GraphsTuple) -> tuple[GraphsTuple, GraphsTuple]:
    """A graph or batch and its attention pattern, as `gps_network` takes them with `attention="san"`.

    Args:
      graph: nodes as `encode_inputs` takes them, edges `[E, ...]` or None, without padding.

    Returns:
      `(graph, pattern)`: the graph as it was, and all its pairs with nodes None and edges `{"kind", "features"}`: kind
      0 = an edge of the graph, 1 = any other pair, whose features are 0; no features where the graph has none. Batch
      both alike, and pad both to the same numbers of nodes and graphs.

    Raises:
      ValueError: a padded graph.

    Cost: O(sum(n²)) memory.

    Padding: apply before `pad`.

    Example:
      >>> import graphattn_jax as ga
      >>> graph, pattern = ga.models.prepare_san(ga.graphs.from_edge_list([0, 1], [1, 0]))
      >>> pattern.edges["kind"].tolist()
      [1, 0, 0, 1]

    Source: Kreuzer et al., "Rethinking Graph Transformers with Spectral Attention", NeurIPS 2021, arXiv:2106.03893.
    """
    graph = to_host(graph, "prepare_san")
    pairs, edge_ids = graphs.all_pairs(graph, return_edge_ids=True)
    edges: Any = jax.tree.map(lambda rows: pair_rows(rows, edge_ids), graph.edges)
    return graph, _pattern(pairs, edges, (edge_ids < 0).astype(np.int32))


def pair_rows(rows: np.ndarray, edge_ids: np.ndarray) -> np.ndarray:
    """The row of each pair's edge, zeros where `edge_ids` is -1."""
    return np.concatenate([rows, np.zeros_like(rows, shape=(1, *rows.shape[1:]))])[edge_ids]


def _pattern(graph: GraphsTuple, features: Any, kinds: np.ndarray) -> GraphsTuple:
    edges = {"kind": kinds} if features is None else {"kind": kinds, "features": features}
    return graph._replace(nodes=None, edges=edges)
