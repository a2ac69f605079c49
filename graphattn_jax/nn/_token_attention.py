"""A transformer over what a node heard by each relation: one token for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks, ops
from graphattn_jax.graphs import Ends, Schema, num_nodes, relation_ends, schema_of
from graphattn_jax.nn._fusion import Fused, Fusion, Shares, reached
from graphattn_jax.nn._initializers import initializer
from graphattn_jax.nn._layer import training_dropout
from graphattn_jax.nn._linear import LinearParams, init_linear, linear
from graphattn_jax.ops import take
from graphattn_jax.typing import Array, ArrayLike, PRNGKey

__all__ = [
    "TokenAttentionParams",
    "TransformerFusion",
    "TransformerFusionParams",
    "init_token_attention",
    "token_attention",
]


class TokenAttentionParams(NamedTuple):
    """Maps of `[W]` to query and key, a quarter as wide, and to value; gate, a scalar."""

    query: LinearParams
    key: LinearParams
    value: LinearParams
    gate: Array


def init_token_attention(key: PRNGKey, width: int, heads: int = 1) -> TokenAttentionParams:
    """Parameters of `token_attention`; the gate starts at 0, with tokens as they are.

    Args:
      key: typed PRNG key.
      width: W of the tokens.
      heads: H; 4 H divides the width.

    Raises:
      ValueError: sizes that are not positive integers, or do not divide.

    Example:
      >>> import jax, graphattn_jax as ga
      >>> ga.nn.init_token_attention(jax.random.key(0), 16, heads=2).query.weight.shape
      (16, 4)
    """
    for name, size in (("width", width), ("heads", heads)):
        _checks.positive(name, size)
    _checks.divisible("the width of the tokens", width, 4 * heads, "4 heads")
    keys = jax.random.split(key, 3)
    return TokenAttentionParams(
        query=init_linear(keys[0], width, width // 4),
        key=init_linear(keys[1], width, width // 4),
        value=init_linear(keys[2], width, width),
        gate=jnp.zeros((), jnp.float32),
    )


def token_attention(
    params: TokenAttentionParams,
    tokens: ArrayLike,
    pattern: ops.Edges | ops.Blocks,
    *,
    heads: int = 1,
    dropout: ops.Dropout | None = None,
) -> tuple[Array, ops.Attention]:
    """Attention among the tokens of one node, with a gated residual.

        h'_a = γ Σ_b softmax_b( W_q h_a · W_k h_b / √C ) W_v h_b + h_a

    Args:
      params: from `init_token_attention` with the same heads.
      tokens: `[U, W]`, of all nodes.
      pattern: which tokens are those of one node: edges among tokens, or blocks of them.
      heads: H.
      dropout: of the weights, or None.

    Returns:
      The tokens in their dtype, and the attention.

    Cost: that of `ga.ops.edge_attention` or `ga.ops.block_attention`.

    Example:
      >>> import jax, jax.numpy as jnp, numpy as np, graphattn_jax as ga
      >>> blocks = ga.ops.prepare_blocks(np.array([0, 0, 1, 1]), 2, 2)  # two nodes with two tokens each
      >>> params = ga.nn.init_token_attention(jax.random.key(0), 8)
      >>> tokens, attention = ga.nn.token_attention(params, jnp.ones((4, 8)), blocks)
      >>> tokens.shape, attention.weights.shape
      ((4, 8), (2, 1, 2, 2))

    Source: as `TransformerFusion`, equations 5 and 6.
    """
    tokens = jnp.asarray(tokens)
    query, key, value = (
        linear(p, tokens).reshape(len(tokens), heads, p.weight.shape[1] // heads)
        for p in (params.query, params.key, params.value)
    )
    if isinstance(pattern, ops.Blocks):
        out, attention = ops.block_attention(query, key, value, pattern, dropout=dropout)
    else:
        out, attention = ops.edge_attention(query, key, value, pattern, dropout=dropout)
    return params.gate.astype(out.dtype) * out.reshape(tokens.shape) + tokens, attention


class TransformerFusionParams(NamedTuple):
    """attention: over the tokens of a node; output `[R, W, W]`."""

    attention: TokenAttentionParams
    output: Array


@dataclass(frozen=True)
class TransformerFusion(Fusion):
    """Attention among the tokens of a node, one for each relation or metapath that reaches it.

        z'_iφ = γ Σ_ψ softmax_ψ( W_q z_iφ · W_k z_iψ / √C ) W_v z_iψ + z_iφ,      x'_i = Σ_φ O_φ z'_iφ

    over the relations of which i has an edge; the last sum is one map of the tokens side by side. Query and key have a
    quarter of the width. γ starts at 0.

    Args:
      heads: H; 4 H divides the width.
      dropout: on the weights.

    Raises:
      ValueError: heads that are not a positive integer, a dropout that is no rate.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> edges = {("page", "links", "page"): ([0, 1], [1, 2]), ("page", "cites", "page"): ([1], [2])}
      >>> graph = ga.graphs.from_types({"page": np.eye(3, dtype=np.float32)}, edges)
      >>> layer = ga.attention.HAN(4, 2, schema=ga.graphs.schema_of(graph), fusion=ga.nn.TransformerFusion(heads=2))
      >>> out = layer.apply(layer.init(jax.random.key(0), 3), ga.graphs.prepare(graph))
      >>> out.graph.nodes.features.shape, out.attention.shares.weights.shape
      ((3, 8), (3,))

    Source: Yang, Yan, Pan, Ye, Fan, "Simple and Efficient Heterogeneous Graph Neural Network", AAAI 2023,
      arXiv:2207.02547, equations 5 to 7; γ and the quarter as in the authors' code.
    """

    heads: int = 1
    dropout: float = 0.0

    def __post_init__(self) -> None:
        _checks.positive("heads", self.heads)
        _checks.rate("dropout", self.dropout)

    def init(
        self, key: PRNGKey, schema: Schema, in_features: int, width: int
    ) -> TransformerFusionParams:
        """Linear maps, and outputs Glorot-uniform as one map; see `Fusion.init`."""
        k_attention, k_output = jax.random.split(key)
        relations = len(schema.relations)
        output = initializer("glorot_uniform")(k_output, (relations * width, width), jnp.float32)
        return TransformerFusionParams(
            init_token_attention(k_attention, width, self.heads),
            output.reshape(relations, width, width),
        )

    def apply(
        self,
        params: TransformerFusionParams,
        graph: Any,
        z: ArrayLike,
        *,
        training: bool = False,
        key: Array | None = None,
    ) -> Fused:
        """The nodes.

        Args:
          params: from `init`.
          graph: typed, with nodes `[N, D]`.
          z: `[U, W]`, by the pairs of `ga.graphs.relation_ends(graph, "receiver")`.
          training: whether there is dropout.
          key: typed key, required in training when the rate is positive.

        Returns:
          `Fused`, its nodes in the dtype of z.
        """
        ends = relation_ends(graph, "receiver")
        is_there, targets = reached(ends), schema_of(graph).targets
        tokens = jnp.where(is_there[:, None], jnp.asarray(z), 0)
        most = max(map(targets.count, targets))
        pattern = _of_one_node(ends, is_there, num_nodes(graph), most)
        dropout = training_dropout(self.dropout, training, key)
        tokens, attention = token_attention(
            params.attention, tokens, pattern, heads=self.heads, dropout=dropout
        )
        tokens = ops.grouped_matmul(tokens, params.output, ends.relations)
        tokens = jnp.where(is_there[:, None], tokens, 0)
        out = ops.segment_sum(tokens, ends.node, num_nodes(graph))
        # How much each token is looked at: the mean over heads and the tokens that look.
        looked_at = ops.segment_sum(attention.weights.mean(axis=1), pattern.senders, len(tokens))
        count = ops.segment_sum(is_there.astype(jnp.float32), ends.node, num_nodes(graph))
        shares = looked_at / jnp.maximum(take(count, ends.node), 1)
        return Fused(out.astype(tokens.dtype), Shares(shares, shares))


def _of_one_node(ends: Ends, is_there: Array, num_nodes: int, most: int) -> ops.Edges:
    """Every pair with all pairs of its node, which are at most `most`."""
    node = jnp.where(is_there, jnp.asarray(ends.node), num_nodes)
    order = jnp.argsort(node)
    ascending = node[order]
    place = jnp.searchsorted(ascending, node)[:, None] + jnp.arange(most)[None]
    inside = jnp.minimum(place, max(len(node) - 1, 0))
    own = (place < len(node)) & (ascending[inside] == node[:, None]) & is_there[:, None]
    receivers = jnp.repeat(jnp.arange(len(node)), most)
    return ops.Edges(order[inside].ravel(), receivers, len(node), mask=own.ravel())
