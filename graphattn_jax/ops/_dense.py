"""Dense attention over padded graphs: every node attends to every node of its graph."""

from __future__ import annotations

from typing import Literal

import jax
import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax.typing import Array, ArrayLike

__all__ = ["dense_attention"]


def dense_attention(
    query: ArrayLike,
    key: ArrayLike,
    value: ArrayLike,
    *,
    bias: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    scale: float | None = None,
    implementation: Literal["xla", "cudnn"] | None = None,
) -> Array:
    """Scaled dot-product attention on a batch of padded graphs, with an additive bias.

        out_i = Σ_j softmax_j( scale · q_i · k_j + b_ij ) v_j

    `jax.nn.dot_product_attention` with graph conventions: the mask may name real nodes instead of pairs, and
    rows without any real pair give 0, not the mean of the values. A pair with bias -inf is none.

    Args:
      query: `[B, N, H, C]` floating point, B graphs of at most N nodes.
      key: `[B, M, H, C]`.
      value: `[B, M, H, C]`.
      bias: four axes, broadcastable to `[B, H, N, M]`, added to the logits.
      mask: bool, True = may attend: `[B, M]` real senders, or broadcastable to `[B, H, N, M]` with four axes.
      scale: None = 1/√C.
      implementation: as in `jax.nn.dot_product_attention`: None, "xla" or "cudnn".

    Returns:
      `[B, N, H, C]` in the dtype of `query`. Rows of padding queries are meaningless unless the mask excludes
      them; rows without a real pair are 0, with finite gradients.

    Raises:
      ValueError: shapes or dtypes disagree.

    Cost: O(B N M H C); logits are float32.
    Padding: exact with `mask`, whatever padding holds.

    Example:
      >>> import jax.numpy as jnp, graphattn_jax as ga
      >>> q, v = jnp.ones((1, 3, 1, 2)), jnp.arange(6.).reshape(1, 3, 1, 2)
      >>> ga.ops.dense_attention(q, q, v, mask=jnp.array([[True, True, False]]))[0, 0, 0].tolist()
      [1.0, 2.0]

    Source: Vaswani et al. 2017, equation 1.
    """
    _checks.shape("query", query, ("B", "N", "H", "C"))
    batch, _, heads, channels = query.shape
    _checks.shape("key", key, (batch, "M", heads, channels))
    _checks.shape("value", value, key.shape)
    for name, x in (("query", query), ("key", key), ("value", value)):
        _checks.floating(name, x)
    pairs = (batch, heads, query.shape[1], key.shape[1])
    if mask is not None:
        if not hasattr(mask, "dtype") or mask.dtype != bool or mask.ndim not in (2, 4):
            raise ValueError(
                f"mask must be boolean of shape [{batch}, {key.shape[1]}] (real senders) or with four axes "
                f"[B, H, N, M], got {_checks.describe(mask)}."
            )
        if mask.ndim == 2:
            _checks.shape("mask", mask, (batch, key.shape[1]))
            mask = mask[:, None, None, :]
        _check_pairs("mask", mask, pairs)
        mask = jnp.asarray(mask)
    if bias is not None:
        _check_pairs("bias", bias, pairs)
        # A logit of -inf is a pair that may not attend: a row of nothing else would be NaN.
        bias = jnp.asarray(bias)
        open_pairs = ~jnp.isneginf(bias)
        mask = open_pairs if mask is None else mask & open_pairs
        bias = jnp.where(open_pairs, bias, 0)
    attends = None
    if mask is not None:
        # Who has no part in it is replaced, for its weight would be 0, and 0 · NaN is not 0.
        attends, attended = (_of_nodes(mask, pairs, axis) for axis in (2, 3))
        query = jnp.where(attends, query, 0)
        key, value = (jnp.where(attended, x, 0) for x in (key, value))
    dtype = query.dtype
    if dtype == jnp.float16 and implementation != "cudnn":
        # Of all platforms only GPUs multiply float16 into the float32 that logits are in.
        query, key, value = (jnp.asarray(x).astype(jnp.float32) for x in (query, key, value))
    # For half precision JAX's implementation relies on implicit promotion to its float32 logits.
    with jax.numpy_dtype_promotion("standard"):
        out = jax.nn.dot_product_attention(
            query, key, value, bias, mask, scale=scale, implementation=implementation
        ).astype(dtype)
    return out if attends is None else jnp.where(attends, out, 0)


def _of_nodes(mask: Array, pairs: tuple[int, ...], axis: int) -> Array:
    """`[B, n, H, 1]`: the nodes along this axis of `[B, H, N, M]` that have a pair."""
    there = jnp.any(mask, axis=5 - axis)
    return jnp.broadcast_to(there, (*pairs[:2], pairs[axis])).swapaxes(1, 2)[..., None]


def _check_pairs(name: str, x: ArrayLike, pairs: tuple[int, ...]) -> None:
    """Four axes, each of the size in `pairs` or 1."""
    if len(x.shape) != 4 or any(n not in (1, want) for n, want in zip(x.shape, pairs, strict=True)):
        raise ValueError(
            f"{name} must have four axes broadcastable to [B, H, N, M] = {list(pairs)}, got {tuple(x.shape)}."
        )
