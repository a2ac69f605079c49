"""The score kernels: what a logit is, given the two ends of an edge."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from graphattn_jax.typing import ArrayLike

__all__ = ["AdditiveScore", "DotScore", "GATv2Score", "Score", "SymmetrizedScore"]


class DotScore(NamedTuple):
    """s_ij = scale · Σ_c q_ic k_jc e_ijc, with query and key `[N, H, C]` and an optional edge term `[E, H, C]`
    (None = ones, the dot product). scale None = 1/√C.

    Source: Vaswani et al., "Attention Is All You Need", NeurIPS 2017, equation 1; the edge term after Dwivedi,
      Bresson, "A Generalization of Transformer Networks to Graphs", 2021, arXiv:2012.09699.
    """

    scale: float | None = None
    edge: ArrayLike | None = None


class AdditiveScore(NamedTuple):
    """s_ij = LeakyReLU(q_i + k_j + e_ij), with query and key `[N, H]` and an optional edge term `[E, H]`.

    Source: Veličković et al., "Graph Attention Networks", ICLR 2018, equation 3, where q_i = a₁·Wh_i and k_j = a₂·Wh_j.
    """

    negative_slope: float = 0.2
    edge: ArrayLike | None = None


class GATv2Score(NamedTuple):
    """s_ij = a · LeakyReLU(q_i + k_j + e_ij), with query and key `[N, H, C]`, `vector` a `[H, C]` and an
    optional edge term `[E, H, C]`.

    Source: Brody, Alon, Yahav, "How Attentive are Graph Attention Networks?", ICLR 2022, equation 7.
    """

    vector: ArrayLike
    negative_slope: float = 0.2
    edge: ArrayLike | None = None


OneWayScore: TypeAlias = DotScore | AdditiveScore | GATv2Score
"""What an implementation computes; the symmetrized scores are made of two."""


class SymmetrizedScore(NamedTuple):
    """½ (s_ij + s_ji) of another score: a symmetric bilinear form for `DotScore`, ½ x_i (M + Mᵀ) x_j with
    M = W_q W_kᵀ. Edge terms of an edge enter both halves, so the logits are symmetric if those are.
    """

    score: OneWayScore


Score: TypeAlias = OneWayScore | SymmetrizedScore
