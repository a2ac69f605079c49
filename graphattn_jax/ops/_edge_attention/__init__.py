"""Sparse attention over an edge list: one op, several implementations."""

from graphattn_jax.ops._edge_attention._api import (
    IMPLEMENTATIONS,
    EdgeAttention,
    attend_from_logits,
    edge_aggregate,
    edge_attention,
    edge_scores,
)
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
    "DotScore",
    "EdgeAttention",
    "GATv2Score",
    "Score",
    "SymmetrizedScore",
    "attend_from_logits",
    "edge_aggregate",
    "edge_attention",
    "edge_scores",
]
