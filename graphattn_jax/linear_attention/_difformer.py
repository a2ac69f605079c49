"""The diffusion of DIFFormer: attention of all nodes of a graph that lowers an energy."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

import jax.numpy as jnp

from graphattn_jax import _checks, graphs, nn, ops
from graphattn_jax.linear_attention._layer import (
    LinearAttentionLayer,
    QueryKeyValue,
    Rows,
    attention_in_blocks,
    unit_norm,
)
from graphattn_jax.linear_attention._propagation import neighbour_sum
from graphattn_jax.typing import Array

__all__ = ["DIFFormerAttention"]

KERNELS = ("simple", "sigmoid")


@dataclass(frozen=True, repr=False)
class DIFFormerAttention(LinearAttentionLayer):
    """One step of diffusion among all nodes of a graph, and along its edges.

        a_ij = f_ij / Σ_j f_ij,    x'_i = mean_h ( Σ_j a_ij v_j + Σ_{j → i} v_j / √(d_i d_j) )
        simple (DIFFormer-s):  f_ij = 1 + q̃_i · k̃_j,  q̃ = Q / ‖Q‖_F,  k̃ = K / ‖K‖_F    in linear time
        sigmoid (DIFFormer-a): f_ij = σ(q_i · k_j)                                            of all pairs

    with j over the nodes of i's graph, and the norms over all its nodes and heads. (Second sum: over the incoming
    edges, d_i the in-degree of i, d_j the out-degree of j; the layer adds no self-loops.) `diffusion_energy` is what a
    step lowers.

    Args:
      channels, heads, use_bias, implementation: see `LinearAttentionLayer`. The output is C wide: None = D.
      kernel: "simple" or "sigmoid".
      use_graph: whether to add the sum over neighbours.

    Raises:
      ValueError: choices that are not what they should be.

    Cost: O(N D H C + N H C² + E H C) time, O(N H C) memory. "sigmoid": that of `ga.attention.GlobalAttention`, in
      blocks where the graph has them (`ga.graphs.prepare(graph, block_size=n)`).
    Padding: exact on real nodes, values and gradients; nothing of other graphs of a batch is heard.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 2], nodes=np.eye(3, 4, dtype=np.float32))
      >>> layer = ga.linear_attention.DIFFormerAttention(heads=2)
      >>> params = layer.init(jax.random.key(0), in_features=4)
      >>> jax.jit(layer.apply)(params, graph).graph.nodes.shape
      (3, 4)

    Source: Wu et al., "DIFFormer: Scalable (Graph) Transformers Induced by Energy Constrained Diffusion", ICLR 2023,
      arXiv:2301.09474, section 4.1; the authors' code has the in-degree for d_j, which is the same where each edge has
      its reverse.
    """

    _: KW_ONLY
    kernel: str = "simple"
    use_graph: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        _checks.choice("kernel", self.kernel, KERNELS)
        _checks.choice("use_graph", self.use_graph, (True, False))

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
          The graph with new nodes `[N, C]` in the dtype of the old. The attention of all pairs, in blocks of a graph
          that has them (`ga.graphs.prepare(graph, block_size=n)`), with f for logits; None elsewhere for "simple".

        Raises:
          ValueError: features that do not fit the parameters.
        """
        _checks.params(params, QueryKeyValue, self)
        nodes = nn.read_nodes(graph, params.query.weight.shape[0], allow_sparse=True)
        query, keys, value = (self.split_heads(x, nodes) for x in params)
        attend = self._simple if self.kernel == "simple" else self._sigmoid
        out, attention = attend(graph, query, keys, value)
        if self.use_graph:
            out = out + neighbour_sum(graph, value, self.implementation)
        out = out.mean(axis=1).astype(nodes.dtype)
        return nn.LayerOutput(nn.with_nodes(graph, out), attention)

    def _simple(self, graph, query, keys, value):
        rows = Rows.of(graph)
        query, keys = (
            jnp.concatenate([unit_norm(x, rows), jnp.ones((*x.shape[:2], 1), x.dtype)], axis=-1)
            for x in (query, keys)
        )
        out = self.linear_attention(query, keys, value, rows)
        return out, attention_in_blocks(graph, query, keys)

    def _sigmoid(self, graph, query, keys, value):
        counted = jnp.concatenate([value, jnp.ones((*value.shape[:2], 1), value.dtype)], axis=-1)
        sums, attention = ops.block_attention(
            query,
            keys,
            counted,
            graphs.blocks(graph),
            score=ops.DotScore(scale=1.0),
            normalizer=ops.Sigmoid(),
            implementation=self.implementation,
        )
        total = sums[..., -1:]
        return sums[..., :-1] / jnp.where(total == 0, 1, total), _normalized(attention)


def _normalized(attention: ops.Attention) -> ops.Attention:
    """Weights over their sums."""

    def compute() -> ops.Weights:
        kernel = attention.weights
        total = kernel.sum(axis=-1, keepdims=True)
        weights = kernel / jnp.where(total == 0, 1, total)
        return ops.Weights(weights, weights, kernel)

    return ops.Attention(compute)
