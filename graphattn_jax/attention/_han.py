"""HAN: attention within each relation or metapath, then attention over them."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from graphattn_jax import _checks, graphs, nn, ops
from graphattn_jax.attention._pipeline import (
    AttentionLayer,
    check_params,
    combine_heads,
    finish,
    split_heads,
)
from graphattn_jax.attention._scores import Shared, Standard, Symmetrized
from graphattn_jax.attention._typed import attend_within, check_scores
from graphattn_jax.graphs import Schema, check_schema, relation_ends
from graphattn_jax.ops import take
from graphattn_jax.typing import Array, ArrayLike, PRNGKey

__all__ = ["HAN", "HANParams"]


class HANParams(NamedTuple):
    """Arrays of a `HAN` layer: a map by type to `[H·C]`; receiver_vector, sender_vector `[R, H, C]`, of which `Shared`
    has the first only; those of the fusion.
    """

    projection: nn.TypedLinearParams
    receiver_vector: Array
    sender_vector: Array | None
    fusion: Any


@dataclass(frozen=True, repr=False)
class HAN(AttentionLayer):
    """Heterogeneous graph attention: within a relation over nodes, then over relations.

        h_i = P_τ(i) x_i,      a_ij = softmax over the edges of φ to i ( LeakyReLU( r_φ · h_i + s_φ · h_j ) )
        z_iφ = ‖_h σ( Σ_j a_ij h_j ),      x'_i = fusion_φ( z_iφ ),  in the paper Σ_φ β_φ z_iφ

    with φ a relation that reaches nodes of the type of i, or a metapath that was made one (`ga.graphs.metapaths`). The
    paper's fusion is `ga.nn.SemanticAttention`, with β = softmax_φ( mean_i qᵀ tanh( W z_iφ + b ) ): means and β are of
    each graph of a batch. z of a node that nothing reaches is 0, and so is x'.

    Args:
      channels, heads, normalizer, dropout, use_bias, implementation: see `AttentionLayer`. A symmetric normalizer acts
        within a relation and its reverse, where an edge is paired with the one back, and needs a prepared graph.
      score: `Standard()`, `Shared()`, in which a relation and its reverse have their vectors together, s_φ = r_φ̄, or
        `Symmetrized()`. symmetric_init starts with r = s.
      schema: the types and relations, `ga.graphs.schema_of(graph)`.
      fusion: `ga.nn.SemanticAttention(width)`, `Routing()`, `TransformerFusion()`, or one of your own.
      activation: σ.
      negative_slope: of the LeakyReLU.

    Raises:
      ValueError: choices that are not what they should be.

    Cost: O(N D H C + U H C A + E H C) with U the pairs of a node and a relation, at most E.
    Padding: exact on real nodes, values and gradients.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> nodes, edges = {"page": np.eye(3, dtype=np.float32)}, {("page", "links", "page"): ([0, 1], [1, 2])}
      >>> graph = ga.graphs.from_types(nodes, edges)
      >>> layer = ga.attention.HAN(channels=4, heads=2, schema=ga.graphs.schema_of(graph))
      >>> params = layer.init(jax.random.key(0), in_features=3)
      >>> layer.apply(params, ga.graphs.prepare(graph)).graph.nodes.features.shape
      (3, 8)

    Source: Wang, Ji, Shi, Wang, Cui, Yu, Ye, "Heterogeneous Graph Attention Network", WWW 2019, arXiv:1903.07293,
      equations 1 to 9.
    """

    _: KW_ONLY
    schema: Schema
    fusion: nn.Fusion = nn.SemanticAttention()
    activation: str = "elu"
    negative_slope: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        check_schema(self.schema)
        check_scores(self, Standard, Shared, Symmetrized)
        nn.check_fusion(self.fusion)
        nn.activation(self.activation)
        _checks.number("negative_slope", self.negative_slope, zero=True)

    def init(self, key: PRNGKey, in_features: int, edge_features: int | None = None) -> HANParams:
        """Parameters, float32, Glorot-uniform; biases start at zero. See `ga.nn.Layer.init`."""
        size, heads = self.widths(in_features), self.heads
        width, glorot = heads * size.channels, nn.initializer("glorot_uniform")
        keys = jax.random.split(key, 4)
        shape = (len(self.schema.relations), heads, size.channels)
        receiver_vector = glorot(keys[1], shape, jnp.float32)
        sender_vector = receiver_vector
        if not self.symmetric_init:
            sender_vector = glorot(keys[2], shape, jnp.float32)
        return HANParams(
            projection=nn.init_typed_linear(
                keys[0], len(self.schema.types), in_features, width, bias=self.use_bias
            ),
            receiver_vector=receiver_vector,
            sender_vector=None if self.score.is_tied else sender_vector,
            fusion=self.fusion.init(keys[3], self.schema, in_features, width),
        )

    def apply(
        self,
        params: HANParams,
        graph: Any,
        *,
        bias: ArrayLike | None = None,
        training: bool = False,
        key: Array | None = None,
    ) -> nn.LayerOutput:
        """The layer.

        Args:
          params: from `init`.
          graph: typed, with nodes `[N, D]`.
          bias: `[E, H]` added to the logits.
          training: whether there is dropout.
          key: typed key, required in training when the rate is positive.

        Returns:
          The graph with new nodes in the dtype of the old, and the attention within the relations; its `shares` are
          that over them.

        Raises:
          ValueError: features that do not fit the parameters, another schema, dropout without a key.
        """
        check_params(params, HANParams, self, sender_vector=not self.score.is_tied)
        self.schema.check(graph)
        x = nn.read_nodes(graph, params.projection.weight.shape[1])
        h = nn.typed_linear(params.projection, x, graphs.node_groups(graph))
        h = split_heads(h, self.heads)
        spoken, heard = relation_ends(graph), relation_ends(graph, "receiver")
        value = take(h, spoken.node)
        keys = _along(value, self._sender_vector(params), spoken)
        query = _along(take(h, heard.node), params.receiver_vector, heard)
        kernel = ops.AdditiveScore(self.negative_slope, bias=bias)
        k_weights, k_fusion = (None, None) if key is None else jax.random.split(key)
        dropout = nn.training_dropout(self.dropout, training, k_weights)
        z, attention = attend_within(self, graph, query, keys, value, kernel, dropout)
        z = nn.activation(self.activation)(combine_heads(z, True))
        fused = self.fusion.apply(params.fusion, graph, z, training=training, key=k_fusion)
        return finish(graph, fused.nodes, attention.with_shares(fused.shares))

    def _sender_vector(self, params: HANParams) -> Array:
        """S, of `Shared` the receivers' of the reverse relation, or of itself where there is none."""
        if params.sender_vector is not None:
            return params.sender_vector
        own = np.arange(len(self.schema.relations))
        reverse = np.array(self.schema.reverses)
        return params.receiver_vector[np.where(reverse < 0, own, reverse)]


def _along(x: Array, vector: ArrayLike, ends: graphs.Ends) -> Array:
    """Σ_c x[u, h, c] v_φ[h, c], `[U, H]`, as a product with `[R, H·C, H]`."""
    heads = x.shape[1]
    turned = jnp.einsum("rhc,hk->rhck", vector, jnp.eye(heads))
    flat = turned.reshape(turned.shape[0], heads * x.shape[2], heads)
    return ops.grouped_matmul(combine_heads(x, True), flat, ends.relations)
