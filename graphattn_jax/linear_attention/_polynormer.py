"""The global attention of Polynormer: gated by a polynomial of the features."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks, nn
from graphattn_jax.linear_attention._layer import (
    LinearAttentionLayer,
    Rows,
    attention_in_blocks,
    combine_heads,
)
from graphattn_jax.typing import Array, PRNGKey

__all__ = ["PolynormerAttention", "PolynormerAttentionParams"]


class PolynormerAttentionParams(NamedTuple):
    """Maps `[D, H·C]` to query (None where it is the key), key, value and gate; `beta` `[H·C]`, β before its sigmoid;
    the norm of what was attended; the output map `[H·C, H·C]`, or None.
    """

    query: nn.LinearParams | None
    key: nn.LinearParams
    value: nn.LinearParams
    gate: nn.LinearParams
    beta: Array
    norm: nn.LayerNormParams
    output: nn.LinearParams | None


@dataclass(frozen=True, repr=False)
class PolynormerAttention(LinearAttentionLayer):
    """Attention of all nodes of a graph with a sigmoid kernel, times a gate of the node itself.

        a_ij = σ(q_i) · σ(k_j) / Σ_j σ(q_i) · σ(k_j),    z_i = ‖_h Σ_j a_ij v_j
        x'_i = ReLU( W_o ( LN(z_i) ⊙ (W_h x_i + σ(β)) ) )

    with j over the nodes of i's graph, and k = q by default. Each layer doubles the degree of the polynomials of the
    features that the output can be. The edges of the graph are not read.

    Args:
      channels, heads, use_bias, implementation: see `LinearAttentionLayer`; the output is H·C wide.
      shared: whether query and key are one map.
      output: whether to map by W_o and rectify; the published network has one W_o for all its layers.

    Raises:
      ValueError: choices that are not what they should be.

    Cost: O(N D H C + N H C²) time, O(N H C) memory; nothing of size N².
    Padding: exact on real nodes, values and gradients; nothing of other graphs of a batch is heard.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 2], nodes=np.eye(3, 4, dtype=np.float32))
      >>> layer = ga.linear_attention.PolynormerAttention(heads=2)
      >>> params = layer.init(jax.random.key(0), in_features=4)
      >>> jax.jit(layer.apply)(params, graph).graph.nodes.shape
      (3, 4)

    Source: Deng, Yue, Zhang, "Polynormer: Polynomial-Expressive Graph Transformer in Linear Time", ICLR 2024,
      arXiv:2403.01232, section 3.2, with the places of norm and β of the authors' code.
    """

    _: KW_ONLY
    shared: bool = True
    output: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        _checks.choice("shared", self.shared, (True, False))
        _checks.choice("output", self.output, (True, False))

    def init(
        self, key: PRNGKey, in_features: int, edge_features: int | None = None
    ) -> PolynormerAttentionParams:
        """Parameters, float32, as `ga.nn.init_linear` starts maps, β Glorot-normal; `edge_features` are ignored."""
        channels = self.channels_of_each(in_features)
        width = self.heads * channels
        k_maps, k_gate, k_beta, k_output = jax.random.split(key, 4)
        maps = self.init_maps(k_maps, in_features, channels)
        output = nn.init_linear(k_output, width, width) if self.output else None
        return PolynormerAttentionParams(
            query=None if self.shared else maps.query,
            key=maps.key,
            value=maps.value,
            gate=nn.init_linear(k_gate, in_features, width),
            beta=nn.initializer("glorot_normal")(k_beta, (1, width), jnp.float32)[0],
            norm=nn.init_layer_norm(width),
            output=output,
        )

    def apply(
        self,
        params: PolynormerAttentionParams,
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
          The graph with new nodes `[N, H·C]` in the dtype of the old. The attention, in blocks of a graph that has them
          (`ga.graphs.prepare(graph, block_size=n)`), with σ(q) · σ(k) for logits; None elsewhere.

        Raises:
          ValueError: features that do not fit the parameters.
        """
        _checks.params(params, PolynormerAttentionParams, self)
        nodes = nn.read_nodes(graph, params.key.weight.shape[0], allow_sparse=True)
        keys, value = (self.split_heads(x, nodes) for x in (params.key, params.value))
        query = keys if params.query is None else self.split_heads(params.query, nodes)
        query, keys = jax.nn.sigmoid(query), jax.nn.sigmoid(keys)
        out = combine_heads(self.linear_attention(query, keys, value, Rows.of(graph)))
        out = nn.layer_norm(params.norm, out.astype(nodes.dtype))
        beta = jax.nn.sigmoid(params.beta).astype(out.dtype)[None]
        out = out * (nn.linear(params.gate, nodes) + beta)
        if params.output is not None:
            out = jax.nn.relu(nn.linear(params.output, out))
        return nn.LayerOutput(nn.with_nodes(graph, out), attention_in_blocks(graph, query, keys))
