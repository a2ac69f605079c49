"""Dot-product attention over the edges of a graph."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks, nn, ops
from graphattn_jax._dtypes import accumulation_dtype
from graphattn_jax.attention import _scores
from graphattn_jax.attention._pipeline import (
    add_bias,
    attend,
    combine_heads,
    finish,
    project,
)
from graphattn_jax.nn._arrays import read_edges, read_sparse_nodes
from graphattn_jax.typing import Array, ArrayLike, PRNGKey

__all__ = ["GraphTransformerParams", "graph_transformer", "init_graph_transformer"]


class GraphTransformerParams(NamedTuple):
    """Arrays of a `graph_transformer` layer.

    query_weight, key_weight, value_weight `[D, H, C]` and their biases `[H, C]`; key None if shared with the query.
    edge_key, edge_value `[D_e, H, C]`: edge terms of keys and values, or None. pairwise `[H, C, C]`: for
    score="pairwise". output: linear map of the aggregated values, or None. root: linear map of the node itself, added
    to the output (the "-sep" form), or None.
    """

    query_weight: Array
    query_bias: Array | None
    key_weight: Array | None
    key_bias: Array | None
    value_weight: Array
    value_bias: Array | None
    edge_key: Array | None
    edge_value: Array | None
    pairwise: Array | None
    output: nn.LinearParams | None
    root: nn.LinearParams | None


def init_graph_transformer(
    key: PRNGKey,
    in_features: int,
    channels: int,
    heads: int = 1,
    *,
    out_features: int | None = None,
    separate: bool = False,
    edge_features: int | None = None,
    score: str = "standard",
    symmetric_init: bool = False,
    bias: bool = True,
) -> GraphTransformerParams:
    """Parameters of a `graph_transformer` layer.

    Args:
      key: typed PRNG key.
      in_features: D, width of the node features.
      channels: C, channels per head.
      heads: H.
      out_features: width of the output map; None = no output map, the layer gives the heads side by side
        (or their mean).
      separate: add a map of the node itself to the output, the "-sep" form: what a node is and what it hears
        are not mixed by the same weights.
      edge_features: D_e, width of the edge features, or None for none.
      score: one of `SCORES`; see `graph_transformer`.
      symmetric_init: start with W_k = W_q (free to part in training), so that logits begin symmetric.
      bias: whether the maps have biases.

    Returns:
      `GraphTransformerParams`, float32, Glorot-uniform but for the maps `output` and `root` (`ga.nn.init_linear`).

    Raises:
      ValueError: sizes that are not positive integers, unknown score.

    Example:
      >>> import jax, graphattn_jax as ga
      >>> params = ga.attention.init_graph_transformer(jax.random.key(0), 16, 8, heads=4, out_features=32)
      >>> params.query_weight.shape, params.output.weight.shape
      ((16, 4, 8), (32, 32))
    """
    for name, size in (("in_features", in_features), ("channels", channels), ("heads", heads)):
        _checks.positive(name, size)
    keys = jax.random.split(key, 7)
    glorot = partial(nn.initializer("glorot_uniform"), dtype=jnp.float32)

    def weight(key, depth):
        return glorot(key, (depth, heads * channels)).reshape(-1, heads, channels)

    zeros = jnp.zeros((heads, channels), jnp.float32) if bias else None
    tied = _scores.is_tied(score)
    edge_key = edge_value = None
    if edge_features is not None:
        _checks.positive("edge_features", edge_features)
        edge_key, edge_value = weight(keys[3], edge_features), weight(keys[4], edge_features)
    width = heads * channels
    if out_features is not None:
        _checks.positive("out_features", out_features)
    query_weight = weight(keys[0], in_features)
    return GraphTransformerParams(
        query_weight=query_weight,
        query_bias=zeros,
        key_weight=None
        if tied
        else query_weight
        if symmetric_init
        else weight(keys[1], in_features),
        key_bias=None if tied else zeros,
        value_weight=weight(keys[2], in_features),
        value_bias=zeros,
        edge_key=edge_key,
        edge_value=edge_value,
        pairwise=_scores.identity_pairwise(score, heads, channels),
        output=None
        if out_features is None
        else nn.init_linear(keys[5], width, out_features, bias=bias),
        root=nn.init_linear(keys[6], in_features, out_features or width, bias=False)
        if separate
        else None,
    )


def graph_transformer(
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
    implementation: str | None = None,
    return_attention: bool = False,
):
    """Transformer attention restricted to the edges of a graph.

        a_ij = softmax_j( (W_q x_i) · (W_k x_j + W_ek e_ij) / √C + b_ij )
        m_i  = ‖_h Σ_j a_ij ( W_v x_j + W_ev e_ij ),    x'_i = W_o m_i  [ + W_r x_i  in the "-sep" form ]

    with i the receiver and j the sender. On `ga.graphs.all_pairs` it is the transformer's full attention.
    With one-hot relative positions as edge features (`shaw_features`) it is Shaw's relative attention.
    The symmetric scores take ½ (q_i + q_j) for the query of the edge term: edges that are equal in both
    directions leave them symmetric.
    "-sep" of Platonov et al. maps the concatenation [x ‖ m]; that is W_o and W_r side by side.

    Args:
      params: from `init_graph_transformer`, with the same `score`.
      graph: nodes `[N, D]` or `SparseFeatures`; edges `[E, D_e]` if the parameters have edge terms, else anything.
      layout: from `ga.graphs.layout`; optional, faster with it.
      score: "standard", "shared" (W_k = W_q), "symmetrized" (a symmetric bilinear form), "cosine" or "pairwise".
      normalizer: "softmax", "sigmoid", "post_hoc", "symmetric", "sinkhorn", or an options tuple of `ga.ops`.
      bias: `[E, H]` added to the logits, for example a `relative_bias`.
      temperature: τ > 0 of the cosine score.
      concat: without an output map: True = heads side by side `[N, H·C]`, False = their mean `[N, C]`.
      dropout_rate: probability in [0, 1), on the attention weights.
      dropout_key: typed key, required when the rate is positive.
      implementation: see `ga.ops.edge_attention`.
      return_attention: also return an `Attention`.

    Returns:
      The graph with new nodes, in the dtype of the old; with `return_attention`, `(graph, Attention)`.

    Raises:
      ValueError: features that do not fit the parameters, unknown options, dropout without a key.

    Cost: O(N D H C + E H C) time; edge terms cost O(E H D_e) and form no [E, H, C] array.
    Padding: exact on real nodes, values and gradients.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1, 2], [1, 2, 0], nodes=np.eye(3, 4, dtype=np.float32))
      >>> params = ga.attention.init_graph_transformer(jax.random.key(0), 4, 8, heads=2, separate=True)
      >>> ga.attention.graph_transformer(params, graph).nodes.shape
      (3, 16)

    Source: Vaswani et al. 2017 on edges, with edge terms after Shi et al., "Masked Label Prediction", IJCAI 2021,
      arXiv:2009.03509, equations 3 and 4; "-sep" after Platonov et al., ICLR 2023, arXiv:2302.11640, section 5.
    """
    _scores.check_params(score, params, second="key_weight")
    nodes = read_sparse_nodes(graph, params.query_weight.shape[0])
    query = project(nodes, params.query_weight, params.query_bias)
    value = project(nodes, params.value_weight, params.value_bias)
    if _scores.is_dot_form(score):
        query, key, kernel = _scores.dot_form(score, query, params.pairwise, temperature)
    else:
        key = (
            query
            if params.key_weight is None
            else project(nodes, params.key_weight, params.key_bias)
        )
        kernel = _scores.native(score, ops.DotScore())
    edges = None
    if params.edge_key is not None:
        edges = read_edges(graph, params.edge_key.shape[0])
        scale = 1 / temperature if score == "cosine" else query.shape[-1] ** -0.5
        edge = _edge_logits(query, edges, params.edge_key, graph.receivers)
        if score != "standard":
            edge = 0.5 * (edge + _edge_logits(query, edges, params.edge_key, graph.senders))
        bias = add_bias(bias, scale * edge)
    attention = attend(
        query,
        key,
        value,
        graph,
        score=kernel,
        bias=bias,
        normalizer=normalizer,
        layout=layout,
        dropout_rate=dropout_rate,
        dropout_key=dropout_key,
        implementation=implementation,
    )
    message = attention.out
    if edges is not None:
        message = message + _edge_messages(
            attention.applied, edges, params.edge_value, graph.receivers, message
        )
    out = combine_heads(message, concat or params.output is not None)
    if params.output is not None:
        out = nn.linear(params.output, out)
    if params.root is not None:
        out = out + nn.linear(params.root, nodes)
    return finish(graph, out, attention, return_attention)


def _edge_logits(query: Array, edges: Array, weight: Array, ends: ArrayLike) -> Array:
    """q_i · W_ek e_ij as (W_ekᵀ q_i) · e_ij for the ends i: `[E, H]` without an [E, H, C] array."""
    wide = accumulation_dtype(query.dtype)
    u = jnp.einsum("nhc,dhc->nhd", query.astype(wide), weight.astype(wide))
    return jnp.einsum("ehd,ed->eh", u[jnp.asarray(ends)], edges.astype(wide))


def _edge_messages(
    weights: Array, edges: Array, weight: Array | None, receivers, like: Array
) -> Array:
    """Σ_j a_ij W_ev e_ij as W_ev (Σ_j a_ij e_ij)."""
    per_edge = weights[:, :, None] * edges.astype(weights.dtype)[:, None, :]
    summed = ops.segment_sum(per_edge, receivers, like.shape[0])
    return jnp.einsum("nhd,dhc->nhc", summed, jnp.asarray(weight).astype(summed.dtype)).astype(
        like.dtype
    )
