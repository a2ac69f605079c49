"""Dot-product attention over the edges of a graph."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import nn, ops
from graphattn_jax._dtypes import accumulation_dtype
from graphattn_jax.attention._pipeline import (
    AttentionLayer,
    check_bias,
    check_output,
    check_params,
    check_switches,
    combine_heads,
    finish,
    init_head_bias,
    init_output,
    init_projection,
    project,
)
from graphattn_jax.attention._scores import dot_scale, with_bias
from graphattn_jax.graphs import pattern
from graphattn_jax.typing import Array, ArrayLike, PRNGKey

__all__ = ["GraphTransformer", "GraphTransformerParams"]


class GraphTransformerParams(NamedTuple):
    """Arrays of a `GraphTransformer` or `GlobalAttention` layer.

    query_weight `[D_r, H, C]`, key_weight, value_weight `[D_s, H, C]` and their biases `[H, C]`; key None if shared
    with the query. edge_key, edge_value `[D_e, H, C]`: edge terms of keys and values, or None. score: arrays of the
    score, or None. output: linear map of the aggregated values, or None. root: linear map of the node itself, added to
    the output (the "-sep" form), or None.
    """

    query_weight: Array
    query_bias: Array | None
    key_weight: Array | None
    key_bias: Array | None
    value_weight: Array
    value_bias: Array | None
    edge_key: Array | None
    edge_value: Array | None
    score: Any
    output: nn.LinearParams | None
    root: nn.LinearParams | None


@dataclass(frozen=True, repr=False)
class GraphTransformer(AttentionLayer):
    """Transformer attention restricted to the edges of a graph.

        a_ij = softmax_j( (W_q x_i) · (W_k x_j + W_ek e_ij) / √C + b_ij )
        m_i  = ‖_h Σ_j a_ij ( W_v x_j + W_ev e_ij ),    x'_i = W_o m_i  [ + W_r x_i  in the "-sep" form ]

    with i the receiver and j the sender. On `ga.graphs.all_pairs` it is the transformer's full attention.
    With one-hot relative positions as edge features (`shaw_features`) it is Shaw's relative attention.
    The symmetric scores take ½ (q_i + q_j) for the query of the edge term: edges that are equal in both
    directions leave them symmetric.
    "-sep" of Platonov et al. maps the concatenation [x ‖ m]; that is W_o and W_r side by side.

    Args:
      channels, heads, score, normalizer, dropout, symmetric_init, use_bias, implementation: see `AttentionLayer`.
      output: False = no map W_o; True = one to the width of the (receivers') input; an integer = one to that width.
      separate: add W_r x, the "-sep" form: what a node is and what it hears are not mixed by the same weights.
      concat: without an output map: True = heads side by side `[N, H·C]`, False = their mean `[N, C]`.

    Raises:
      ValueError: choices that are not what they should be.

    Cost: O(N D H C + E H C) time; edge terms cost O(E H D_e) and form no [E, H, C] array.
    Padding: exact on real nodes, values and gradients.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1, 2], [1, 2, 0], nodes=np.eye(3, 4, dtype=np.float32))
      >>> layer = ga.attention.GraphTransformer(channels=8, heads=2, separate=True)
      >>> params = layer.init(jax.random.key(0), in_features=4)
      >>> jax.jit(layer.apply)(params, ga.graphs.prepare(graph)).graph.nodes.shape
      (3, 16)

    Source: Vaswani et al. 2017 on edges, with edge terms after Shi et al., "Masked Label Prediction", IJCAI 2021,
      arXiv:2009.03509, equations 3 and 4; "-sep" after Platonov et al., ICLR 2023, arXiv:2302.11640, section 5.
    """

    _: KW_ONLY
    output: bool | int = False
    separate: bool = False
    concat: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_output(self.output)
        check_switches(self, "separate", "concat")

    def init(
        self, key: PRNGKey, in_features: int | tuple[int, int], edge_features: int | None = None
    ) -> GraphTransformerParams:
        """Parameters, float32, Glorot-uniform but for the maps `output` and `root` (`ga.nn.init_linear`); see
        `ga.nn.Layer.init`.
        """
        size, heads = self.widths(in_features, edge_features), self.heads
        channels, score = size.channels, self.score
        keys = jax.random.split(key, 7)
        query_weight = init_projection(keys[0], size.receivers, heads, channels)
        key_weight = edge_key = edge_value = root = None
        if not score.is_tied:
            key_weight = init_projection(keys[1], size.senders, heads, channels)
            if self.symmetric_init:
                key_weight = query_weight
        if size.edges is not None:
            edge_key, edge_value = (
                init_projection(k, size.edges, heads, channels) for k in keys[3:5]
            )
        zeros = init_head_bias(self, channels)
        output = init_output(keys[5], self, heads * channels, size.receivers)
        if self.separate:
            width = heads * channels if self.concat else channels
            if output is not None:
                width = output.weight.shape[1]
            root = nn.init_linear(keys[6], size.receivers, width, bias=False)
        return GraphTransformerParams(
            query_weight=query_weight,
            query_bias=zeros,
            key_weight=key_weight,
            key_bias=None if score.is_tied else zeros,
            value_weight=init_projection(keys[2], size.senders, heads, channels),
            value_bias=zeros,
            edge_key=edge_key,
            edge_value=edge_value,
            score=score.init(heads, channels),
            output=output,
            root=root,
        )

    def check_params(self, params: GraphTransformerParams, **parts: bool) -> None:
        """Parameters of this layer."""
        check_params(
            params,
            GraphTransformerParams,
            self,
            key_weight=not self.score.is_tied,
            output=self.output is not False,
            root=self.separate,
            **parts,
        )

    def apply(
        self,
        params: GraphTransformerParams,
        graph: Any,
        *,
        bias: ArrayLike | None = None,
        training: bool = False,
        key: Array | None = None,
    ) -> nn.LayerOutput:
        """The layer.

        Args:
          params: from `init`.
          graph: nodes `[N, D]`, `SparseFeatures` or a `NodePair`; edges `[E, D_e]` if made with `edge_features`.
          bias: `[E, H]` added to the logits.
          training: whether there is dropout.
          key: typed key, required in training when the rate is positive.

        Returns:
          The graph with new nodes in the dtype of the old, and the attention.

        Raises:
          ValueError: features that do not fit the parameters, dropout without a key.
        """
        self.check_params(params, edge_value=params.edge_key is not None)
        check_bias(bias, graph, self.heads)
        senders, receivers = nn.read_ends(
            graph, params.value_weight.shape[0], params.query_weight.shape[0], allow_sparse=True
        )
        query = project(receivers, params.query_weight, params.query_bias)
        value = project(senders, params.value_weight, params.value_bias)
        if params.key_weight is not None:
            keys = project(senders, params.key_weight, params.key_bias)
        elif senders is receivers:
            keys = query
        else:
            keys = project(senders, params.query_weight, params.query_bias)
        query, keys, kernel = self._scored(params, query, keys, senders is receivers, graph, bias)
        dropout = nn.training_dropout(self.dropout, training, key)
        message, attention = self.attend(query, keys, value, pattern(graph), kernel, dropout)
        if params.edge_value is not None:
            message = message + edge_messages(params.edge_value, graph, attention.applied, message)
        return finish(graph, self.updated(params, message, receivers), attention)

    def _scored(self, params, query, keys, one_set, graph, bias):
        """Query, keys and kernel of the score; the edge term q_i · W_ek e_ij is part of the bias."""
        own = ops.DotScore(bias=bias)
        of_senders = keys
        query, keys, kernel = self.score.apply(params.score, query, keys, own)
        if params.edge_key is None:
            return query, keys, kernel
        edges = nn.read_edges(graph, params.edge_key.shape[0])
        edge = edge_logits(query, edges, params.edge_key, graph.receivers)
        if self.score.is_tied or self.score.is_symmetrized:
            back = query
            if not one_set:
                back, _, _ = self.score.apply(params.score, of_senders, of_senders, own)
            edge = 0.5 * (edge + edge_logits(back, edges, params.edge_key, graph.senders))
        return query, keys, with_bias(kernel, dot_scale(kernel, query.shape[-1]) * edge)

    def updated(self, params: GraphTransformerParams, message: Array, nodes: Any) -> Array:
        """W_o m + W_r x, or what of it there is."""
        out = combine_heads(message, self.concat or self.output is not False)
        if params.output is not None:
            out = nn.linear(params.output, out)
        return out if params.root is None else out + nn.linear(params.root, nodes)


def edge_logits(query: Array, edges: Array, weight: ArrayLike, ends: ArrayLike) -> Array:
    """q_i · W_ek e_ij as (W_ekᵀ q_i) · e_ij for the ends i: `[E, H]` without an [E, H, C] array."""
    wide = accumulation_dtype(query.dtype)
    u = jnp.einsum("nhc,dhc->nhd", query.astype(wide), jnp.asarray(weight).astype(wide))
    return jnp.einsum("ehd,ed->eh", u[jnp.asarray(ends)], edges.astype(wide))


def edge_messages(weight: ArrayLike, graph: Any, weights: Array, like: Array) -> Array:
    """Σ_j a_ij W_ev e_ij as W_ev (Σ_j a_ij e_ij)."""
    edges = nn.read_edges(graph, weight.shape[0]).astype(weights.dtype)
    per_edge = weights[:, :, None] * edges[:, None, :]
    summed = ops.segment_sum(per_edge, graph.receivers, like.shape[0])
    out = jnp.einsum("nhd,dhc->nhc", summed, jnp.asarray(weight).astype(summed.dtype))
    return out.astype(like.dtype)
