"""The score seam: each layer's own score, and the symmetric forms of it.

    Standard      the layer's published score
    Shared        the same with one projection for both ends: s_ij = s_ji
    Symmetrized   ½ (s_ij + s_ji) of the published score; for dot products a symmetric bilinear form
    Cosine        x̂_i · x̂_j / τ of one projection x scaled to unit length; the diagonal is the constant 1/τ
    Pairwise      x_i · ½(P + Pᵀ) x_j / √C with pairwise coefficients P per head

All but the first give symmetric logits. Symmetric logits do not make symmetric weights: that is the normalizer's part.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from graphattn_jax import _checks, ops
from graphattn_jax._dtypes import accumulation_dtype
from graphattn_jax.typing import Array, ArrayLike

__all__ = ["Cosine", "Pairwise", "Score", "Shared", "Standard", "Symmetrized"]


class Score:
    """What a layer's logits are made of. Subclass it, as a frozen dataclass, for a score of your own.

    is_tied: both ends of an edge share their projection; the layer makes one only.
    is_dot: a dot product of the projected features takes the place of the layer's own score.
    is_symmetrized: the layer's own score is taken in both directions of an edge.
    A layer whose own score is no kernel of `ga.ops` (`GRIT`) reads these, and calls `apply` for a dot product only.
    """

    is_tied: ClassVar[bool] = False
    is_dot: ClassVar[bool] = False
    is_symmetrized: ClassVar[bool] = False

    def init(self, heads: int, channels: int) -> Any:
        """Arrays of the score itself, None for none."""
        return None

    def apply(
        self, params: Any, query: Array, key: Array, own: ops.Score
    ) -> tuple[Array, Array, ops.Score]:
        """Query, key and kernel, from the projected features of receivers and senders and the kernel `own`: that of the
        layer, or for `is_dot` a `ga.ops.DotScore` with the layer's edge term and bias.
        """
        return query, key, own


@dataclass(frozen=True)
class Standard(Score):
    """The layer's published score."""


@dataclass(frozen=True)
class Shared(Score):
    """The layer's score with one projection for both ends."""

    is_tied = True


@dataclass(frozen=True)
class Symmetrized(Score):
    """½ (s_ij + s_ji) of the layer's score."""

    is_symmetrized = True

    def apply(self, params: Any, query: Array, key: Array, own: Any):
        """Both directions of the layer's kernel."""
        return query, key, ops.SymmetrizedScore(own)


@dataclass(frozen=True)
class Cosine(Score):
    """x̂_i · x̂_j / τ with τ = `temperature` > 0."""

    temperature: float = 1.0
    is_tied = True
    is_dot = True

    def __post_init__(self) -> None:
        _checks.number("temperature", self.temperature, zero=False)

    def apply(self, params: Any, query: Array, key: Array, own: Any):
        """The dot product of unit vectors."""
        unit = _unit(key)
        scaled = dataclasses.replace(own, scale=1.0 / self.temperature)
        return unit if query is key else _unit(query), unit, scaled


@dataclass(frozen=True)
class Pairwise(Score):
    """x_i · ½(P + Pᵀ) x_j / √C with P `[H, C, C]`, the identity at first, where training starts as `Shared`."""

    is_tied = True
    is_dot = True

    def init(self, heads: int, channels: int) -> Array:
        """P = I per head."""
        return jnp.broadcast_to(jnp.eye(channels, dtype=jnp.float32), (heads, channels, channels))

    def apply(self, params: Any, query: Array, key: Array, own: Any):
        """The dot product with ½(P + Pᵀ) x_i; with edge terms, which break its symmetry, both directions of it."""
        _, heads, channels = query.shape
        _checks.shape("params.score", params, (heads, channels, channels))
        wide = query.astype(accumulation_dtype(query.dtype))
        p = jnp.asarray(params).astype(wide.dtype)
        mixed = jnp.einsum("...hc,hcd->...hd", wide, 0.5 * (p + p.swapaxes(1, 2)))
        return (
            mixed.astype(query.dtype),
            key,
            own if own.edge is None else ops.SymmetrizedScore(own),
        )


def check_score(score: Any) -> None:
    """A value of the score seam."""
    if not isinstance(score, Score):
        raise ValueError(
            "score must be a value such as ga.attention.Standard(), Shared(), Symmetrized(), Cosine(temperature=0.5) "
            f"or Pairwise(), got {_checks.describe(score)}."
        )


def dot_scale(kernel: Any, channels: int) -> float:
    """Of a `DotScore` or the symmetrized one."""
    one_way: Any = kernel.score if isinstance(kernel, ops.SymmetrizedScore) else kernel
    return channels**-0.5 if one_way.scale is None else one_way.scale


def with_bias(kernel: Any, term: Array) -> Any:
    """A kernel with `term` `[E, H]` added to its bias."""
    if isinstance(kernel, ops.SymmetrizedScore):
        return ops.SymmetrizedScore(with_bias(kernel.score, term))
    return dataclasses.replace(kernel, bias=add_bias(kernel.bias, term))


def add_bias(bias: ArrayLike | None, term: Array | None) -> ArrayLike | None:
    """The sum of two logit biases, either of which may be absent."""
    if bias is None or term is None:
        return term if bias is None else bias
    _checks.shape("bias", bias, term.shape)
    return jnp.asarray(bias).astype(term.dtype) + term


def _unit(x: Array) -> Array:
    wide = x.astype(accumulation_dtype(x.dtype))
    square = jnp.sum(jnp.square(wide), axis=-1, keepdims=True)
    return (wide * jax.lax.rsqrt(jnp.maximum(square, 1e-12))).astype(x.dtype)
