"""Degrees as classes for an embedding table."""

from __future__ import annotations

from graphattn_jax import _checks
from graphattn_jax.graphs import GraphsTuple, in_degree, node_mask, out_degree
from graphattn_jax.typing import ArrayLike

_DEGREES = {"in": in_degree, "out": out_degree}


def degree_encoding(graph: GraphsTuple, max_degree: int, *, direction: str = "in") -> ArrayLike:
    """Degree classes: rows of an embedding table, the centrality encoding of Graphormer.

        class_i = 1 + min(degree_i, max_degree)  for a real node,   0 for padding

    Degree 0 is class 1, and has an embedding of its own. Class 0 is what `graphs.pad` puts into padding rows of
    classes that are stored as a node feature, so encoding before and after padding agree. The table has
    `max_degree + 2` rows; Graphormer takes two, one per direction, and adds them up: `centrality`.

    Args:
      graph: any `GraphsTuple`. Inside `jax.jit` it needs node features, or to be prepared.
      max_degree: the largest degree told apart, positive.
      direction: "in", received edges, or "out", sent edges. Duplicates and self-loops count.

    Returns:
      `[N]` int32 in [0, max_degree + 1]; numpy for a graph held in numpy, a JAX array otherwise.

    Raises:
      ValueError: max_degree < 1, an unknown direction, traced and neither.

    Cost: O(N + E).
    Padding: class 0.

    Example:
      >>> import graphattn_jax as ga
      >>> star = ga.graphs.from_edge_list([1, 2, 3, 4], [0, 0, 0, 0])
      >>> ga.encodings.degree_encoding(star, 3).tolist()
      [4, 1, 1, 1, 1]
      >>> ga.encodings.degree_encoding(star, 3, direction="out").tolist()
      [1, 2, 2, 2, 2]

    Source: Ying et al., "Do Transformers Really Perform Bad for Graph Representation?" (Graphormer), NeurIPS 2021,
      arXiv:2106.05234, equation 5.
    """
    _checks.positive("max_degree", max_degree)
    _checks.choice("direction", direction, _DEGREES)
    degree = _DEGREES[direction](graph)
    return (1 + degree.clip(max=max_degree)) * node_mask(graph).astype(degree.dtype)
