"""The edges along a shortest path between the two nodes of each pair."""

from __future__ import annotations

import numpy as np

from graphattn_jax import _checks
from graphattn_jax.encodings.host._adjacency import adjacency
from graphattn_jax.encodings.host._components import components
from graphattn_jax.encodings.host._hops import Search, has_bit, searches
from graphattn_jax.encodings.host._pairs import read_pairs
from graphattn_jax.graphs import GraphsTuple, edge_mask, num_nodes, to_host

AT_ONCE = 2**22
"""Most edges looked at in one step back, unless a single node has more."""


def edge_features_on_paths(
    graph: GraphsTuple,
    max_distance: int,
    *,
    pattern: GraphsTuple | None = None,
    directed: str = "error",
) -> np.ndarray:
    """The edges along one shortest path of each pair, as ids: where to find the features for `path_bias`.

        paths[(j → i)] = (e_1, …, e_d, −1, …, −1),    e_1 ends in i, e_d starts in j, d = d(j → i) ≤ K

    The path counts from the receiver, which is the query. **Ties**: among shortest paths, each step back from the
    receiver takes the first edge in the order of the graph that comes one hop nearer to the sender. Renaming
    nodes therefore changes nothing; another order of edges may choose another shortest path, and the path of a reverse
    pair need not be the reverse path. Where shortest paths are unique, as in trees, neither happens.

    Args:
      graph: a graph or batch on the host, padded or not.
      max_distance: K ≥ 1, the longest path.
      pattern: whose pairs to encode, on the nodes of `graph`; None = the graph's own edges.
      directed: for graphs that are not undirected: `"error"`, or `"keep"` for directed paths.

    Returns:
      `[E_pattern, K]` int32 ids of edges of `graph`, filled up with −1. All −1: the two nodes are the same, more than K
      hops apart, or without a path.

    Raises:
      ValueError: K < 1, a directed graph with `directed="error"`, a pattern on other nodes.

    Cost: that of `shortest_path_distances`, K words of memory per node, and for each pair the degrees along its path.

    Padding: −1 on padding pairs. Ids count over the batch, so they stay right under `pad`.

    Example:
      >>> import graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1, 1, 2], [1, 0, 2, 1])
      >>> pairs = ga.graphs.all_pairs(graph)
      >>> paths = ga.encodings.edge_features_on_paths(graph, 2, pattern=pairs)
      >>> pairs.senders[6], pairs.receivers[6], paths[6]  # 0 → 1 → 2, from the end: edges 2 and 0
      (np.int32(0), np.int32(2), array([2, 0], dtype=int32))

    Source: SP_ij of Ying et al., "Do Transformers Really Perform Bad for Graph Representation?" (Graphormer), NeurIPS
      2021, arXiv:2106.05234, section 3.1.3. Its code keeps K edges of a longer path, here it has none.
    """
    _checks.positive("max_distance", max_distance)
    _checks.choice("directed", directed, ("error", "keep"))
    senders, receivers, real = read_pairs(graph, pattern, "edge_features_on_paths")
    matrix = adjacency(graph, "edge_features_on_paths", directed=directed)
    graph = to_host(graph, "edge_features_on_paths", allow_padded=True)
    label = components(matrix).label
    wanted = np.flatnonzero(real & (label[senders] == label[receivers]))
    edges = _InEdges(graph)
    paths = np.full((len(senders), max_distance), -1, np.int32)
    for search in searches(matrix, label, wanted, senders, receivers):
        _walk_back(search, edges, paths)
    return paths


class _InEdges:
    """The real edges of a graph, receiver by receiver, each in the order of the graph."""

    def __init__(self, graph: GraphsTuple) -> None:
        real = np.flatnonzero(edge_mask(graph))
        self.ids = real[np.argsort(graph.receivers[real], kind="stable")]
        self.senders = graph.senders
        self.degree = np.bincount(graph.receivers[real], minlength=num_nodes(graph))
        self.start = np.cumsum(self.degree) - self.degree

    def first(self, nodes: np.ndarray, reached: np.ndarray, level: np.ndarray, shift: np.ndarray):
        """The first edge into each node from a sender that was reached at `level`, for each has one."""
        degree = self.degree[nodes]
        begin = np.cumsum(degree) - degree
        of = np.repeat(np.arange(len(nodes)), degree)
        ids = self.ids[self.start[nodes][of] + np.arange(len(of)) - begin[of]]
        nearer = has_bit(reached[level[of], self.senders[ids]], shift[of])
        return np.minimum.reduceat(np.where(nearer, ids, len(self.senders)), begin)


def _walk_back(search: Search, edges: _InEdges, paths: np.ndarray) -> None:
    """Write the paths of the pairs of one search."""
    longest = paths.shape[1]
    reached, hops = [search.reached], (~search.arrived()).astype(np.int64)
    for _ in range(longest):
        search = search.step()
        reached.append(search.reached)
        hops += ~search.arrived()
    levels, node = np.stack(reached), search.receivers.copy()
    hops[hops > longest] = 0
    for step in range(hops.max(initial=0)):
        walking = np.flatnonzero(hops > step)
        ends = np.cumsum(edges.degree[node[walking]])
        for some in np.split(walking, np.searchsorted(ends, np.arange(AT_ONCE, ends[-1], AT_ONCE))):
            if len(some):
                found = edges.first(node[some], levels, hops[some] - step - 1, search.shift[some])
                paths[search.pairs[some], step] = found
                node[some] = edges.senders[found]
