"""The pipeline that every layer is written on: pattern, score, normalizer, update."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp

from graphattn_jax import ops
from graphattn_jax._dtypes import accumulation_dtype
from graphattn_jax.nn._arrays import product
from graphattn_jax.typing import Array, ArrayLike

__all__ = ["Attention", "attend", "attend_from_logits", "combine_heads", "project"]


class Attention(NamedTuple):
    """How a layer attended, one row per edge of the graph, in its order.

    weights `[E, H]` float32: after the normalizer, before dropout.
    logits `[E, H]` float32: before the normalizer, bias included.
    residual `[N, H]`: error of the row sums for the Sinkhorn normalizer, else None.
    """

    weights: Array
    logits: Array
    residual: Array | None


def attend(
    query: ArrayLike,
    key: ArrayLike,
    value: ArrayLike,
    graph: Any,
    *,
    score: ops.Score | None = None,
    bias: ArrayLike | None = None,
    normalizer: str | ops.Normalizer = "softmax",
    layout: Any = None,
    dropout_rate: float = 0.0,
    dropout_key: Array | None = None,
    implementation: str | None = None,
) -> ops.EdgeAttention:
    """Attention over the edges of a graph: the four seams in one call.

        a_ij = normalize_j( s(q_i, k_j) + b_ij ),    out_i = Σ_j dropout(a_ij) v_j

    The pattern is the graph's edge list: use `ga.graphs.all_pairs`, `add_self_loops` and the like to change it. Named
    layers are this function between two projections; write your own the same way.

    Args:
      query: `[N, H, C]` (`[N, H]` for `ops.AdditiveScore`).
      key: as `query`.
      value: `[N, H, C_v]`.
      graph: a `GraphsTuple`; only senders and receivers are read.
      score: a score of `ga.ops`; None = scaled dot product.
      bias: `[E, H]` added to the logits.
      normalizer: "softmax", "sigmoid", "post_hoc", "symmetric", "sinkhorn", or an options tuple of `ga.ops`.
      layout: from `ga.graphs.layout`.
      dropout_rate: probability in [0, 1), applied to the weights.
      dropout_key: typed key.
      implementation: see `ga.ops.edge_attention`.

    Returns:
      `ops.EdgeAttention`.

    Raises:
      ValueError: see `ga.ops.edge_attention`.

    Cost: see `ga.ops.edge_attention`.
    Padding: exact on real nodes, with or without a layout: padding edges join padding nodes only.

    Example:
      >>> import jax.numpy as jnp, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 0])
      >>> x = jnp.arange(4.).reshape(2, 1, 2)
      >>> ga.attention.attend(x, x, x, graph).out[:, 0].tolist()
      [[2.0, 3.0], [0.0, 1.0]]
    """
    return ops.edge_attention(
        query,
        key,
        value,
        graph.senders,
        graph.receivers,
        score=score,
        bias=bias,
        where=None if layout is None else layout.edge_mask,
        normalizer=normalizer,
        dropout_rate=dropout_rate,
        dropout_key=dropout_key,
        layout=None if layout is None else layout.edges,
        implementation=implementation,
    )


def attend_from_logits(
    logits: ArrayLike,
    value: ArrayLike,
    graph: Any,
    *,
    where: ArrayLike | None = None,
    normalizer: str | ops.Normalizer = "softmax",
    layout: Any = None,
    dropout_rate: float = 0.0,
    dropout_key: Array | None = None,
    implementation: str | None = None,
) -> ops.EdgeAttention:
    """The pipeline from the normalizer on, for layers whose score is none of the kernels of `ga.ops`.

        a_ij = normalize_j( l_ij ),    out_i = Σ_j dropout(a_ij) v_j

    Args:
      logits: `[E, H]` floating point, bias included.
      value: `[N, H, C]`.
      graph: a `GraphsTuple`; only senders and receivers are read.
      where: `[E]` bool, True = the edge takes part; padding does not in any case. None = all edges.
      normalizer: as `attend`.
      layout: from `ga.graphs.layout`.
      dropout_rate: probability in [0, 1), applied to the weights.
      dropout_key: typed key.
      implementation: see `ga.ops.edge_attention`.

    Returns:
      `ops.EdgeAttention`.

    Raises:
      ValueError: see `ga.ops.attend_from_logits`.

    Cost: see `ga.ops.attend_from_logits`.
    Padding: as `attend`.

    Example:
      >>> import jax.numpy as jnp, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1, 1], [1, 0, 1])
      >>> value = jnp.arange(2.).reshape(2, 1, 1)
      >>> ga.attention.attend_from_logits(jnp.zeros((3, 1)), value, graph).out.ravel().tolist()
      [1.0, 0.5]
    """
    if layout is not None:
        where = layout.edge_mask if where is None else jnp.asarray(where) & layout.edge_mask
    return ops.attend_from_logits(
        logits,
        value,
        graph.senders,
        graph.receivers,
        num_nodes=value.shape[0],
        where=where,
        normalizer=normalizer,
        dropout_rate=dropout_rate,
        dropout_key=dropout_key,
        layout=None if layout is None else layout.edges,
        implementation=implementation,
    )


def project(
    x: Array | ops.SparseFeatures, weight: ArrayLike, bias: ArrayLike | None = None
) -> Array:
    """Per-head linear map x W (+ b): `[N, D]` and `[D, H, C]` to `[N, H, C]`, in the dtype of `x`.

    Args:
      x: `[N, D]`, an array or `SparseFeatures`.
      weight: `[D, H, C]`.
      bias: `[H, C]` or None.

    Returns:
      `[N, H, C]`, accumulated in float32.

    Example:
      >>> import jax.numpy as jnp, graphattn_jax as ga
      >>> ga.attention.project(jnp.ones((2, 3)), jnp.ones((3, 4, 5))).shape
      (2, 4, 5)
    """
    weight = jnp.asarray(weight)
    depth, heads, channels = weight.shape
    flat = product(x, weight.reshape(depth, heads * channels))
    out = flat.reshape(x.shape[0], heads, channels)
    if bias is not None:
        out = out + jnp.asarray(bias).astype(out.dtype)[None]
    return out.astype(x.dtype)


def combine_heads(x: Array, concat: bool) -> Array:
    """`[N, H, C]` to `[N, H·C]`, or to the mean over heads `[N, C]`.

    Args:
      x: `[N, H, C]`.
      concat: True = side by side, False = mean.

    Returns:
      `[N, H·C]` or `[N, C]` in the dtype of `x`.

    Example:
      >>> import jax.numpy as jnp, graphattn_jax as ga
      >>> ga.attention.combine_heads(jnp.ones((2, 4, 5)), True).shape
      (2, 20)
    """
    if concat:
        nodes, heads, channels = x.shape
        return x.reshape(nodes, heads * channels)
    return x.mean(axis=1, dtype=accumulation_dtype(x.dtype)).astype(x.dtype)


def add_bias(bias: ArrayLike | None, term: Array | None) -> ArrayLike | None:
    """The sum of two logit biases, either of which may be absent."""
    if bias is None or term is None:
        return term if bias is None else bias
    return jnp.asarray(bias).astype(term.dtype) + term


def add_output_bias(out: Array, bias: ArrayLike | None) -> Array:
    """The layer's own bias on its combined heads."""
    if bias is None:
        return out
    if bias.shape != out.shape[1:]:
        raise ValueError(
            f"params.bias must have one entry for each of {out.shape[1]} outputs, got shape "
            f"{tuple(bias.shape)}. Fix: pass the same concat= to init and to the layer."
        )
    return out + jnp.asarray(bias).astype(out.dtype)[None]


def finish(graph: Any, out: Array, attention: ops.EdgeAttention, return_attention: bool):
    """The graph with new node features, and how it attended if asked."""
    graph = graph._replace(nodes=out)
    if not return_attention:
        return graph
    return graph, Attention(attention.weights, attention.logits, attention.residual)
