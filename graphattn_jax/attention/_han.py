"""HAN: attention within each relation or metapath, then attention over them."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks, graphs, nn, ops
from graphattn_jax._dtypes import accumulation_dtype
from graphattn_jax.attention._pipeline import (
    AttentionLayer,
    check_number,
    check_params,
    combine_heads,
    finish,
    split_heads,
)
from graphattn_jax.attention._scores import Standard
from graphattn_jax.attention._typed import check_scores
from graphattn_jax.graphs import Schema, check_schema, relation_ends
from graphattn_jax.nn._arrays import read_nodes
from graphattn_jax.ops import take
from graphattn_jax.typing import Array, ArrayLike, PRNGKey

__all__ = ["HAN", "HANParams", "semantic_weights"]


class HANParams(NamedTuple):
    """Arrays of a `HAN` layer: a map by type to `[H·C]`; receiver_vector, sender_vector `[R, H, C]`; the map of the
    semantic attention, and its vector `[A]`.
    """

    projection: nn.TypedLinearParams
    receiver_vector: Array
    sender_vector: Array
    semantic: nn.LinearParams
    semantic_vector: Array


@dataclass(frozen=True, repr=False)
class HAN(AttentionLayer):
    """Heterogeneous graph attention: within a relation over nodes, then over relations.

        h_i = P_τ(i) x_i,      a_ij = softmax over the edges of φ to i ( LeakyReLU( r_φ · h_i + s_φ · h_j ) )
        z_iφ = ‖_h σ( Σ_j a_ij h_j ),      w_φ = mean_i qᵀ tanh( W z_iφ + b ),      β = softmax_φ( w )
        x'_i = Σ_φ β_φ z_iφ

    with φ a relation that reaches nodes of the type of i, or a metapath that was made one. The mean runs over all real
    nodes of that type in the graph, with z = 0 for those that φ does not reach. Means and β are of each graph of a
    batch; z of a node that nothing reaches is 0, and so is x'.

    Args:
      channels, heads, normalizer, dropout, use_bias, implementation: see `AttentionLayer`; `Softmax` or `Sigmoid`.
      score, symmetric_init: `Standard()`; symmetric_init starts with r = s.
      schema: the types and relations, `ga.graphs.schema_of(graph)`.
      semantic_width: A of W.
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
    semantic_width: int = 128
    activation: str = "elu"
    negative_slope: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        check_schema(self.schema)
        check_scores(self, Standard)
        _checks.positive("semantic_width", self.semantic_width)
        nn.activation(self.activation)
        check_number("negative_slope", self.negative_slope, zero=True)
        if self.normalizer.is_constraint:
            raise ValueError(
                f"HAN normalises over the edges of one relation to one node, which {self.normalizer} does not. "
                "Fix: Softmax() or Sigmoid()."
            )

    def init(self, key: PRNGKey, in_features: int, edge_features: int | None = None) -> HANParams:
        """Parameters, float32, Glorot-uniform; biases start at zero. See `ga.nn.Layer.init`."""
        size, heads = self.widths(in_features), self.heads
        width, glorot = heads * size.channels, nn.initializer("glorot_uniform")
        keys = jax.random.split(key, 5)
        shape = (len(self.schema.relations), heads, size.channels)
        receiver_vector = glorot(keys[1], shape, jnp.float32)
        return HANParams(
            projection=nn.init_typed_linear(
                keys[0], len(self.schema.types), in_features, width, bias=self.use_bias
            ),
            receiver_vector=receiver_vector,
            sender_vector=receiver_vector
            if self.symmetric_init
            else glorot(keys[2], shape, jnp.float32),
            semantic=nn.init_linear(keys[3], width, self.semantic_width),
            semantic_vector=glorot(keys[4], (1, self.semantic_width), jnp.float32)[0],
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
          The graph with new nodes in the dtype of the old, and the attention within the relations;
          `semantic_weights` has that over them.

        Raises:
          ValueError: features that do not fit the parameters, another schema, dropout without a key.
        """
        z, attention = self._within(
            params, graph, bias, nn.training_dropout(self.dropout, training, key)
        )
        ends = relation_ends(graph, "receiver")
        beta = _over_relations(self, params, graph, z, ends)
        of_pair = take(jnp.asarray(graphs.node_graph_ids(graph)), ends.node)
        share = beta[of_pair, jnp.asarray(ends.relations.ids)]
        out = ops.segment_sum(
            share[:, None] * z.astype(share.dtype), ends.node, graphs.num_nodes(graph)
        )
        return finish(graph, out.astype(z.dtype), attention)

    def _within(self, params, graph, bias, dropout) -> tuple[Array, ops.Attention]:
        """Z `[U, H·C]` of the pairs (receiver, relation)."""
        check_params(params, HANParams, self)
        self.schema.check(graph)
        x = read_nodes(graph, params.projection.weight.shape[1])
        h = nn.typed_linear(params.projection, x, graphs.node_groups(graph))
        h = split_heads(h, self.heads)
        spoken, heard = relation_ends(graph), relation_ends(graph, "receiver")
        value = take(h, spoken.node)
        keys = _along(value, params.sender_vector, spoken)
        query = _along(take(h, heard.node), params.receiver_vector, heard)
        kernel = ops.AdditiveScore(self.negative_slope, bias=bias)
        z, attention = self.attend(query, keys, value, heard.edges, kernel, dropout)
        return nn.activation(self.activation)(combine_heads(z, True)), attention


def semantic_weights(layer: HAN, params: HANParams, graph: Any) -> Array:
    """β of HAN: how much each relation counts for the nodes that it reaches.

    Args:
      layer, params: of HAN.
      graph: as the layer takes it.

    Returns:
      `[G, R]` float32; those of the relations that reach one type sum to 1.

    Raises:
      ValueError: as the layer.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> nodes, edges = {"page": np.eye(3, dtype=np.float32)}, {("page", "links", "page"): ([0, 1], [1, 2])}
      >>> graph = ga.graphs.from_types(nodes, edges)
      >>> layer = ga.attention.HAN(channels=4, schema=ga.graphs.schema_of(graph))
      >>> ga.attention.semantic_weights(layer, layer.init(jax.random.key(0), 3), graph).tolist()
      [[1.0]]

    Source: as `HAN`, equations 7 and 8.
    """
    z, _ = layer._within(params, graph, None, None)
    return _over_relations(layer, params, graph, z, relation_ends(graph, "receiver"))


def _over_relations(
    layer: HAN, params: HANParams, graph: Any, z: Array, ends: graphs.Ends
) -> Array:
    """β `[G, R]`: means of the score over the nodes of the type, of which those without an edge of φ have z = 0."""
    wide = accumulation_dtype(z.dtype)
    targets = jnp.asarray(layer.schema.targets)
    num_types, num_relations = len(layer.schema.types), len(targets)
    num_graphs, node_graph = graphs.num_graphs(graph), jnp.asarray(graphs.node_graph_ids(graph))

    def score(z: Array) -> Array:
        return jnp.tanh(nn.linear(params.semantic, z)).astype(wide) @ params.semantic_vector

    without = score(jnp.zeros((1, z.shape[1]), z.dtype))[0]
    real = jnp.ones(ends.edges.num_edges, wide)
    if ends.edges.mask is not None:
        real = jnp.asarray(ends.edges.mask).astype(wide)
    is_reached = ops.segment_sum(real, ends.edges.receivers, len(z)) > 0
    place = take(node_graph, ends.node) * num_relations + jnp.asarray(ends.relations.ids)
    above = jnp.where(is_reached, score(jnp.where(is_reached[:, None], z, 0)) - without, 0)
    total = ops.segment_sum(above, place, num_graphs * num_relations)
    kinds = node_graph * num_types + jnp.asarray(graph.nodes.type)
    is_real = jnp.asarray(graphs.node_mask(graph)).astype(wide)
    count = ops.segment_sum(is_real, kinds, num_graphs * num_types).reshape(num_graphs, num_types)
    mean = total.reshape(num_graphs, num_relations) / jnp.maximum(count[:, targets], 1) + without
    groups = (jnp.arange(num_graphs)[:, None] * num_types + targets[None]).ravel()
    beta = ops.segment_softmax(mean.ravel(), groups, num_graphs * num_types)
    return beta.reshape(num_graphs, num_relations)


def _along(x: Array, vector: ArrayLike, ends: graphs.Ends) -> Array:
    """Σ_c x[u, h, c] v_φ[h, c], `[U, H]`, as a product with `[R, H·C, H]`."""
    heads = x.shape[1]
    turned = jnp.einsum("rhc,hk->rhck", vector, jnp.eye(heads))
    flat = turned.reshape(turned.shape[0], heads * x.shape[2], heads)
    return ops.grouped_matmul(combine_heads(x, True), flat, ends.relations)
