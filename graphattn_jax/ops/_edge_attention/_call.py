"""What the implementations of sparse attention are asked about, and what they have in common."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from graphattn_jax.ops._edge_attention._scores import OneWayScore, Score
from graphattn_jax.ops._pattern import Edges
from graphattn_jax.typing import Array

__all__ = ["Call", "EdgeImplementation", "Fused"]


class Call(NamedTuple):
    """A call of one of the three ops.

    op: "scores", "aggregate" or "attention".
    arrays: query, key and value, as far as the op has them, with shape and dtype.
    softmax: whether the weights are the softmax of a score in one direction, which a single kernel can compute.
    """

    op: str
    edges: Edges
    arrays: tuple[Any, ...]
    score: Score | None = None
    softmax: bool = False


class Fused(NamedTuple):
    """Arguments of softmax attention in one kernel: query, key and value in their own dtype, a wide score, two words of
    the dropout key or None.
    """

    query: Array
    key: Array
    value: Array
    edges: Edges
    score: OneWayScore
    dropout_rate: float
    dropout_words: Array | None


class EdgeImplementation(Protocol):
    """One way to compute the three ops, on wide (float32 or float64) arrays; all results are differentiable."""

    name: str
    is_fused: bool
    """Whether `attention` computes softmax attention in one kernel."""

    def supports(self, call: Call) -> str | None:
        """As `Implementation.supports`."""
        ...

    def scores(self, query: Array, key: Array, edges: Edges, score: OneWayScore) -> Array:
        """`[E, H]` without the bias of the score; anything for edges that the mask leaves out."""
        ...

    def aggregate(self, weights: Array, value: Array, edges: Edges) -> Array:
        """Σ_j w_ij v_j, `[N_r, H, C]`."""
        ...

    def attention(self, arguments: Fused) -> tuple[Array, Array]:
        """`(out [N_r, H, C], logsumexp [N_r, H])`, wide. The logsumexp of a receiver without edges is +inf, so that
        exp(logit - logsumexp) is the weight of every edge.
        """
        ...
