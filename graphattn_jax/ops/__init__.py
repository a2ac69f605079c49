"""Arrays in, arrays out: segment reductions, attention, normalizers. No graphs, no parameters."""

from graphattn_jax.ops._block_attention import BlockAttention, block_attention
from graphattn_jax.ops._blocks import BlockLayout, block_layout, from_blocks, to_blocks
from graphattn_jax.ops._dense import dense_attention
from graphattn_jax.ops._dropout import dropout
from graphattn_jax.ops._edge_attention import (
    IMPLEMENTATIONS,
    AdditiveScore,
    Choice,
    DotScore,
    EdgeAttention,
    GATv2Score,
    Score,
    SymmetrizedScore,
    attend_from_logits,
    edge_aggregate,
    edge_attention,
    edge_scores,
    explain_choice,
)
from graphattn_jax.ops._edges import reverse_edges
from graphattn_jax.ops._host_memory import keep_freed_memory
from graphattn_jax.ops._layout import DegreeBlock, DegreeBlocks, EdgeLayout, Tiles, edge_layout
from graphattn_jax.ops._native import build_cpp
from graphattn_jax.ops._normalizers import (
    NORMALIZERS,
    Normalized,
    Normalizer,
    PostHoc,
    Sigmoid,
    Sinkhorn,
    Softmax,
    Symmetric,
    normalize,
)
from graphattn_jax.ops._segment import (
    segment_logsumexp,
    segment_max,
    segment_mean,
    segment_min,
    segment_softmax,
    segment_std,
    segment_sum,
)
from graphattn_jax.ops._sinkhorn import Scaling, dense_sinkhorn, sinkhorn
from graphattn_jax.ops._sparse_features import SparseFeatures

__all__ = [
    "IMPLEMENTATIONS",
    "NORMALIZERS",
    "AdditiveScore",
    "BlockAttention",
    "BlockLayout",
    "Choice",
    "DegreeBlock",
    "DegreeBlocks",
    "DotScore",
    "EdgeAttention",
    "EdgeLayout",
    "GATv2Score",
    "Normalized",
    "Normalizer",
    "PostHoc",
    "Scaling",
    "Score",
    "Sigmoid",
    "Sinkhorn",
    "Softmax",
    "SparseFeatures",
    "Symmetric",
    "SymmetrizedScore",
    "Tiles",
    "attend_from_logits",
    "block_attention",
    "block_layout",
    "build_cpp",
    "dense_attention",
    "dense_sinkhorn",
    "dropout",
    "edge_aggregate",
    "edge_attention",
    "edge_layout",
    "edge_scores",
    "explain_choice",
    "from_blocks",
    "keep_freed_memory",
    "normalize",
    "reverse_edges",
    "segment_logsumexp",
    "segment_max",
    "segment_mean",
    "segment_min",
    "segment_softmax",
    "segment_std",
    "segment_sum",
    "sinkhorn",
    "to_blocks",
]
