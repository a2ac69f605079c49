"""Attention of every node to all nodes of its graph, in dense blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import jax.numpy as jnp

from graphattn_jax import _checks, graphs, nn, ops
from graphattn_jax.attention._graph_transformer import GraphTransformer, GraphTransformerParams
from graphattn_jax.attention._pipeline import finish, project
from graphattn_jax.attention._scores import dot_scale
from graphattn_jax.typing import Array, ArrayLike, PRNGKey

__all__ = ["GlobalAttention"]


@dataclass(frozen=True, repr=False)
class GlobalAttention(GraphTransformer):
    """The transformer's attention among all nodes of each graph.

        a_ij = softmax_j( (W_q x_i) · (W_k x_j) / √C + b_ij ),    x'_i = W_o ‖_h Σ_j a_ij W_v x_j

    with j over the nodes of i's graph, i itself included. It is `GraphTransformer` on `ga.graphs.all_pairs(graph)`,
    with the same parameters and choices, computed in one dense block per graph; the edges of the graph are not read.
    The blocks are those of `ga.graphs.prepare(graph, block_size=n)`. Without them all nodes share one, and pairs of
    different graphs are masked: O(N²), for small inputs only.

    Args:
      channels, heads, score, normalizer, dropout, symmetric_init, use_bias: see `AttentionLayer`.
      implementation: see `ga.ops.block_attention`.
      output, separate, concat: see `GraphTransformer`.

    Raises:
      ValueError: choices that are not what they should be.

    Cost: O(N D H C + B n² H C) time, O(B H n²) memory.
    Padding: exact on real nodes, values and gradients; in blocks padding nodes get the output map of 0.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 2], nodes=np.eye(3, 4, dtype=np.float32))
      >>> layer = ga.attention.GlobalAttention(channels=8, heads=2, output=True)
      >>> params = layer.init(jax.random.key(0), in_features=4)
      >>> out = jax.jit(layer.apply)(params, ga.graphs.prepare(graph, block_size=3))
      >>> out.graph.nodes.shape, out.attention.weights.shape
      ((3, 4), (1, 2, 3, 3))

    Source: Vaswani et al., "Attention Is All You Need", NeurIPS 2017, arXiv:1706.03762, section 3.2.
    """

    implementations: ClassVar = tuple(ops.BLOCK_IMPLEMENTATIONS)

    def init(
        self, key: PRNGKey, in_features: int, edge_features: int | None = None
    ) -> GraphTransformerParams:
        """Parameters as those of `GraphTransformer` without edge terms: `edge_features` are ignored."""
        _checks.positive("in_features", in_features)
        return super().init(key, in_features)

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
          graph: nodes `[N, D]`.
          bias: `[B, H, n, n]` added to the logits, row = receiver, on the slots of `graph.layout.blocks`
            (`[1, H, N, N]` without blocks).
          training: whether there is dropout.
          key: typed key, required in training when the rate is positive.

        Returns:
          The graph with new nodes in the dtype of the old, and the attention, in blocks.

        Raises:
          ValueError: features that do not fit the parameters, dropout without a key.
        """
        self.check_params(params, edge_key=False, edge_value=False)
        nodes = nn.read_nodes(graph, params.query_weight.shape[0])
        # One product for all: heads side by side, [N, 3 H, C], or [N, 2 H, C] where query and key are one.
        weights = [params.query_weight, params.key_weight, params.value_weight]
        biases = [params.query_bias, params.key_bias, params.value_bias]
        weights, biases = (
            [jnp.asarray(x) for x in xs if x is not None] for xs in (weights, biases)
        )
        bias_row = jnp.concatenate(biases) if biases else None
        projected = project(nodes, jnp.concatenate(weights, axis=1), bias_row)
        query, *keys, value = jnp.split(projected, len(weights), axis=1)
        keys = keys[0] if keys else query
        kernel: Any
        query, keys, kernel = self.score.apply(params.score, query, keys, ops.DotScore(bias=bias))
        if isinstance(kernel, ops.SymmetrizedScore):
            # ½ (q_i · k_j + k_i · q_j) is one product of twice the length.
            scale = 0.5 * dot_scale(kernel, query.shape[-1])
            query, keys = (
                jnp.concatenate(pair, axis=-1) for pair in ((query, keys), (keys, query))
            )
            kernel = ops.DotScore(scale, bias=kernel.score.bias)
        message, attention = ops.block_attention(
            query,
            keys,
            value,
            graphs.blocks(graph),
            score=kernel,
            normalizer=self.normalizer,
            dropout=nn.training_dropout(self.dropout, training, key),
            implementation=self.implementation,
        )
        return finish(graph, self.updated(params, message, nodes), attention)
