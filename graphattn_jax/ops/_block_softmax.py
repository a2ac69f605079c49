"""Softmax attention inside dense blocks as the fused implementations see it, and its reference."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax._dtypes import wide
from graphattn_jax.ops._blocks import Blocks, from_blocks, to_blocks
from graphattn_jax.ops._dropout_hash import apply_words
from graphattn_jax.ops._no_gradient import no_gradient
from graphattn_jax.typing import Array

__all__ = ["Fixed", "Operands", "block_pairs", "composed_attention", "pair_dots", "pair_sums"]


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
    blocks: Blocks | None = None


def block_pairs(mask: Array) -> Array:
    """The mask as `[B, 1, n, n]`."""
    pairs = mask if mask.ndim == 3 else mask[:, :, None] & mask[:, None, :]
    return pairs[:, None]


def pair_dots(x: Array, y: Array, mask: Array, *, plain: bool = False) -> Array:
    """Σ_c x_ic y_jc, `[B, H, n, n]`; with a mask of pairs 0 for the others. plain: by `[B, n, n, H, C]` products, which
    have a forward mode.
    """
    if mask.ndim == 2:
        return jnp.einsum("bihc,bjhc->bhij", x, y)
    if not plain:
        return _dots(x, y, mask)
    x, y = (jnp.where(mask[..., None, None], rows, 0) for rows in (x[:, :, None], y[:, None]))
    return (x * y).sum(axis=-1).transpose(0, 3, 1, 2)


def pair_sums(weights: Array, y: Array, mask: Array, *, plain: bool = False) -> Array:
    """Σ_j w_ij y_jc, `[B, n, H, C]`; with a mask of pairs over these, and plain as in `pair_dots`."""
    if mask.ndim == 2:
        return jnp.einsum("bhij,bjhc->bihc", weights, y)
    if not plain:
        return _sums(weights, y, mask)
    weights = jnp.where(mask[:, None], weights, 0).transpose(0, 2, 3, 1)[..., None]
    return (weights * jnp.where(mask[..., None, None], y[:, None], 0)).sum(axis=2)


# With a mask of pairs, a product of matrices is not enough: what is not finite at one node would be multiplied by the
# weight 0 of the others, and 0 · NaN is not 0. Each of the two is the gradient of the other.


@jax.custom_vjp
def _dots(x: Array, y: Array, pairs: Array) -> Array:
    return jnp.where(pairs[:, None], jnp.einsum("bihc,bjhc->bhij", x, y), 0)


@jax.custom_vjp
def _sums(weights: Array, y: Array, pairs: Array) -> Array:
    finite = jnp.isfinite(y)
    weights = jnp.where(pairs[:, None], weights, 0)
    total = jnp.einsum("bhij,bjhc->bihc", weights, jnp.where(finite, y, 0))
    hears = jnp.any(pairs & ~jnp.all(finite, axis=(2, 3))[:, None, :], axis=2)
    return jnp.where(hears[:, :, None, None], jnp.nan, total)


def _dots_backward(saved: tuple[Array, Array, Array], g: Array) -> tuple[Any, ...]:
    x, y, pairs = saved
    transposed = g.swapaxes(2, 3), x, pairs.swapaxes(1, 2)
    return _sums(g, y, pairs), _sums(*transposed), no_gradient(pairs)


def _sums_backward(saved: tuple[Array, Array, Array], g: Array) -> tuple[Any, ...]:
    weights, y, pairs = saved
    transposed = weights.swapaxes(2, 3), g, pairs.swapaxes(1, 2)
    return _dots(g, y, pairs), _sums(*transposed), no_gradient(pairs)


_dots.defvjp(lambda *arrays: (_dots(*arrays), arrays), _dots_backward)
_sums.defvjp(lambda *arrays: (_sums(*arrays), arrays), _sums_backward)


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
    query, key, value = (wide(x) for x in operands[:3])
    logits = pair_dots(query, key, fixed.mask)
    if operands.bias is not None:
        logits = logits + operands.bias.astype(logits.dtype)
    logits = jnp.where(block_pairs(fixed.mask), logits, -jnp.inf)
    empty = jnp.all(jnp.isneginf(logits), axis=-1, keepdims=True)
    logsumexp = jax.nn.logsumexp(jnp.where(empty, 0.0, logits), axis=-1, keepdims=True)
    weights = jnp.where(empty, 0.0, jnp.exp(logits - logsumexp))
    if fixed.words is not None:
        weights = apply_words(weights, fixed.words, rate)
    logsumexp = jnp.where(empty, jnp.inf, logsumexp)[..., 0].swapaxes(1, 2)
    return pair_sums(weights, value, fixed.mask), logsumexp
