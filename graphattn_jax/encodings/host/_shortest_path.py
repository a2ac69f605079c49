"""Shortest-path distances of pairs, as buckets for a table of biases."""

from __future__ import annotations

import numpy as np

from graphattn_jax.encodings._vocabulary import distance_buckets
from graphattn_jax.encodings.host._adjacency import adjacency
from graphattn_jax.encodings.host._components import components
from graphattn_jax.encodings.host._hops import searches
from graphattn_jax.encodings.host._pairs import read_pairs
from graphattn_jax.graphs import GraphsTuple


def shortest_path_distances(
    graph: GraphsTuple,
    max_distance: int,
    *,
    pattern: GraphsTuple | None = None,
    directed: str = "error",
) -> np.ndarray:
    """The number of hops from the sender to the receiver of each pair, as a bucket.

        φ(i, j) = min(d(j → i), K + 1),    K + 2 if there is no path

    The buckets are rows of a bias table, see `distance_buckets` and the example: distances beyond K and the absence of
    a path have their own. Undirected graphs give the same bucket to a pair and its reverse. Weights,
    duplicate edges and self-loops do not matter; the distance of a node to itself is 0.

    Args:
      graph: a graph or batch on the host, padded or not: the paths are its edges.
      max_distance: K ≥ 1, the longest exact distance.
      pattern: whose pairs to encode, on the nodes of `graph`; None = the graph's own edges.
      directed: for graphs that are not undirected: `"error"`, `"symmetrize"` to walk edges both ways, or `"keep"` for
        directed paths from sender to receiver.

    Returns:
      `[E_pattern]` int32 in `[0, K + 2]`.

    Raises:
      ValueError: K < 1, a directed graph with `directed="error"`, a pattern on other nodes.

    Cost: O(K E S / 64) for S different senders in the largest component: breadth-first search from 64 senders of every
      component at once, which ends early where all pairs are reached. `"keep"` runs to the longest finite distance.

    Padding: 0 on padding pairs. For virtual nodes encode first, then `extend_to_virtual_nodes`.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1, 1, 2], [1, 0, 2, 1], num_nodes=4)
      >>> pairs = ga.graphs.all_pairs(graph)
      >>> distances = ga.encodings.shortest_path_distances(graph, 1, pattern=pairs)
      >>> distances.reshape(4, 4)
      array([[0, 1, 2, 3],
             [1, 0, 1, 3],
             [2, 1, 0, 3],
             [3, 3, 3, 0]], dtype=int32)
      >>> layer = ga.attention.RelativeBias(
      ...     ga.attention.GraphTransformer(heads=2), ga.encodings.distance_buckets(1).count)
      >>> params = layer.init(jax.random.key(0), in_features=8)
      >>> pairs = pairs._replace(
      ...     nodes=np.ones((4, 8), np.float32), edges=ga.nn.EdgeInputs(buckets=distances))
      >>> layer.apply(params, pairs).graph.nodes.shape
      (4, 8)

    Source: Ying, Cai, Luo, Zheng, Ke, He, Shen, Liu, "Do Transformers Really Perform Bad for Graph Representation?"
      (Graphormer), NeurIPS 2021, arXiv:2106.05234, φ of equation 6. Its code gives one bucket to "no path" and to a
      distance of 510, and masks what is far; here nothing is masked.
    """
    buckets = distance_buckets(max_distance)
    senders, receivers, real = read_pairs(graph, pattern, "shortest_path_distances")
    matrix = adjacency(graph, "shortest_path_distances", directed=directed)
    label = components(matrix).label
    inside = label[senders] == label[receivers]
    hops = np.where(real & ~inside, buckets.unreachable, 0).astype(np.int32)
    for search in searches(matrix, label, np.flatnonzero(real & inside), senders, receivers):
        for _ in range(buckets.beyond):
            far = ~search.arrived()
            hops[search.pairs] += far
            if not far.any():
                break
            search = search.step()
        if directed == "keep" and far.any():
            hops[search.pairs[~_closure(search).arrived()]] = buckets.unreachable
    return hops


def _closure(search):
    """The search after as many steps as change anything."""
    while True:
        further = search.step()
        if np.array_equal(further.reached, search.reached):
            return search
        search = further
