"""Sparse attention over an edge list: one op, several implementations."""

from graphattn_jax.ops._edge_attention._api import (
    IMPLEMENTATIONS,
    EdgeAttention,
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
    "edge_aggregate",
    "edge_attention",
    "edge_scores",
]
