"""Graphs as `Graphormer` takes them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from graphattn_jax import _checks, encodings, graphs
from graphattn_jax.graphs import to_host
from graphattn_jax.typing import ArrayLike

__all__ = ["GraphormerEdges", "GraphormerNodes", "prepare_graphormer"]

MOST_CATEGORIES = np.iinfo(np.int16).max
"""Bonds along paths are the bulk of a prepared graph, and stored as int16."""


class GraphormerNodes(NamedTuple):
    """What the nodes of a graph come with for `Graphormer`; `prepare_graphormer` makes it.

    features: floats `[N, F]`, or categories `[N, F]` or `[N]`. in_degree, out_degree: `[N]`, cut at `max_degree`.
    virtual: `[N]` bool, the virtual node of each graph.
    """

    features: Any
    in_degree: ArrayLike
    out_degree: ArrayLike
    virtual: ArrayLike


class GraphormerEdges(NamedTuple):
    """What the pairs come with for `Graphormer`; `prepare_graphormer` makes it.

    distance: `[E]`, a bucket of `ga.encodings.distance_buckets`. path: `[E, K, F]` int16, the categories of the bonds
    along a shortest path plus 1, 0 behind its end; None without bonds. common_neighbours: `[E]`, their number, or None.
    """

    distance: ArrayLike
    path: ArrayLike | None = None
    common_neighbours: ArrayLike | None = None


def prepare_graphormer(
    graph: graphs.GraphsTuple,
    max_distance: int,
    *,
    max_degree: int = 62,
    common_neighbours: bool = False,
    directed: str = "error",
) -> graphs.GraphsTuple:
    """A graph or batch as `Graphormer` takes it: a virtual node, all pairs, and what lies between them.

    Args:
      graph: nodes `[N, ...]`, edges `[E, F]` or `[E]` categories or None, without padding.
      max_distance: K, the longest distance told apart, and the longest path.
      max_degree: the largest degree told apart.
      common_neighbours: count them for each pair.
      directed: as `shortest_path_distances`: "error" or "keep".

    Returns:
      The graph with a virtual node behind the nodes of each graph, nodes `GraphormerNodes`, and all pairs with
      `GraphormerEdges`; their paths where the graph has edge features. `batch`, `pad` and `unbatch` take it like any
      other.

    Raises:
      ValueError: a padded graph, sizes that are not positive, edge features that are no categories, a directed graph
        with `directed="error"`.

    Cost: that of `shortest_path_distances` and `edge_features_on_paths` on all pairs; 2 K F bytes per pair.

    Padding: apply before `pad`.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> path = ga.graphs.from_edge_list([0, 1, 1, 2], [1, 0, 2, 1], nodes=np.array([5, 6, 7]),
      ...     edges=np.array([0, 0, 1, 1]))
      >>> prepared = ga.models.prepare_graphormer(path, 3)
      >>> prepared.edges.distance.reshape(4, 4)[0].tolist(), prepared.edges.path[2].ravel().tolist()
      ([0, 1, 2, 6], [1, 2, 0])

    Source: Ying et al., "Do Transformers Really Perform Bad for Graph Representation?" (Graphormer), NeurIPS 2021,
      arXiv:2106.05234, section 3.1.
    """
    graph = to_host(graph, "prepare_graphormer")
    pairs = graphs.all_pairs(graph)
    nodes = GraphormerNodes(
        features=graph.nodes,
        in_degree=encodings.degree_encoding(graph, max_degree, direction="in"),
        out_degree=encodings.degree_encoding(graph, max_degree, direction="out"),
        virtual=np.zeros(graphs.num_nodes(graph), bool),
    )
    grown = graphs.add_virtual_node(graph._replace(nodes=nodes, edges=None))
    virtual = np.zeros(graphs.num_nodes(grown), bool)
    virtual[np.cumsum(grown.n_node) - 1] = True
    grown = graphs.all_pairs(grown._replace(nodes=grown.nodes._replace(virtual=virtual)))
    inside = ~(virtual[grown.senders] | virtual[grown.receivers])

    def spread(rows: np.ndarray, fill: int = 0) -> np.ndarray:
        """From the pairs of the graph, in the same order, to those with the virtual node."""
        out = np.full((len(inside), *rows.shape[1:]), fill, rows.dtype)
        out[inside] = rows
        return out

    options: dict[str, Any] = {"pattern": pairs, "directed": directed}
    distance = encodings.shortest_path_distances(graph, max_distance, **options)
    edges = GraphormerEdges(spread(distance, encodings.distance_buckets(max_distance).virtual))
    if graph.edges is not None:
        paths = encodings.edge_features_on_paths(graph, max_distance, **options)
        edges = edges._replace(path=spread(_bonds(graph.edges)[paths]))
    if common_neighbours:
        counts = spread(encodings.common_neighbours(graph, pattern=pairs))
        edges = edges._replace(common_neighbours=counts)
    return grown._replace(edges=edges)


def _bonds(edges: np.ndarray) -> np.ndarray:
    """`[E + 1, F]`: the categories plus 1, and a last row of 0 for the id -1."""
    edges = edges[:, None] if edges.ndim == 1 else edges
    _checks.shape("graph.edges", edges, ("E", "F"))
    for column in edges.T:
        _checks.ids("graph.edges", column)
        _checks.ids_in_range("graph.edges", column, MOST_CATEGORIES, "categories")
    return np.pad(edges.astype(np.int16) + np.int16(1), ((0, 1), (0, 0)))
