"""The score seam: each layer's own score, and the symmetric forms of it.

    standard      the layer's published score
    shared        the same with one projection for both ends: s_ij = s_ji
    symmetrized   ½ (s_ij + s_ji) of the published score; for dot products a symmetric bilinear form
    cosine        x̂_i · x̂_j / τ of one projection x scaled to unit length; the diagonal is the constant 1/τ
    pairwise      x_i · ½(P + Pᵀ) x_j / √C with pairwise coefficients P per head

All but the first give symmetric logits. Symmetric logits do not make symmetric weights: that is the normalizer's part.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from graphattn_jax import _checks, ops
from graphattn_jax._dtypes import accumulation_dtype
from graphattn_jax.typing import Array, ArrayLike

__all__ = ["SCORES"]

SCORES = ("standard", "shared", "symmetrized", "cosine", "pairwise")
"""Valid values of `score=` in every layer and its `init`."""

_TIED = ("shared", "cosine", "pairwise")


def check_params(score: str, params: Any, *, second: str, vector: str | None = None) -> None:
    """The parameters must be those that `init_*(..., score=score)` makes.

    `second` names the field of the second projection, `vector` that of the additive score's vector.
    """
    _checks.choice("score", score, SCORES)
    wanted = {second: not is_tied(score), "pairwise": score == "pairwise"}
    if vector is not None:
        wanted[vector] = not is_dot_form(score)
    for name, is_wanted in wanted.items():
        is_given = getattr(params, name) is not None
        if is_given != is_wanted:
            raise ValueError(
                f"params do not fit score={score!r}: {name} is {'given' if is_given else 'None'}. "
                "Fix: pass the same score= to init and to the layer."
            )


def is_tied(score: str) -> bool:
    """Whether both ends of an edge share their projection."""
    _checks.choice("score", score, SCORES)
    return score in _TIED


def identity_pairwise(score: str, heads: int, channels: int) -> Array | None:
    """P = I per head, where training starts as `shared`; None for the other scores."""
    if score != "pairwise":
        return None
    return jnp.broadcast_to(jnp.eye(channels, dtype=jnp.float32), (heads, channels, channels))


def native(score: str, kernel: ops.DotScore | ops.AdditiveScore | ops.GATv2Score) -> ops.Score:
    """The kernel of a layer's own score."""
    return ops.SymmetrizedScore(kernel) if score == "symmetrized" else kernel


def is_dot_form(score: str) -> bool:
    """Scores that replace the layer's own by a dot product of its features."""
    return score in ("cosine", "pairwise")


def dot_form(
    score: str, x: Array, pairwise: ArrayLike | None, temperature: float
) -> tuple[Array, Array, ops.DotScore]:
    """Query, key and kernel of a score on features x `[..., H, C]`."""
    wide = x.astype(accumulation_dtype(x.dtype))
    if score == "cosine":
        if not temperature > 0:
            raise ValueError(f"temperature must be positive, got {temperature!r}.")
        square = jnp.sum(jnp.square(wide), axis=-1, keepdims=True)
        unit = (wide * jax.lax.rsqrt(jnp.maximum(square, 1e-12))).astype(x.dtype)
        return unit, unit, ops.DotScore(1.0 / temperature)
    p = jnp.asarray(pairwise).astype(wide.dtype)
    mixed = jnp.einsum("...hc,hcd->...hd", wide, 0.5 * (p + p.swapaxes(1, 2)))
    return mixed.astype(x.dtype), x, ops.DotScore()
