"""A learned vector per degree."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax.nn import table_rows
from graphattn_jax.typing import Array, ArrayLike, PRNGKey

STANDARD_DEVIATION = 0.02
"""Of the tables, as in the published code."""


class CentralityParams(NamedTuple):
    """`incoming` and `outgoing` `[max_degree + 2, D]`: z⁻ and z⁺, a row per class of `degree_encoding`."""

    incoming: Array
    outgoing: Array


def init_centrality(key: PRNGKey, max_degree: int, width: int) -> CentralityParams:
    """Parameters of `centrality`, normal with standard deviation 0.02.

    Args:
      key: typed PRNG key.
      max_degree: the largest degree told apart, as in `degree_encoding`.
      width: D, width of the node features that it is added to.

    Returns:
      `CentralityParams(incoming, outgoing [max_degree + 2, D])` in float32.

    Raises:
      ValueError: sizes that are not positive integers.

    Example:
      >>> import jax, graphattn_jax as ga
      >>> ga.encodings.init_centrality(jax.random.key(0), 8, 16).incoming.shape
      (10, 16)
    """
    _checks.positive("max_degree", max_degree)
    _checks.positive("width", width)
    shape = (2, max_degree + 2, width)
    return CentralityParams(*(STANDARD_DEVIATION * jax.random.normal(key, shape, jnp.float32)))


def centrality(params: CentralityParams, incoming: ArrayLike, outgoing: ArrayLike) -> Array:
    """The centrality encoding of Graphormer, to add to the node features.

        z⁻_{deg⁻(i)} + z⁺_{deg⁺(i)}

    Args:
      params: from `init_centrality`.
      incoming: `[N]` classes from `degree_encoding(graph, max_degree, direction="in")`.
      outgoing: `[N]` classes from `degree_encoding(graph, max_degree, direction="out")`. On an undirected graph they
        are the same, and Graphormer adds both all the same.

    Returns:
      `[N, D]` in the dtype of the tables.

    Raises:
      ValueError: classes that are not integers, of different lengths, or (outside `jit`) out of range.

    Cost: O(N D).
    Padding: class 0, which is padding, gets 0.

    Example:
      >>> import jax.numpy as jnp, graphattn_jax as ga
      >>> star = ga.graphs.from_edge_list([1, 2], [0, 0])
      >>> incoming, outgoing = (
      ...     ga.encodings.degree_encoding(star, 2, direction=d) for d in ("in", "out"))
      >>> table = jnp.array([[0.0], [1.0], [2.0], [3.0]])
      >>> params = ga.encodings.CentralityParams(table, 10 * table)
      >>> ga.encodings.centrality(params, incoming, outgoing).ravel().tolist()
      [13.0, 21.0, 21.0]

    Source: Ying et al., "Do Transformers Really Perform Bad for Graph Representation?" (Graphormer), NeurIPS 2021,
      arXiv:2106.05234, equation 5.
    """
    _checks.ids("incoming", incoming)
    _checks.ids("outgoing", outgoing, incoming.shape[0])
    return _rows("incoming", params.incoming, incoming) + _rows(
        "outgoing", params.outgoing, outgoing
    )


def _rows(name: str, table: ArrayLike, classes: ArrayLike) -> Array:
    """Rows of the table, 0 for class 0."""
    _checks.ids_in_range(name, classes, table.shape[0], "classes")
    classes = jnp.asarray(classes)
    return jnp.where((classes != 0)[:, None], table_rows(table, classes), 0)
