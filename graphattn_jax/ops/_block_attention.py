"""Attention inside dense blocks with any normalizer and dropout: each node of a graph may attend to all of it."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from graphattn_jax import _checks
from graphattn_jax._dtypes import wide
from graphattn_jax.ops import _block_cpp, _block_triton, _native, _pallas
from graphattn_jax.ops._attention import Attention, Weights
from graphattn_jax.ops._block_softmax import (
    Fixed,
    Operands,
    block_pairs,
    pair_dots,
    pair_sums,
)
from graphattn_jax.ops._blocks import Blocks, from_blocks, to_blocks
from graphattn_jax.ops._dispatch import choose
from graphattn_jax.ops._dropout_hash import Dropout, drop, dropout_words, rate_and_key
from graphattn_jax.ops._edge_attention._fused import Kernels, with_gradient
from graphattn_jax.ops._edge_attention._scores import DotScore
from graphattn_jax.ops._normalizers import (
    Normalized,
    Normalizer,
    Sigmoid,
    Softmax,
    check_normalizer,
    normalize,
)
from graphattn_jax.ops._pattern import Edges
from graphattn_jax.ops._platform import on_cpu, on_recent_nvidia_gpu
from graphattn_jax.typing import Array, ArrayLike

__all__ = ["BlockAttention", "block_attention"]


class BlockAttention(NamedTuple):
    """What `block_attention` returns: the aggregated values `[N, H, C]`, and what led to them."""

    out: Array
    attention: Attention


class _Call(NamedTuple):
    """What the implementations are asked about."""

    arrays: tuple[Any, ...]
    normalizer: Normalizer


class _Fused(NamedTuple):
    """Softmax in one kernel."""

    name: str
    kernels: Kernels
    missing: Any

    def supports(self, call: _Call) -> str | None:
        """Softmax only, where the kernels can be called."""
        if not isinstance(call.normalizer, Softmax):
            return f"has the softmax only, got {call.normalizer}. Fix: implementation=None."
        return self.missing(call.arrays)


class _Composed(NamedTuple):
    """Products of whole matrices."""

    name: str
    kernels: None = None

    def supports(self, call: _Call) -> str | None:
        """Always."""
        return None


BLOCK_IMPLEMENTATIONS: dict[str, _Fused | _Composed] = {
    "cpp": _Fused("cpp", _block_cpp.KERNELS, _native.missing),
    "triton": _Fused("triton", _block_triton.KERNELS, _pallas.missing),
    "xla": _Composed("xla"),
    "reference": _Composed("reference"),
}
"""By the valid names of `implementation=` of attention in blocks."""


def _order() -> tuple[str, ...]:
    fused = ("cpp",) if on_cpu() else ("triton",) if on_recent_nvidia_gpu() else ()
    return (*fused, "xla", "reference")


def block_attention(
    query: ArrayLike,
    key: ArrayLike,
    value: ArrayLike,
    blocks: Blocks,
    *,
    score: DotScore = DotScore(),
    normalizer: Normalizer = Softmax(),
    dropout: Dropout | None = None,
    implementation: str | None = None,
) -> BlockAttention:
    """Attention among all nodes of each block.

        a_ij = normalize_j( scale · q_i · k_j + b_ij ),    out_i = Σ_j dropout(a_ij) v_j

    The dense counterpart of `edge_attention` on all pairs, with the same normalizers: for many small graphs it needs
    neither an edge list nor a scatter. `dense_attention` is the softmax without dropout in fused implementations.

    Args:
      query: rows of nodes `[N, H, C]`, floating point.
      key: as `query`.
      value: `[N, H, C_v]`.
      blocks: the pattern.
      score: scale and bias; the bias `[B, H, n, n]` or broadcastable to it with four axes, row = receiver.
      normalizer: as `edge_attention`.
      dropout: of the weights, or None.
      implementation: "xla", products of whole matrices; "reference", the same by plain operations, with a forward mode;
        "cpp", one kernel for softmax on the CPU, once `build_cpp` has made it; "triton", one for GPUs, interpreted
        (slow) elsewhere; None = the kernel of this platform for what it supports, else "xla".

    Returns:
      `BlockAttention(out [N, H, C_v], attention)`. `out` has the dtype of `value`; weights and logits `[B, H, n, n]`
      and the residual of Sinkhorn `[B, n, H]` are float32 (float64 for float64), and computed when they are read.

    Raises:
      ValueError: shapes, unknown options.
      NotImplementedError: a kernel with another normalizer, "triton" in float64, "cpp" that is not built.

    Cost: O(B n² H C) time; O(B H n²) memory, which kernels need for the gradient of a bias only; constraints as
      `normalize` on B n² edges.
    Padding: nodes without a slot receive 0 and give nothing, and so do nodes whose bias is -inf for all pairs, under
      softmax.

    Example:
      >>> import jax.numpy as jnp, numpy as np, graphattn_jax as ga
      >>> blocks = ga.ops.prepare_blocks(np.array([0, 0, 1]), 2, 2)
      >>> q, v = jnp.ones((3, 1, 2)), jnp.arange(6.).reshape(3, 1, 2)
      >>> ga.ops.block_attention(q, q, v, blocks).out[:, 0].tolist()
      [[1.0, 2.0], [1.0, 2.0], [4.0, 5.0]]

    Source: Vaswani et al. 2017, equation 1.
    """
    if not isinstance(blocks, Blocks):
        raise ValueError(
            f"blocks must be ga.ops.Blocks, got {_checks.describe(blocks)}. Fix: ga.ops.prepare_blocks, or "
            "ga.graphs.prepare(graph, block_size=n).layout.blocks."
        )
    blocks.check()
    (nodes,), (batch, size) = blocks.slot.shape, blocks.node.shape
    for name, x in (("query", query), ("key", key), ("value", value)):
        _checks.shape(name, x, (nodes, "H", "C"))
        _checks.floating(name, x)
    _checks.shape("key", key, query.shape)
    _checks.shape("value", value, (*query.shape[:-1], "C"))
    _, heads, channels = query.shape
    if not isinstance(score, DotScore) or score.edge is not None:
        raise ValueError(
            f"score must be a DotScore without an edge term, got {_checks.describe(score)}."
        )
    check_normalizer(normalizer)
    rate, rng = rate_and_key(dropout)
    scale = channels**-0.5 if score.scale is None else score.scale
    rows = (wide(query) * scale, jnp.asarray(key), jnp.asarray(value))
    bias = None
    if score.bias is not None:
        wanted = (batch, heads, size, size)
        got = score.bias.shape
        if len(got) != 4 or any(n not in (1, m) for n, m in zip(got, wanted)):
            raise ValueError(
                f"score.bias must have four axes broadcastable to [B, H, n, n] = {list(wanted)}, got {tuple(got)}."
            )
        bias = jnp.asarray(score.bias).astype(rows[0].dtype)
    mask = blocks.mask
    if blocks.pairs is not None:
        mask = jnp.asarray(blocks.pairs) & block_pairs(mask)[:, 0]

    def weights_of(query: Array, key: Array) -> Weights:
        logits = pair_dots(query, key, mask, plain=plain)
        logits = logits if bias is None else logits + bias
        weights, residual = _normalize(logits, block_pairs(mask), blocks, normalizer)
        return Weights(weights, drop(weights, rate, rng), logits, residual)

    call = _Call((query, key, value), normalizer)
    chosen = choose(implementation, BLOCK_IMPLEMENTATIONS, _order(), call)
    kernels = chosen.kernels
    moves, plain = chosen.name if kernels is None else None, chosen.name == "reference"

    def in_blocks(x: Array) -> Array:
        return wide(to_blocks(x, blocks, implementation=moves))

    if kernels is None:
        found = weights_of(in_blocks(rows[0]), in_blocks(rows[1]))
        out = pair_sums(found.applied, in_blocks(rows[2]), mask, plain=plain)
        out = from_blocks(out.astype(rows[2].dtype), blocks, implementation=moves)
        return BlockAttention(out, Attention(lambda: found))
    operands = rows if kernels.rows else tuple(to_blocks(x, blocks) for x in rows)
    q, k, v = operands if kernels.half else (wide(x) for x in operands)
    fixed = Fixed(mask, dropout_words(rate, rng), blocks if kernels.rows else None)
    out, _ = with_gradient(kernels, rate, Operands(q, k, v, bias), fixed)
    out = out if kernels.rows else from_blocks(out, blocks)
    return BlockAttention(
        out.astype(rows[2].dtype),
        Attention(lambda: weights_of(in_blocks(rows[0]), in_blocks(rows[1]))),
    )


def _softmax(logits: Array, pairs: Array) -> Array:
    """Over the last axis; rows without a pair, or with -inf for all of them, are 0 with a gradient of 0."""
    pairs = pairs & ~jnp.isneginf(logits)
    low = jnp.finfo(logits.dtype).min
    top = jnp.max(jnp.where(pairs, logits, low), axis=-1, keepdims=True)
    powers = jnp.where(pairs, jnp.exp(jnp.where(pairs, logits - jax.lax.stop_gradient(top), 0)), 0)
    total = jnp.sum(powers, axis=-1, keepdims=True)
    return powers / jnp.where(total == 0, 1, total)


def _normalize(logits: Array, pairs: Array, blocks: Blocks, normalizer: Normalizer) -> Normalized:
    """Weights `[B, H, n, n]` and residual `[B, n, H]`: dense, or on all B n² pairs as one edge list."""
    if isinstance(normalizer, Softmax):
        return Normalized(_softmax(logits, pairs))
    if isinstance(normalizer, Sigmoid):
        return Normalized(jax.nn.sigmoid(jnp.where(pairs, logits, -jnp.inf)))
    batch, heads, size, _ = logits.shape
    there = jnp.broadcast_to(pairs[:, 0], (batch, size, size)).reshape(-1)
    edges = dataclasses.replace(all_pairs(blocks), mask=there)
    found = normalize(logits.transpose(0, 2, 3, 1).reshape(-1, heads), edges, normalizer)
    weights = found.weights.reshape(batch, size, size, heads).transpose(0, 3, 1, 2)
    residual = found.residual
    return Normalized(weights, None if residual is None else residual.reshape(batch, size, heads))


def all_pairs(blocks: Blocks) -> Edges:
    """The B n² pairs of slots as edges with known reverses, in order (block, receiver, sender)."""
    batch, size = blocks.node.shape
    slots = np.arange(batch * size, dtype=np.int32).reshape(batch, size)
    ids = np.arange(batch * size * size, dtype=np.int32).reshape(batch, size, size)
    shape = (batch, size, size)
    return Edges(
        np.broadcast_to(slots[:, None, :], shape).reshape(-1),
        np.broadcast_to(slots[:, :, None], shape).reshape(-1),
        num_senders=batch * size,
        reverse=ids.swapaxes(1, 2).reshape(-1),
    )
