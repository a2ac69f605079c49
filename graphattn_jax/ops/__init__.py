"""Arrays in, arrays out: segment reductions, attention, normalizers. No graphs, no parameters."""

from graphattn_jax.ops._attention import Attention, Weights
from graphattn_jax.ops._batch_axis import BATCH_AXIS, sum_over_batch
from graphattn_jax.ops._batch_norm import batch_norm
from graphattn_jax.ops._block_attention import (
    BLOCK_IMPLEMENTATIONS,
    BlockAttention,
    block_attention,
)
from graphattn_jax.ops._blocks import Blocks, from_blocks, prepare_blocks, to_blocks
from graphattn_jax.ops._concrete import (
    binary_concrete,
    gate_bias,
    hard_concrete,
    hard_concrete_penalty,
    straight_through,
)
from graphattn_jax.ops._dense import dense_attention
from graphattn_jax.ops._dispatch import Choice
from graphattn_jax.ops._dropout import dropout
from graphattn_jax.ops._dropout_hash import Dropout
from graphattn_jax.ops._edge_attention import (
    IMPLEMENTATIONS,
    AdditiveScore,
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
from graphattn_jax.ops._edge_rows import real_or_zero, receiver_sum, sender_rows
from graphattn_jax.ops._edges import reverse_edges
from graphattn_jax.ops._groups import (
    GROUP_IMPLEMENTATIONS,
    Groups,
    RowBlocks,
    grouped_matmul,
    prepare_groups,
)
from graphattn_jax.ops._host_memory import keep_freed_memory
from graphattn_jax.ops._kernel_sum import group_apply, group_outer, kernel_sum, linear_attention
from graphattn_jax.ops._layout import DegreeBlock, DegreeBlocks, EdgeLayout, Tiles
from graphattn_jax.ops._matmul import matmul
from graphattn_jax.ops._native import build_cpp
from graphattn_jax.ops._normalizers import (
    Normalized,
    Normalizer,
    PostHoc,
    Sigmoid,
    Sinkhorn,
    Softmax,
    Symmetric,
    check_normalizer,
    normalize,
)
from graphattn_jax.ops._pattern import Edges, check_edges, prepare_edges
from graphattn_jax.ops._rectified_sum import rectified_sum
from graphattn_jax.ops._segment import (
    segment_logsumexp,
    segment_max,
    segment_mean,
    segment_min,
    segment_softmax,
    segment_std,
    segment_sum,
    take,
)
from graphattn_jax.ops._sinkhorn import Scaling, dense_sinkhorn, sinkhorn
from graphattn_jax.ops._sparse_features import SparseFeatures, is_sparse
from graphattn_jax.ops._top_k_edges import TopK, top_k_edges

__all__ = [
    "BATCH_AXIS",
    "BLOCK_IMPLEMENTATIONS",
    "GROUP_IMPLEMENTATIONS",
    "IMPLEMENTATIONS",
    "AdditiveScore",
    "Attention",
    "BlockAttention",
    "Blocks",
    "Choice",
    "DegreeBlock",
    "DegreeBlocks",
    "DotScore",
    "Dropout",
    "EdgeAttention",
    "EdgeLayout",
    "Edges",
    "GATv2Score",
    "Groups",
    "Normalized",
    "Normalizer",
    "PostHoc",
    "RowBlocks",
    "Scaling",
    "Score",
    "Sigmoid",
    "Sinkhorn",
    "Softmax",
    "SparseFeatures",
    "Symmetric",
    "SymmetrizedScore",
    "Tiles",
    "TopK",
    "Weights",
    "attend_from_logits",
    "batch_norm",
    "binary_concrete",
    "block_attention",
    "build_cpp",
    "check_edges",
    "check_normalizer",
    "dense_attention",
    "dense_sinkhorn",
    "dropout",
    "edge_aggregate",
    "edge_attention",
    "edge_scores",
    "explain_choice",
    "from_blocks",
    "gate_bias",
    "group_apply",
    "group_outer",
    "grouped_matmul",
    "hard_concrete",
    "hard_concrete_penalty",
    "is_sparse",
    "keep_freed_memory",
    "kernel_sum",
    "linear_attention",
    "matmul",
    "normalize",
    "prepare_blocks",
    "prepare_edges",
    "prepare_groups",
    "real_or_zero",
    "receiver_sum",
    "rectified_sum",
    "reverse_edges",
    "segment_logsumexp",
    "segment_max",
    "segment_mean",
    "segment_min",
    "segment_softmax",
    "segment_std",
    "segment_sum",
    "sender_rows",
    "sinkhorn",
    "straight_through",
    "sum_over_batch",
    "take",
    "to_blocks",
    "top_k_edges",
]
