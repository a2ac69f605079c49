"""Attention of every node to all nodes of its graph, in dense blocks."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from graphattn_jax import nn, ops
from graphattn_jax.attention import _scores
from graphattn_jax.attention._graph_transformer import GraphTransformerParams
from graphattn_jax.attention._pipeline import combine_heads, project
from graphattn_jax.nn._arrays import read_nodes
from graphattn_jax.typing import Array, ArrayLike

__all__ = ["global_attention"]


def global_attention(
    params: GraphTransformerParams,
    graph: Any,
    *,
    layout: Any = None,
    score: str = "standard",
    normalizer: str | ops.Normalizer = "softmax",
    bias: ArrayLike | None = None,
    temperature: float = 1.0,
    concat: bool = True,
    dropout_rate: float = 0.0,
    dropout_key: Array | None = None,
    return_attention: bool = False,
):
    """The transformer's attention among all nodes of each graph.

        a_ij = softmax_j( (W_q x_i) · (W_k x_j) / √C + b_ij ),    x'_i = W_o ‖_h Σ_j a_ij W_v x_j

    with j over the nodes of i's graph, i itself included. It is `graph_transformer` on `ga.graphs.all_pairs(graph)`,
    with the same parameters and options, computed in one dense block per graph; the edges of the graph are not read.

    Args:
      params: from `init_graph_transformer` without `edge_features`, with the same `score`.
      graph: nodes `[N, D]`.
      layout: from `ga.graphs.layout(graph, block_size=n)`. Without blocks all nodes share one, and pairs of
        different graphs are masked: O(N²), for small inputs only.
      score: as `graph_transformer`.
      normalizer: as `graph_transformer`.
      bias: `[B, H, n, n]` added to the logits, row = receiver, on the slots of `layout.blocks`.
      temperature: τ > 0 of the cosine score.
      concat: without an output map: True = heads side by side `[N, H·C]`, False = their mean `[N, C]`.
      dropout_rate: probability in [0, 1), on the attention weights.
      dropout_key: typed key, required when the rate is positive.
      return_attention: also return the `ops.BlockAttention`.

    Returns:
      The graph with new nodes, in the dtype of the old; with `return_attention`, `(graph, ops.BlockAttention)`.

    Raises:
      ValueError: features that do not fit the parameters, unknown options, dropout without a key, parameters with edge
        terms.

    Cost: O(N D H C + B n² H C) time, O(B H n²) memory.
    Padding: exact on real nodes, values and gradients; with a layout padding nodes get the output map of 0.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 2], nodes=np.eye(3, 4, dtype=np.float32))
      >>> params = ga.attention.init_graph_transformer(jax.random.key(0), 4, 8, heads=2, out_features=4)
      >>> layout = ga.graphs.layout(graph, block_size=3)
      >>> ga.attention.global_attention(params, graph, layout=layout).nodes.shape
      (3, 4)

    Source: Vaswani et al., "Attention Is All You Need", NeurIPS 2017, arXiv:1706.03762, section 3.2.
    """
    _scores.check_params(score, params, second="key_weight")
    if params.edge_key is not None:
        raise ValueError(
            "params must have no edge terms for global_attention, edge_key is given. Fix: graph_transformer on "
            "ga.graphs.all_pairs(graph), or init_graph_transformer without edge_features."
        )
    nodes = read_nodes(graph, params.query_weight.shape[0])
    # One product for all: heads side by side, [N, 3 H, C], or [N, 2 H, C] where query and key are one.
    weights = [params.query_weight, params.key_weight, params.value_weight]
    biases = [params.query_bias, params.key_bias, params.value_bias]
    weights, biases = ([jnp.asarray(x) for x in xs if x is not None] for xs in (weights, biases))
    bias_row = jnp.concatenate(biases) if biases else None
    projected = project(nodes, jnp.concatenate(weights, axis=1), bias_row)
    blocks, mask = None if layout is None else layout.blocks, None
    if blocks is None:
        projected, mask = projected[None], _same_graph(graph)[None]
    query, *keys, value = jnp.split(projected, len(weights), axis=-2)
    key, scale = keys[0] if keys else query, query.shape[-1] ** -0.5
    if _scores.is_dot_form(score):
        query, key, kernel = _scores.dot_form(score, query, params.pairwise, temperature)
        scale = kernel.scale or scale
    elif score == "symmetrized":  # ½ (q_i · k_j + k_i · q_j) is one product of twice the length
        query, key = (jnp.concatenate(pair, axis=-1) for pair in ((query, key), (key, query)))
        scale = 0.5 * scale
    attention = ops.block_attention(
        query,
        key,
        value,
        mask=mask,
        blocks=blocks,
        scale=scale,
        bias=bias,
        normalizer=normalizer,
        dropout_rate=dropout_rate,
        dropout_key=dropout_key,
    )
    message = attention.out[0] if blocks is None else attention.out
    out = combine_heads(message, concat or params.output is not None)
    if params.output is not None:
        out = nn.linear(params.output, out)
    if params.root is not None:
        out = out + nn.linear(params.root, nodes)
    graph = graph._replace(nodes=out)
    return (graph, attention) if return_attention else graph


def _same_graph(graph: Any) -> Array:
    """`[N, N]`: whether two nodes are of one graph."""
    n_node = jnp.asarray(graph.n_node)
    num_nodes = graph.nodes.shape[0]
    ids = jnp.repeat(jnp.arange(n_node.shape[0]), n_node, total_repeat_length=num_nodes)
    return ids[:, None] == ids[None, :]
