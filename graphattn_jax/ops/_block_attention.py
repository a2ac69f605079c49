"""Attention inside dense blocks with any normalizer and dropout: each node of a graph may attend to all of it."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from graphattn_jax import _checks
from graphattn_jax._dtypes import accumulation_dtype
from graphattn_jax.ops import _block_cpp, _block_triton
from graphattn_jax.ops._block_softmax import Fixed, Operands, block_pairs
from graphattn_jax.ops._blocks import BlockLayout, from_blocks, to_blocks
from graphattn_jax.ops._dropout import dropout, dropout_words
from graphattn_jax.ops._edge_attention._fused import with_gradient
from graphattn_jax.ops._normalizers import Normalizer, Sigmoid, Softmax, normalize, resolve
from graphattn_jax.ops._platform import on_cpu, on_recent_nvidia_gpu
from graphattn_jax.typing import Array, ArrayLike

__all__ = ["BlockAttention", "block_attention"]


_KERNELS = {"triton": _block_triton.KERNELS, "cpp": _block_cpp.KERNELS}


def _candidates() -> tuple[str, ...]:
    return ("cpp",) if on_cpu() else ("triton",) if on_recent_nvidia_gpu() else ()


class BlockAttention(NamedTuple):
    """What `block_attention` returns: the aggregated values, and what led to them.

    out `[B, n, H, C]`, or `[N, H, C]` of rows of nodes; weights `[B, H, n, n]` (row = receiver), logits likewise;
    residual `[B, n, H]` for Sinkhorn, else None. Under `jit` what is not used is not computed.
    """

    out: Array
    weights: Array
    logits: Array
    residual: Array | None


def block_attention(
    query: ArrayLike,
    key: ArrayLike,
    value: ArrayLike,
    *,
    mask: ArrayLike | None = None,
    blocks: BlockLayout | None = None,
    scale: float | None = None,
    bias: ArrayLike | None = None,
    normalizer: str | Normalizer = "softmax",
    dropout_rate: float = 0.0,
    dropout_key: Array | None = None,
    implementation: str | None = None,
) -> BlockAttention:
    """Attention among all nodes of each block.

        a_ij = normalize_j( scale · q_i · k_j + b_ij ),    out_i = Σ_j dropout(a_ij) v_j

    The dense counterpart of `edge_attention` on all pairs, with the same normalizers: for many small graphs it needs
    neither an edge list nor a scatter. `dense_attention` is the softmax without dropout in fused implementations.

    Args:
      query: `[B, n, H, C]` floating point, from `to_blocks`; or with `blocks` rows of nodes `[N, H, C]`.
      key: as `query`.
      value: `[B, n, H, C_v]` or `[N, H, C_v]`.
      mask: bool, True = a node `[B, n]`, or a pair (receiver, sender) that may attend `[B, n, n]`. None, only with
        `blocks`: all nodes that have a slot.
      blocks: from `block_layout`, for operands that are rows of nodes; `out` is then rows too. It is the same as
        `to_blocks` before and `from_blocks` after, which "cpp" does without.
      scale: None = 1/√C.
      bias: `[B, H, n, n]` or broadcastable to it with four axes, added to the logits.
      normalizer: a name or options tuple, see `normalize`. The limits of a constraint to some `edges` are given
        for all B n² pairs in order (block, receiver, sender).
      dropout_rate: probability in [0, 1), applied to the weights.
      dropout_key: typed key, required when the rate is positive.
      implementation: "reference", products of whole matrices; "cpp", one kernel for softmax on the CPU, once
        `build_cpp` has made it; "triton", one for GPUs, interpreted (slow) elsewhere; None = the kernel of this
        platform for what it supports, else "reference".

    Returns:
      `BlockAttention`. `out` has the dtype of `value`, everything else is float32 (float64 for float64).

    Raises:
      ValueError: shapes, unknown options, dropout without key.
      NotImplementedError: a kernel with another normalizer, "triton" in float64, "cpp" that is not built.

    Cost: O(B n² H C) time; O(B H n²) memory, which kernels need for the gradient of a bias only; constraints as
      `normalize` on B n² edges.
    Padding: empty slots receive 0 and give nothing, and so do nodes whose bias is -inf for all pairs, under softmax.

    Example:
      >>> import jax.numpy as jnp, graphattn_jax as ga
      >>> q, v = jnp.ones((1, 3, 1, 2)), jnp.arange(6.).reshape(1, 3, 1, 2)
      >>> ga.ops.block_attention(q, q, v, mask=jnp.array([[True, True, False]])).out[0, :, 0].tolist()
      [[1.0, 2.0], [1.0, 2.0], [0.0, 0.0]]

    Source: Vaswani et al. 2017, equation 1.
    """
    leading = ("B", "n") if blocks is None else blocks.slot.shape
    for name, x in (("query", query), ("key", key), ("value", value)):
        _checks.shape(name, x, (*leading, "H", "C"))
        _checks.floating(name, x)
    _checks.shape("key", key, query.shape)
    _checks.shape("value", value, (*query.shape[:-1], "C"))
    if mask is None:
        if blocks is None:
            raise ValueError("mask is needed without blocks=, got None.")
        mask = blocks.mask
    *_, heads, channels = query.shape
    batch, size = query.shape[:2] if blocks is None else blocks.node.shape
    _checks.shape("mask", mask, (batch, size, size)[: len(mask.shape)])
    _checks.dropout(dropout_rate, dropout_key)
    if implementation is not None:
        _checks.choice("implementation", implementation, (*_KERNELS, "reference"))
    normalizer = resolve(normalizer)
    factor = channels**-0.5 if scale is None else scale
    given = (_wide(jnp.asarray(query)) * factor, jnp.asarray(key), jnp.asarray(value))
    in_blocks = given if blocks is None else tuple(to_blocks(x, blocks) for x in given)
    wide_query, wide_key, wide_value = (_wide(x) for x in in_blocks)
    mask, bias = jnp.asarray(mask), None if bias is None else jnp.asarray(bias)
    logits = jnp.einsum("bihc,bjhc->bhij", wide_query, wide_key)
    if bias is not None:
        wanted = (batch, heads, size, size)
        if len(bias.shape) != 4 or any(n not in (1, m) for n, m in zip(bias.shape, wanted)):
            raise ValueError(
                f"bias must have four axes broadcastable to [B, H, n, n] = {list(wanted)}, got {tuple(bias.shape)}."
            )
        bias = bias.astype(logits.dtype)
        logits = logits + bias
    pairs = block_pairs(mask)
    if isinstance(normalizer, Softmax):
        weights, residual = _softmax(logits, pairs), None
    elif isinstance(normalizer, Sigmoid):
        weights, residual = jnp.where(pairs, jax.nn.sigmoid(logits), 0), None
    else:
        weights, residual = _constrained(logits, pairs, normalizer)
    for name in _candidates() if implementation is None else (implementation,):
        if name == "reference":
            continue
        try:
            if not isinstance(normalizer, Softmax):
                raise NotImplementedError(
                    f"implementation={name!r} has the softmax only, got {normalizer}. Fix: implementation=None."
                )
            kernels = _KERNELS[name]
            # What is not used of blocks, weights and logits is not computed.
            in_rows = blocks is not None and kernels.rows
            q, k, v = given if in_rows else in_blocks
            k, v = (k, v) if kernels.half else (_wide(k), _wide(v))
            words = dropout_words(dropout_rate, dropout_key)
            fixed = Fixed(mask, words, blocks if in_rows else None)
            rate = float(dropout_rate)
            out, _ = with_gradient(kernels, rate, Operands(q, k, v, bias), fixed)
            out = out if blocks is None or in_rows else from_blocks(out, blocks)
            return BlockAttention(out.astype(given[2].dtype), weights, logits, residual)
        except NotImplementedError:
            if implementation is not None:
                raise
    applied = dropout(weights, dropout_rate, dropout_key)
    out = jnp.einsum("bhij,bjhc->bihc", applied, wide_value).astype(given[2].dtype)
    out = out if blocks is None else from_blocks(out, blocks)
    return BlockAttention(out, weights, logits, residual)


def _wide(x: Array) -> Array:
    return x.astype(accumulation_dtype(x.dtype))


def _softmax(logits: Array, pairs: Array) -> Array:
    """Over the last axis; rows without a pair, or with -inf for all of them, are 0 with a gradient of 0."""
    pairs = pairs & ~jnp.isneginf(logits)
    low = jnp.finfo(logits.dtype).min
    top = jnp.max(jnp.where(pairs, logits, low), axis=-1, keepdims=True)
    powers = jnp.where(pairs, jnp.exp(jnp.where(pairs, logits - jax.lax.stop_gradient(top), 0)), 0)
    total = jnp.sum(powers, axis=-1, keepdims=True)
    return powers / jnp.where(total > 0, total, 1)


def _constrained(logits: Array, pairs: Array, normalizer: Normalizer) -> tuple[Array, Array | None]:
    """All B n² pairs as one edge list with known reverses: the normalizers are the same as on edges."""
    batch, heads, size, _ = logits.shape
    slots = np.arange(batch * size, dtype=np.int32).reshape(batch, size)
    ids = np.arange(batch * size * size, dtype=np.int32).reshape(batch, size, size)
    shape = (batch, size, size)
    found = normalize(
        logits.transpose(0, 2, 3, 1).reshape(-1, heads),
        np.broadcast_to(slots[:, None, :], shape).reshape(-1),
        np.broadcast_to(slots[:, :, None], shape).reshape(-1),
        batch * size,
        normalizer=normalizer,
        where=pairs.reshape(-1),
        reverse=ids.swapaxes(1, 2).reshape(-1),
    )
    weights = found.weights.reshape(*shape, heads).transpose(0, 3, 1, 2)
    if found.residual is None:
        return weights, None
    return weights, found.residual.reshape(batch, size, heads)
