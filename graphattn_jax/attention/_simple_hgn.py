"""Simple-HGN: GAT with a learned vector per relation in the score."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks, nn, ops
from graphattn_jax.attention._pipeline import (
    AttentionLayer,
    check_params,
    check_switches,
    combine_heads,
    finish,
    init_projection,
    project,
)
from graphattn_jax.attention._scores import Standard
from graphattn_jax.attention._typed import check_scores
from graphattn_jax.graphs import Schema, check_schema, pattern
from graphattn_jax.typing import Array, ArrayLike, PRNGKey

__all__ = ["SimpleHGN", "SimpleHGNParams"]


class SimpleHGNParams(NamedTuple):
    """Arrays of a `SimpleHGN` layer: weight `[D, H, C]`; receiver_vector, sender_vector `[H, C]`; relation `[R, D_r]`
    and its map `[D_r, H, D_r]` and vector `[H, D_r]`; root, a map to `[H·C]`, or None.
    """

    weight: Array
    receiver_vector: Array
    sender_vector: Array
    relation: Array
    relation_weight: Array
    relation_vector: Array
    root: nn.LinearParams | None


@dataclass(frozen=True, repr=False)
class SimpleHGN(AttentionLayer):
    """Simple-HGN.

        s_ij = LeakyReLU( r · W x_i + s · W x_j + e · W_r v_φ ),     a_ij = (1 − β) softmax_j( s_ij ) + β a'_ij
        x'_i = ‖_h Σ_j a_ij W x_j  [ + W_0 x_i ]

    with φ the relation of the edge and a' the weights of the layer before, which are constants: `graph.edges.weights`,
    where the graph that it gives has its own. Without any, or with those of another number of heads, β is 0.

    Args:
      channels, heads, normalizer, dropout, symmetric_init, implementation: see `AttentionLayer`; symmetric_init starts
        with r = s.
      score: `Standard()`. use_bias: without effect but for W_0.
      schema: the types and relations, `ga.graphs.schema_of(graph)`.
      relation_width: D_r.
      attention_residual: β.
      root: whether there is W_0, which the authors' first layer has not.
      concat: True = heads side by side `[N, H·C]`, False = their mean `[N, C]`; W_0 is to that width.
      negative_slope: of the LeakyReLU.

    Raises:
      ValueError: choices that are not what they should be.

    Cost: as GAT, O(N D H C + E H C), and an array `[E, H]` between layers.
    Padding: exact on real nodes, values and gradients.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> nodes, edges = {"page": np.eye(3, dtype=np.float32)}, {("page", "links", "page"): ([0, 1], [1, 2])}
      >>> graph = ga.graphs.from_types(nodes, edges)
      >>> layer = ga.attention.SimpleHGN(channels=4, heads=2, schema=ga.graphs.schema_of(graph))
      >>> params = layer.init(jax.random.key(0), in_features=3)
      >>> out = layer.apply(params, ga.graphs.prepare(graph))
      >>> out.graph.nodes.features.shape, out.attention.weights.shape
      ((3, 8), (2, 2))

    Source: Lv et al., "Are we really making much progress? Revisiting, benchmarking, and refining heterogeneous graph
      neural networks", KDD 2021, arXiv:2112.14936, equations 8 to 14. Its L2 norm of the output is the network's.
    """

    _: KW_ONLY
    schema: Schema
    relation_width: int = 64
    attention_residual: float = 0.05
    root: bool = True
    concat: bool = True
    negative_slope: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        check_schema(self.schema)
        check_scores(self, Standard)
        check_switches(self, "root", "concat")
        _checks.positive("relation_width", self.relation_width)
        _checks.rate("attention_residual", self.attention_residual)
        _checks.number("negative_slope", self.negative_slope, zero=True)

    def init(
        self, key: PRNGKey, in_features: int, edge_features: int | None = None
    ) -> SimpleHGNParams:
        """Parameters, float32, Glorot-uniform. See `ga.nn.Layer.init`."""
        size, heads, width = self.widths(in_features), self.heads, self.relation_width
        keys, glorot = jax.random.split(key, 7), nn.initializer("glorot_uniform")
        receiver_vector = glorot(keys[1], (heads, size.channels), jnp.float32)
        out = heads * size.channels if self.concat else size.channels
        return SimpleHGNParams(
            weight=init_projection(keys[0], in_features, heads, size.channels),
            receiver_vector=receiver_vector,
            sender_vector=receiver_vector
            if self.symmetric_init
            else glorot(keys[2], (heads, size.channels), jnp.float32),
            relation=jax.random.normal(keys[3], (len(self.schema.relations), width)),
            relation_weight=init_projection(keys[4], width, heads, width),
            relation_vector=glorot(keys[5], (heads, width), jnp.float32),
            root=nn.init_linear(keys[6], in_features, out, bias=self.use_bias)
            if self.root
            else None,
        )

    def apply(
        self,
        params: SimpleHGNParams,
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
          The graph with new nodes in the dtype of the old and its weights, and the attention, of which a' is a part.

        Raises:
          ValueError: features that do not fit the parameters, another schema, dropout without a key.
        """
        check_params(params, SimpleHGNParams, self, root=self.root)
        self.schema.check(graph)
        x, edges = nn.read_nodes(graph, params.weight.shape[0]), pattern(graph)
        h = project(x, params.weight)
        of_relation = jnp.einsum(
            "rd,dhc,hc->rh", params.relation, params.relation_weight, params.relation_vector
        )
        term = of_relation[jnp.asarray(graph.edges.relation)]
        kernel = ops.AdditiveScore(self.negative_slope, term, bias)
        query, keys = (
            jnp.einsum("nhc,hc->nh", h, jnp.asarray(v).astype(h.dtype))
            for v in (params.receiver_vector, params.sender_vector)
        )
        dropout = nn.training_dropout(self.dropout, training, key)
        out, attention = self.attend(query, keys, h, edges, kernel, dropout)
        before = graph.edges.weights
        if before is not None and before.shape[1] == self.heads:
            attention = attention.mixed(jnp.asarray(before), self.attention_residual)
            out = ops.edge_aggregate(attention.applied, h, edges)
        out = combine_heads(out, self.concat)
        if params.root is not None:
            out = out + nn.linear(params.root, x)
        weights = jax.lax.stop_gradient(attention.weights)
        graph = graph._replace(edges=graph.edges._replace(weights=weights))
        return finish(graph, out, attention)
