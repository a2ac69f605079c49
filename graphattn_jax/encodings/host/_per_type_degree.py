"""How many neighbours of each type, or edges of each type, a node has."""

from __future__ import annotations

import numpy as np

from graphattn_jax import _checks
from graphattn_jax.graphs import GraphsTuple, edge_mask, num_nodes, to_host
from graphattn_jax.typing import ArrayLike


def per_type_degree(
    graph: GraphsTuple,
    num_types: int,
    *,
    node_types: ArrayLike | None = None,
    edge_types: ArrayLike | None = None,
    direction: str = "in",
) -> np.ndarray:
    """The degree of each node split by type: of the neighbours, or of the edges.

        d_i,t = |{ j → i : τ(j) = t }|,    or    |{ e = (j → i) : τ(e) = t }|

    Duplicate edges and self-loops count, as in `graphs.in_degree`, which is the sum over the types.

    Args:
      graph: a graph or batch on the host, padded or not; directed or not.
      num_types: T.
      node_types: `[N]` integers in `[0, T)`: count neighbours by their type.
      edge_types: `[E]` integers in `[0, T)`: count edges by their type. Give one of the two.
      direction: `"in"` counts the edges that a node receives, `"out"` those that it sends.

    Returns:
      `[N, T]` int32.

    Raises:
      ValueError: both or none of the types, types out of range or of a wrong length, an unknown direction.

    Cost: O(E + N T).

    Padding: padding edges do not count, so padding nodes get 0.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1, 1], [2, 2, 0])
      >>> ga.encodings.per_type_degree(graph, 2, node_types=np.array([0, 1, 1]))
      array([[0, 1],
             [0, 0],
             [1, 1]], dtype=int32)
    """
    _checks.positive("num_types", num_types)
    _checks.choice("direction", direction, ("in", "out"))
    graph = to_host(graph, "per_type_degree", allow_padded=True)
    size, real = num_nodes(graph), np.asarray(edge_mask(graph))
    ends = (graph.receivers, graph.senders)
    here, there = ends if direction == "in" else ends[::-1]
    if (node_types is None) == (edge_types is None):
        raise ValueError("per_type_degree needs either node_types or edge_types, and not both.")
    if node_types is not None:
        types = _types("node_types", node_types, size, num_types)[there]
    else:
        types = _types("edge_types", edge_types, len(here), num_types)
    cell = here[real].astype(np.int64) * num_types + types[real]
    return np.bincount(cell, minlength=size * num_types).reshape(size, num_types).astype(np.int32)


def _types(name: str, types: ArrayLike | None, length: int, num_types: int) -> np.ndarray:
    _checks.ids(name, types, length)
    _checks.ids_in_range(name, types, num_types, "types")
    return np.asarray(types)
