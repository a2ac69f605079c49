"""Sparse attention over an edge list: one op, several implementations.

An implementation is a module with these functions, on wide (float32 or float64) arrays:

    scores(query, key, senders, receivers, score, layout) -> [E, H]
    aggregate(weights, value, senders, receivers, num_nodes, layout) -> [N, H, C]
    attention(arguments) -> (out [N, H, C], logsumexp [N, H])

The last one is optional: softmax attention in one kernel, on the `Arguments` of `_fused`, with wide results. The
logsumexp of a receiver without edges is +inf, so that exp(logit - logsumexp) is the weight of every edge. All are
differentiable, and raise `NotImplementedError` for what they do not support. `_choice` lists the modules.
"""

from graphattn_jax.ops._edge_attention._api import (
    EdgeAttention,
    attend_from_logits,
    edge_aggregate,
    edge_attention,
    edge_scores,
)
from graphattn_jax.ops._edge_attention._choice import IMPLEMENTATIONS
from graphattn_jax.ops._edge_attention._explain import Choice, explain_choice
from graphattn_jax.ops._edge_attention._scores import (
    AdditiveScore,
    DotScore,
    GATv2Score,
    Score,
    SymmetrizedScore,
)

__all__ = [
    "IMPLEMENTATIONS",
    "AdditiveScore",
    "Choice",
    "DotScore",
    "EdgeAttention",
    "GATv2Score",
    "Score",
    "SymmetrizedScore",
    "attend_from_logits",
    "edge_aggregate",
    "edge_attention",
    "edge_scores",
    "explain_choice",
]
