"""The one-layer attention of SGFormer, without an exponential."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from graphattn_jax import _checks, nn
from graphattn_jax.linear_attention._layer import (
    LinearAttentionLayer,
    QueryKeyValue,
    Rows,
    attention_in_blocks,
    unit_norm,
)
from graphattn_jax.typing import Array

__all__ = ["SGFormerAttention"]


@dataclass(frozen=True, repr=False)
class SGFormerAttention(LinearAttentionLayer):
    """Attention of all nodes of a graph by plain dot products, next to each node's own value.

        a_ij = ( q̃_i · k̃_j + n [i = j] ) / ( n + Σ_j q̃_i · k̃_j ),    x'_i = mean_h Σ_j a_ij v_j
        q̃ = Q / ‖Q‖_F,    k̃ = K / ‖K‖_F

    with j over the n nodes of i's graph, and the norms over all its nodes and heads. So the weights sum to one, but may
    be negative, and that of the node itself is the larger the more nodes there are. The edges are not read.

    Args:
      channels, heads, use_bias, implementation: see `LinearAttentionLayer`. The output is C wide: None = D.

    Raises:
      ValueError: choices that are not what they should be.

    Cost: O(N D H C + N H C²) time, O(N H C) memory; nothing of size N².
    Padding: exact on real nodes, values and gradients: n and the norms are those of the graph's real nodes.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 2], nodes=np.eye(3, 4, dtype=np.float32))
      >>> layer = ga.linear_attention.SGFormerAttention(heads=2)
      >>> params = layer.init(jax.random.key(0), in_features=4)
      >>> jax.jit(layer.apply)(params, graph).graph.nodes.shape
      (3, 4)

    Source: Wu et al., "SGFormer: Simplifying and Empowering Transformers for Large-Graph Representations", NeurIPS
      2023, arXiv:2306.10759, section 3.2, as the authors' code has it.
    """

    def apply(
        self,
        params: QueryKeyValue,
        graph: Any,
        *,
        training: bool = False,
        key: Array | None = None,
    ) -> nn.LayerOutput:
        """The layer.

        Args:
          params: from `init`.
          graph: nodes `[N, D]`, an array or `SparseFeatures`.
          training, key: without effect, nothing is random.

        Returns:
          The graph with new nodes `[N, C]` in the dtype of the old. The attention, in blocks of a graph that has them
          (`ga.graphs.prepare(graph, block_size=n)`), with the numerators for logits; None elsewhere.

        Raises:
          ValueError: features that do not fit the parameters.
        """
        _checks.params(params, QueryKeyValue, self)
        nodes = nn.read_nodes(graph, params.query.weight.shape[0], allow_sparse=True)
        rows = Rows.of(graph)
        query, keys, value = (self.split_heads(x, nodes) for x in params)
        query, keys = unit_norm(query, rows), unit_norm(keys, rows)
        own = rows.counts.astype(value.dtype)
        counted = jnp.concatenate([value, jnp.ones((*value.shape[:2], 1), value.dtype)], axis=-1)
        sums = self.kernel_sum(query, keys, counted, rows) + own[:, None, None] * counted
        out = sums[..., :-1] / jnp.where(sums[..., -1:] == 0, 1, sums[..., -1:])
        return nn.LayerOutput(
            nn.with_nodes(graph, out.mean(axis=1).astype(nodes.dtype)),
            attention_in_blocks(graph, query, keys, own),
        )
