"""One row per graph from the rows of its nodes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax.numpy as jnp

from graphattn_jax import _checks, graphs, nn, ops
from graphattn_jax.models._norm import real_rows
from graphattn_jax.typing import Array, ArrayLike, PRNGKey
from graphattn_jax.values import Value

__all__ = ["AttentionPool", "AttentionPoolParams", "Pooled", "pool"]

METHODS: dict[str, Callable[..., Array]] = {
    "sum": ops.segment_sum,
    "mean": ops.segment_mean,
    "max": ops.segment_max,
}


class AttentionPoolParams(NamedTuple):
    """The gate `[D, H]`: a logit per node and head."""

    gate: nn.LinearParams


class Pooled(NamedTuple):
    """What `AttentionPool` gives: a row `[G, D]` per graph, and the weights `[N, H]` of the nodes."""

    features: Array
    weights: Array


def pool(graph: Any, method: str = "mean", *, where: ArrayLike | None = None) -> Array:
    """Sum, mean or maximum over the nodes of each graph.

        y_g = sum | mean | max of x_i over the nodes i of graph g

    The readout of a virtual node is the sum over it alone: `where=virtual`, True for one node per
    graph, such as the last one after `graphs.add_virtual_node`.

    Args:
      graph: nodes `[N, D]` floating point; also inside `jax.jit`.
      method: `"sum"`, `"mean"` or `"max"`.
      where: `[N]` bool, the nodes that take part, of the real ones. None = all.

    Returns:
      `[G, D]` in the dtype of the nodes. A graph without nodes that take part gives 0.

    Raises:
      ValueError: nodes that are no floating-point matrix, an unknown method, or `where` is not a
        mask over the nodes.

    Cost: O(N D), a scatter of sorted rows.
    Padding: exact; padding graphs give 0.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> path = ga.graphs.from_edge_list([0, 1], [1, 2], nodes=np.array([[1.0], [2.0], [6.0]]))
      >>> [ga.models.pool(path, method).item() for method in ("sum", "mean", "max")]
      [9.0, 3.0, 6.0]
      >>> ga.models.pool(path, "sum", where=np.array([False, False, True])).item()
      6.0
    """
    _checks.choice("method", method, METHODS)
    _checks.shape("graph.nodes", graph.nodes, ("N", "D"))
    _checks.floating("graph.nodes", graph.nodes)
    ids, real = _nodes(graph, where)
    num_graphs = graphs.num_graphs(graph)
    return METHODS[method](graph.nodes, ids, num_graphs, where=real, indices_are_sorted=True)


@dataclass(frozen=True, repr=False)
class AttentionPool(Value):
    """Mean over the nodes of each graph with learned weights.

        a_ih = softmax over the nodes i of graph g of (x_i W)_h,    y_g = concat_h sum_i a_ih x_i^(h)

    with x^(h) the h-th of H equal parts of the features: a head weighs its own part.

    Args:
      heads: H.

    Raises:
      ValueError: not a positive integer.

    Cost: O(N D H), a segment softmax and a scatter of sorted rows.
    Padding: exact; padding graphs give 0.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0], [1], nodes=np.eye(2, 4, dtype=np.float32))
      >>> pool = ga.models.AttentionPool(heads=2)
      >>> params = pool.init(jax.random.key(0), 4)
      >>> pooled, weights = pool.apply(params, graph)
      >>> pooled.shape, np.allclose(weights.sum(axis=0), 1)
      ((1, 4), True)

    Source: Li et al., "Gated Graph Sequence Neural Networks", ICLR 2016, arXiv:1511.05493, equation
      7, with a softmax over the nodes in place of its sigmoid, and without its tanh.
    """

    heads: int = 1

    def __post_init__(self) -> None:
        _checks.positive("heads", self.heads)

    def init(self, key: PRNGKey, width: int) -> AttentionPoolParams:
        """Parameters for nodes of this width, divisible by `heads`; without a bias: a softmax would not see it.

        Raises:
          ValueError: sizes that are not positive integers, or do not divide.
        """
        _checks.positive("width", width)
        _checks.divisible("width", width, self.heads, "heads")
        return AttentionPoolParams(nn.init_linear(key, width, self.heads, bias=False))

    def apply(
        self, params: AttentionPoolParams, graph: Any, *, where: ArrayLike | None = None
    ) -> Pooled:
        """The pooled features and the weights.

        Args:
          params: from `init`.
          graph: nodes `[N, D]` floating point; also inside `jax.jit`.
          where: `[N]` bool, the nodes that take part, of the real ones. None = all.

        Returns:
          `Pooled`: features `[G, D]` in the dtype of the nodes, 0 for a graph without nodes that take part; weights
          `[N, H]`, 0 for nodes that take no part.

        Raises:
          ValueError: nodes that do not fit the parameters, or `where` is not a mask over the nodes.
        """
        _checks.params(params, AttentionPoolParams, self)
        width, heads = params.gate.weight.shape
        x = nn.read_nodes(graph, width)
        ids, real = _nodes(graph, where)
        num_graphs = graphs.num_graphs(graph)
        if real is not None:
            x = jnp.where(real[:, None], x, 0)
        logits = nn.linear(params.gate, x)
        weights = ops.segment_softmax(logits, ids, num_graphs, where=real, indices_are_sorted=True)
        parts = x.reshape(x.shape[0], heads, width // heads) * weights[:, :, None]
        pooled = ops.segment_sum(
            parts.reshape(x.shape), ids, num_graphs, where=real, indices_are_sorted=True
        )
        return Pooled(pooled, weights)


def _nodes(graph: Any, where: ArrayLike | None) -> tuple[ArrayLike, Array | None]:
    """The graph of each node, and whether the node takes part, None if all do."""
    real, _ = real_rows(graph)
    if where is not None:
        _checks.mask("where", where, graphs.num_nodes(graph))
        real = where if real is None else jnp.asarray(real) & jnp.asarray(where)
    return graphs.node_graph_ids(graph), None if real is None else jnp.asarray(real)
