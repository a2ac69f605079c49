"""Sparse attention over an edge list: one op, several implementations.

An implementation is an object in a file of its own (`EdgeImplementation` in `_call` says what it has), and a line in
`_implementations`.
"""

from graphattn_jax.ops._edge_attention._api import (
    EdgeAttention,
    attend_from_logits,
    edge_aggregate,
    edge_attention,
    edge_scores,
    explain_choice,
)
from graphattn_jax.ops._edge_attention._implementations import IMPLEMENTATIONS
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
    "explain_choice",
]
