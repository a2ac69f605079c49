"""One row per graph from the rows of its nodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp

from graphattn_jax import _checks, graphs, nn, ops
from graphattn_jax.nn._arrays import read_nodes
from graphattn_jax.typing import Array, ArrayLike, PRNGKey

_METHODS: dict[str, Callable[..., Array]] = {
    "sum": ops.segment_sum,
    "mean": ops.segment_mean,
    "max": ops.segment_max,
}


class AttentionPoolParams(NamedTuple):
    """The gate `[D, H]`: a logit per node and head."""

    gate: nn.LinearParams


def pool(
    graph: Any, method: str = "mean", *, layout: Any = None, where: ArrayLike | None = None
) -> Array:
    """Sum, mean or maximum over the nodes of each graph.

        y_g = sum | mean | max of x_i over the nodes i of graph g

    The readout of a virtual node is the sum over it alone: `where=virtual`, True for one node per
    graph, such as the last one after `graphs.add_virtual_node`.

    Args:
      graph: nodes `[N, D]` floating point; also inside `jax.jit`.
      method: `"sum"`, `"mean"` or `"max"`.
      layout: from `ga.graphs.layout`; saves computing ids and mask.
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
    _checks.choice("method", method, _METHODS)
    _checks.shape("graph.nodes", graph.nodes, ("N", "D"))
    _checks.floating("graph.nodes", graph.nodes)
    ids, real = _nodes(graph, layout, where)
    num_graphs = graphs.num_graphs(graph)
    return _METHODS[method](graph.nodes, ids, num_graphs, where=real, indices_are_sorted=True)


def init_attention_pool(key: PRNGKey, width: int, heads: int = 1) -> AttentionPoolParams:
    """Parameters of `attention_pool`.

    Args:
      key: from `jax.random.key`.
      width: D of the nodes, divisible by `heads`.
      heads: H.

    Returns:
      `AttentionPoolParams(gate)`, without a bias: a softmax would not see it.

    Raises:
      ValueError: sizes that are not positive integers, or do not divide.

    Example:
      >>> import jax, graphattn_jax as ga
      >>> ga.models.init_attention_pool(jax.random.key(0), 16, heads=4).gate.weight.shape
      (16, 4)
    """
    _checks.positive("width", width)
    _checks.positive("heads", heads)
    _checks.divisible("width", width, heads, "heads")
    return AttentionPoolParams(nn.init_linear(key, width, heads, bias=False))


def attention_pool(
    params: AttentionPoolParams,
    graph: Any,
    *,
    layout: Any = None,
    where: ArrayLike | None = None,
    return_attention: bool = False,
) -> Any:
    """Mean over the nodes of each graph with learned weights.

        a_ih = softmax over the nodes i of graph g of (x_i W)_h,    y_g = concat_h sum_i a_ih x_i^(h)

    with x^(h) the h-th of H equal parts of the features: a head weighs its own part.

    Args:
      params: from `init_attention_pool`.
      graph: nodes `[N, D]` floating point; also inside `jax.jit`.
      layout: from `ga.graphs.layout`; saves computing ids and mask.
      where: `[N]` bool, the nodes that take part, of the real ones. None = all.
      return_attention: also return the weights.

    Returns:
      `[G, D]` in the dtype of the nodes, 0 for a graph without nodes that take part; with
      `return_attention` also the weights `[N, H]`, 0 for nodes that take no part.

    Raises:
      ValueError: nodes that do not fit the parameters, or `where` is not a mask over the nodes.

    Cost: O(N D H), a segment softmax and a scatter of sorted rows.
    Padding: exact; padding graphs give 0.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0], [1], nodes=np.eye(2, 4, dtype=np.float32))
      >>> params = ga.models.init_attention_pool(jax.random.key(0), 4, heads=2)
      >>> pooled, weights = ga.models.attention_pool(params, graph, return_attention=True)
      >>> pooled.shape, np.allclose(weights.sum(axis=0), 1)
      ((1, 4), True)

    Source: Li et al., "Gated Graph Sequence Neural Networks", ICLR 2016, arXiv:1511.05493, equation
      7, with a softmax over the nodes in place of its sigmoid, and without its tanh.
    """
    width, heads = params.gate.weight.shape
    x = read_nodes(graph, width)
    ids, real = _nodes(graph, layout, where)
    num_graphs = graphs.num_graphs(graph)
    x = jnp.where(real[:, None], x, 0)
    logits = nn.linear(params.gate, x)
    weights = ops.segment_softmax(logits, ids, num_graphs, where=real, indices_are_sorted=True)
    parts = x.reshape(x.shape[0], heads, width // heads) * weights[:, :, None]
    pooled = ops.segment_sum(
        parts.reshape(x.shape), ids, num_graphs, where=real, indices_are_sorted=True
    )
    return (pooled, weights) if return_attention else pooled


def _nodes(graph: Any, layout: Any, where: ArrayLike | None) -> tuple[ArrayLike, Array]:
    """The graph of each node, and whether the node takes part."""
    if layout is None:
        ids, real = graphs.node_graph_ids(graph), graphs.node_mask(graph)
    else:
        ids, real = layout.node_graph_ids, layout.node_mask
    if where is not None:
        _checks.mask("where", where, real.shape[0])
        real = real & where
    return ids, jnp.asarray(real)
