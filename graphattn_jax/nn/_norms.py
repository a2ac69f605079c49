"""Normalisation layers whose statistics ignore padding.

All compute in float32 (float64 for float64 inputs) and return the dtype of `x`. The rows that a
mask leaves out enter no statistic and come out as zeros, whatever they hold.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks, ops
from graphattn_jax._dtypes import accumulation_dtype
from graphattn_jax.typing import Array, ArrayLike


class LayerNormParams(NamedTuple):
    """`scale` and `bias`, each `[D]`."""

    scale: Array
    bias: Array


class BatchNormParams(NamedTuple):
    """`scale` and `bias`, each `[D]`."""

    scale: Array
    bias: Array


class BatchNormState(NamedTuple):
    """Running `mean` and `var`, each `[D]` float32; not trained."""

    mean: Array
    var: Array


class GraphNormParams(NamedTuple):
    """`scale`, `bias` and `alpha` (the share of the mean that is removed), each `[D]`."""

    scale: Array
    bias: Array
    alpha: Array


def init_layer_norm(width: int) -> LayerNormParams:
    """Parameters of `layer_norm` and `graph_layer_norm`: scale 1, bias 0.

    Args:
      width: number of features, positive.

    Returns:
      `LayerNormParams(scale [D], bias [D])`.

    Raises:
      ValueError: a width that is not a positive integer.

    Example:
      >>> import graphattn_jax as ga
      >>> ga.nn.init_layer_norm(4).scale.shape
      (4,)
    """
    _checks.positive("width", width)
    return LayerNormParams(scale=jnp.ones(width), bias=jnp.zeros(width))


def layer_norm(params: LayerNormParams, x: ArrayLike, *, eps: float = 1e-5) -> Array:
    """Normalises each row over its features.

        y = (x - mean(x)) / sqrt(var(x) + eps) * scale + bias,   var biased, as in torch

    Args:
      params: from `init_layer_norm`.
      x: `[..., D]` floating point.
      eps: added to the variance.

    Returns:
      `[..., D]` in the dtype of `x`.

    Raises:
      ValueError: `x` is not floating point or not `D` wide.

    Cost: O(rows * D).
    Padding: exact, row by row.

    Example:
      >>> import jax.numpy as jnp
      >>> import graphattn_jax as ga
      >>> params = ga.nn.init_layer_norm(2)
      >>> ga.nn.layer_norm(params, jnp.array([[1.0, 3.0]])).round(3).tolist()
      [[-1.0, 1.0]]

    Source: Ba, Kiros, Hinton, "Layer Normalization", 2016, arXiv:1607.06450.
    """
    _checks.arrays_of(params, LayerNormParams, "init_layer_norm")
    x = _features(x, params.scale.shape[0])
    wide = x.astype(accumulation_dtype(x.dtype))
    centred = wide - wide.mean(axis=-1, keepdims=True)
    var = jnp.square(centred).mean(axis=-1, keepdims=True)
    return _affine(params, centred * jax.lax.rsqrt(var + eps)).astype(x.dtype)


def init_batch_norm(width: int) -> tuple[BatchNormParams, BatchNormState]:
    """Parameters and running statistics of `batch_norm`: scale 1, bias 0, mean 0, variance 1.

    Args:
      width: number of features, positive.

    Returns:
      `(BatchNormParams, BatchNormState)`; only the first is trained.

    Raises:
      ValueError: a width that is not a positive integer.

    Example:
      >>> import graphattn_jax as ga
      >>> params, state = ga.nn.init_batch_norm(4)
      >>> state.var.tolist()
      [1.0, 1.0, 1.0, 1.0]
    """
    _checks.positive("width", width)
    params = BatchNormParams(scale=jnp.ones(width), bias=jnp.zeros(width))
    return params, BatchNormState(mean=jnp.zeros(width), var=jnp.ones(width))


def batch_norm(
    params: BatchNormParams,
    state: BatchNormState,
    x: ArrayLike,
    *,
    training: bool,
    where: ArrayLike | None = None,
    momentum: float = 0.1,
    eps: float = 1e-5,
    implementation: str | None = None,
) -> tuple[Array, BatchNormState]:
    """Normalises each feature over the real rows of the batch.

        y = (x - mean) / sqrt(var + eps) * scale + bias
        running = (1 - momentum) * running + momentum * batch

    In training, mean and biased variance are those of the batch, and the running variance takes the
    unbiased one, as in torch; in evaluation, they are the running ones. They are those of the whole batch
    also where its rows are sharded under `jit`, or spread over an axis `ga.ops.BATCH_AXIS` of devices, as
    `ga.training.make_train_step` does. With a single real row the batch variance is 0 and the output is the bias.

    Args:
      params, state: from `init_batch_norm`.
      x: `[N, D]` floating point.
      training: True uses and records the statistics of the batch.
      where: `[N]` bool, True = real. None = all real.
      momentum: weight of the new batch in the running statistics, in [0, 1].
      eps: added to the variance.
      implementation: of the statistics in training: "cpp", "xla", or "reference", which has a forward mode; None = the
        first that can.

    Returns:
      `([N, D] in the dtype of x, BatchNormState)`. Masked rows are 0. The state is unchanged in
      evaluation and when no row is real; no gradient flows through it.

    Raises:
      ValueError: shapes disagree or `where` is not boolean.

    Cost: O(N * D).
    Padding: exact in values, gradients and running statistics when `where` marks the padding.

    Example:
      >>> import jax.numpy as jnp
      >>> import graphattn_jax as ga
      >>> params, state = ga.nn.init_batch_norm(1)
      >>> x, real = jnp.array([[1.0], [3.0], [99.0]]), jnp.array([True, True, False])
      >>> y, state = ga.nn.batch_norm(params, state, x, where=real, training=True, momentum=0.5)
      >>> y.round(3).tolist(), state.mean.tolist(), state.var.tolist()
      ([[-1.0], [1.0], [0.0]], [1.0], [1.5])

    Source: Ioffe, Szegedy, "Batch Normalization", ICML 2015, arXiv:1502.03167.
    """
    _checks.arrays_of(params, BatchNormParams, "init_batch_norm")
    _checks.arrays_of(state, BatchNormState, "init_batch_norm")
    x = _rows(x, params.scale.shape[0])
    real = _real(where, x)
    wide = x.astype(accumulation_dtype(x.dtype))
    scale, bias = (p.astype(wide.dtype) for p in params)
    if training:
        count = ops.sum_over_batch(real.sum(dtype=wide.dtype))
        y, mean, var = ops.batch_norm(wide, scale, bias, real, eps, implementation=implementation)
        unbiased = var * count / jnp.maximum(count - 1, 1)
        step = jnp.where(count > 0, momentum, 0.0)
        state = jax.tree.map(
            lambda old, new: ((1 - step) * old + step * new).astype(old.dtype),
            state,
            jax.lax.stop_gradient(BatchNormState(mean, unbiased)),
        )
    else:
        mean, var = (s[None].astype(wide.dtype) for s in state)
        y = (jnp.where(real, wide, 0) - mean) * jax.lax.rsqrt(var + eps) * scale[None] + bias[None]
        y = jnp.where(real, y, 0)
    return y.astype(x.dtype), state


def init_graph_norm(width: int) -> GraphNormParams:
    """Parameters of `graph_norm`: scale 1, bias 0, alpha 1 (the whole mean is removed).

    Args:
      width: number of features, positive.

    Returns:
      `GraphNormParams(scale [D], bias [D], alpha [D])`.

    Raises:
      ValueError: a width that is not a positive integer.

    Example:
      >>> import graphattn_jax as ga
      >>> ga.nn.init_graph_norm(2).alpha.tolist()
      [1.0, 1.0]
    """
    _checks.positive("width", width)
    return GraphNormParams(scale=jnp.ones(width), bias=jnp.zeros(width), alpha=jnp.ones(width))


def graph_norm(
    params: GraphNormParams,
    x: ArrayLike,
    graph_ids: ArrayLike,
    num_graphs: int,
    *,
    where: ArrayLike | None = None,
    eps: float = 1e-5,
) -> Array:
    """Normalises each feature over the nodes of each graph, removing a learned share of the mean.

        c = x - alpha * mean_g(x),   y = c / sqrt(mean_g(c^2) + eps) * scale + bias

    with mean_g over the nodes of the node's own graph. `alpha` keeps the mean where it carries
    information, as in regular graphs.

    Args:
      params: from `init_graph_norm`.
      x: `[N, D]` floating point.
      graph_ids: `[N]` integer, the graph of each node.
      num_graphs: static number of graphs, padding graphs included.
      where: `[N]` bool, True = real. Needed only where padding shares a graph with real nodes.
      eps: added to the mean square.

    Returns:
      `[N, D]` in the dtype of `x`. Masked rows are 0.

    Raises:
      ValueError: shapes disagree, ids are not integers or `where` is not boolean.

    Cost: O(N * D), two segment means.
    Padding: exact; the graph that owns the padding has its own statistics.

    Example:
      >>> import jax.numpy as jnp
      >>> import graphattn_jax as ga
      >>> x, ids = jnp.array([[1.0], [3.0], [5.0], [5.0]]), jnp.array([0, 0, 1, 1])
      >>> ga.nn.graph_norm(ga.nn.init_graph_norm(1), x, ids, 2).round(3).tolist()
      [[-1.0], [1.0], [0.0], [0.0]]

    Source: Cai et al., "GraphNorm: A Principled Approach to Accelerating Graph Neural Network
    Training", ICML 2021, arXiv:2009.03294, equation 4.
    """
    x = _rows(x, params.scale.shape[0])
    graph_ids, real = _graphs(graph_ids, num_graphs, x), _real(where, x)
    wide = jnp.where(real, x, 0).astype(accumulation_dtype(x.dtype))
    mean = ops.segment_mean(wide, graph_ids, num_graphs, where=where)
    centred = wide - params.alpha.astype(wide.dtype)[None] * mean[graph_ids]
    square = ops.segment_mean(jnp.square(centred), graph_ids, num_graphs, where=where)
    y = _affine(params, centred * jax.lax.rsqrt(square + eps)[graph_ids])
    return jnp.where(real, y, 0).astype(x.dtype)


def graph_layer_norm(
    params: LayerNormParams,
    x: ArrayLike,
    graph_ids: ArrayLike,
    num_graphs: int,
    *,
    where: ArrayLike | None = None,
    eps: float = 1e-5,
) -> Array:
    """Layer normalisation over all nodes and features of each graph together.

        y = (x - mean_g(x)) / sqrt(var_g(x) + eps) * scale + bias

    with one mean and one biased variance per graph. Unlike `layer_norm` it keeps the differences in
    size between nodes of a graph.

    Args:
      params: from `init_layer_norm`.
      x: `[N, D]` floating point.
      graph_ids: `[N]` integer, the graph of each node.
      num_graphs: static number of graphs, padding graphs included.
      where: `[N]` bool, True = real. Needed only where padding shares a graph with real nodes.
      eps: added to the variance.

    Returns:
      `[N, D]` in the dtype of `x`. Masked rows are 0.

    Raises:
      ValueError: shapes disagree, ids are not integers or `where` is not boolean.

    Cost: O(N * D), two segment means of one column.
    Padding: exact; the graph that owns the padding has its own statistics.

    Example:
      >>> import jax.numpy as jnp
      >>> import graphattn_jax as ga
      >>> x, ids = jnp.array([[1.0, 3.0], [3.0, 1.0], [5.0, 5.0]]), jnp.array([0, 0, 1])
      >>> ga.nn.graph_layer_norm(ga.nn.init_layer_norm(2), x, ids, 2).round(3).tolist()
      [[-1.0, 1.0], [1.0, -1.0], [0.0, 0.0]]

    Source: the `mode="graph"` of `LayerNorm` in PyTorch Geometric.
    """
    x = _rows(x, params.scale.shape[0])
    graph_ids, real = _graphs(graph_ids, num_graphs, x), _real(where, x)
    wide = jnp.where(real, x, 0).astype(accumulation_dtype(x.dtype))
    mean = ops.segment_mean(wide.mean(axis=-1), graph_ids, num_graphs, where=where)
    centred = wide - mean[graph_ids][:, None]
    var = ops.segment_mean(jnp.square(centred).mean(axis=-1), graph_ids, num_graphs, where=where)
    y = _affine(params, centred * jax.lax.rsqrt(var + eps)[graph_ids][:, None])
    return jnp.where(real, y, 0).astype(x.dtype)


def _features(x: ArrayLike, width: int) -> Array:
    x = jnp.asarray(x)
    _checks.features("x", x, width)
    return x


def _rows(x: ArrayLike, width: int) -> Array:
    x = _features(x, width)
    _checks.shape("x", x, ("N", width))
    return x


def _real(where: ArrayLike | None, x: Array) -> Array:
    """`[N, 1]` bool."""
    if where is None:
        return jnp.ones((x.shape[0], 1), bool)
    _checks.mask("where", where, x.shape[0])
    return jnp.asarray(where)[:, None]


def _graphs(graph_ids: ArrayLike, num_graphs: int, x: Array) -> Array:
    _checks.ids("graph_ids", graph_ids, x.shape[0])
    _checks.ids_in_range("graph_ids", graph_ids, num_graphs, "graphs")
    return jnp.asarray(graph_ids)


def _affine(params: LayerNormParams | BatchNormParams | GraphNormParams, x: Array) -> Array:
    scale, bias = (
        jnp.broadcast_to(p.astype(x.dtype), x.shape) for p in (params.scale, params.bias)
    )
    return x * scale + bias
