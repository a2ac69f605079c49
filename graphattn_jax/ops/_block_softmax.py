"""Softmax attention inside dense blocks as the fused implementations see it, and its reference."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax._dtypes import accumulation_dtype
from graphattn_jax.ops._blocks import BlockLayout, from_blocks, to_blocks
from graphattn_jax.ops._dropout import apply_words
from graphattn_jax.typing import Array

__all__ = ["Fixed", "Operands", "block_pairs", "composed_attention"]


class Operands(NamedTuple):
    """What has a gradient: a scaled query, key and value `[B, n, H, C]`, or `[N, H, C]` with `Fixed.blocks`; a bias
    that broadcasts to `[B, H, n, n]`, or None.
    """

    query: Array
    key: Array
    value: Array
    bias: Any


class Fixed(NamedTuple):
    """What has none: the mask `[B, n]` or `[B, n, n]`, two words of the dropout key or None, and the layout of the
    blocks where the operands are rows of nodes.
    """

    mask: Array
    words: Any
    blocks: BlockLayout | None = None


def block_pairs(mask: Array) -> Array:
    """The mask as `[B, 1, n, n]`."""
    pairs = mask if mask.ndim == 3 else mask[:, :, None] & mask[:, None, :]
    return pairs[:, None]


def composed_attention(operands: Operands, fixed: Fixed, rate: float) -> tuple[Array, Array]:
    """`(out, logsumexp [B, n, H])` by einsums: the reference of the kernels. Of rows of nodes, in rows."""
    blocks = fixed.blocks
    if blocks is not None:
        query, key, value = (to_blocks(x, blocks) for x in operands[:3])
        found = composed_attention(
            Operands(query, key, value, operands.bias), fixed._replace(blocks=None), rate
        )
        out, logsumexp = (from_blocks(x, blocks) for x in found)
        return out, logsumexp
    query, key, value = (x.astype(accumulation_dtype(x.dtype)) for x in operands[:3])
    logits = jnp.einsum("bihc,bjhc->bhij", query, key)
    if operands.bias is not None:
        logits = logits + operands.bias.astype(logits.dtype)
    logits = jnp.where(block_pairs(fixed.mask), logits, -jnp.inf)
    empty = jnp.all(jnp.isneginf(logits), axis=-1, keepdims=True)
    logsumexp = jax.nn.logsumexp(jnp.where(empty, 0.0, logits), axis=-1, keepdims=True)
    weights = jnp.where(empty, 0.0, jnp.exp(logits - logsumexp))
    if fixed.words is not None:
        weights = apply_words(weights, fixed.words, rate)
    logsumexp = jnp.where(empty, jnp.inf, logsumexp)[..., 0].swapaxes(1, 2)
    return jnp.einsum("bhij,bjhc->bihc", weights, value), logsumexp
