"""What Exphormer and SAN share: a dot product whose channels the edge weighs, and the update."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks, nn, ops
from graphattn_jax.attention._pipeline import (
    AttentionLayer,
    Widths,
    check_clamp,
    check_output,
    check_params,
    clamped,
    combine_heads,
    edge_term,
    finish,
    init_head_bias,
    init_output,
    init_projection,
    needed_edges,
    project,
)
from graphattn_jax.attention._scores import add_bias
from graphattn_jax.typing import Array, ArrayLike, PRNGKey

__all__ = ["EdgeModulatedParams"]


class EdgeModulatedParams(NamedTuple):
    """Arrays of the score of `Exphormer` and `SAN`.

    query_weight, key_weight `[D, H, C]`, edge_weight `[D_e, H, C]` and their biases `[H, C]` or None; key None if
    shared with the query. score: arrays of the score, or None.
    """

    query_weight: Array
    query_bias: Array | None
    key_weight: Array | None
    key_bias: Array | None
    edge_weight: Array
    edge_bias: Array | None
    score: Any


@dataclass(frozen=True, repr=False)
class EdgeModulated(AttentionLayer):
    """The choices of these layers."""

    _: KW_ONLY
    use_bias: bool = False
    output: bool | int = False
    clamp: float | None = 5.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_output(self.output)
        check_clamp(self.clamp)

    def widths(self, in_features: Any, edge_features: int | None = None) -> Widths:
        """Those of one set of nodes, with edges."""
        _checks.positive("in_features", in_features)
        return super().widths(in_features, needed_edges(self, edge_features))

    def init_score(self, key: PRNGKey, size: Any) -> EdgeModulatedParams:
        """Glorot-uniform maps with biases 0."""
        heads, channels, score = self.heads, size.channels, self.score
        k_query, k_key, k_edge = jax.random.split(key, 3)
        query_weight = init_projection(k_query, size.receivers, heads, channels)
        key_weight = None
        if not score.is_tied:
            key_weight = init_projection(k_key, size.senders, heads, channels)
            if self.symmetric_init:
                key_weight = query_weight
        zeros = init_head_bias(self, channels)
        return EdgeModulatedParams(
            query_weight=query_weight,
            query_bias=zeros,
            key_weight=key_weight,
            key_bias=None if score.is_tied else zeros,
            edge_weight=init_projection(k_edge, size.edges, heads, channels),
            edge_bias=zeros,
            score=score.init(heads, channels),
        )

    def init_update(self, key: PRNGKey, size: Any) -> dict[str, Any]:
        """The fields value_weight, value_bias and output of a layer."""
        heads, channels = self.heads, size.channels
        k_value, k_output = jax.random.split(key)
        return {
            "value_weight": init_projection(k_value, size.senders, heads, channels),
            "value_bias": init_head_bias(self, channels),
            "output": init_output(k_output, self, heads * channels, size.receivers),
        }

    def logits(self, params: EdgeModulatedParams, graph: Any, edges: ops.Edges) -> Array:
        """clamp(Σ_c q_ic k_jc (W_e e_ij)_c / √C, ±clamp) per edge, `[E, H]`."""
        check_params(params, EdgeModulatedParams, self, key_weight=not self.score.is_tied)
        nodes = nn.read_nodes(graph, params.query_weight.shape[0])
        query = project(nodes, params.query_weight, params.query_bias)
        keys = query
        if params.key_weight is not None:
            keys = project(nodes, params.key_weight, params.key_bias)
        own = ops.DotScore(edge=edge_term(params.edge_weight, graph, params.edge_bias))
        query, keys, kernel = self.score.apply(params.score, query, keys, own)
        logits = ops.edge_scores(
            query, keys, edges, score=kernel, implementation=self.implementation
        )
        return clamped(logits, self.clamp)

    def update(
        self,
        params: Any,
        graph: Any,
        edges: ops.Edges,
        logits: Array,
        bias: ArrayLike | None,
        dropout: ops.Dropout | None,
    ) -> nn.LayerOutput:
        """x'_i = W_o ‖_h Σ_j a_ij W_v x_j with a_ij = normalize_j(l_ij + b_ij)."""
        nodes = nn.read_nodes(graph, params.value_weight.shape[0])
        value = project(nodes, params.value_weight, params.value_bias)
        logits = jnp.asarray(add_bias(bias, logits))
        out, attention = self.attend_from_logits(logits, value, edges, dropout)
        out = combine_heads(out, concat=True)
        if params.output is not None:
            out = nn.linear(params.output, out)
        return finish(graph, out, attention)
