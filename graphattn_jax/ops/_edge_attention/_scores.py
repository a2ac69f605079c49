"""The score kernels: what a logit is, given the two ends of an edge."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

import jax

from graphattn_jax.typing import ArrayLike

__all__ = ["AdditiveScore", "DotScore", "GATv2Score", "Score", "SymmetrizedScore"]

# Pytrees: numbers are static, arrays are leaves, so that a score can be an argument of a jitted function.


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class DotScore:
    """s_ij = scale · Σ_c q_ic k_jc e_ijc + b_ij, with query and key `[N, H, C]`, an optional edge term `[E, H, C]`
    (None = ones, the dot product) and an optional bias `[E, H]`. scale None = 1/√C.

    Source: Vaswani et al., "Attention Is All You Need", NeurIPS 2017, equation 1; the edge term after Dwivedi,
      Bresson, "A Generalization of Transformer Networks to Graphs", 2021, arXiv:2012.09699.
    """

    scale: float | None = field(default=None, metadata={"static": True})
    edge: ArrayLike | None = None
    bias: ArrayLike | None = None


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class AdditiveScore:
    """s_ij = LeakyReLU(q_i + k_j + e_ij) + b_ij, with query and key `[N, H]`, an optional edge term and bias `[E, H]`.

    Source: Veličković et al., "Graph Attention Networks", ICLR 2018, equation 3, where q_i = a₁·Wh_i and k_j = a₂·Wh_j.
    """

    negative_slope: float = field(default=0.2, metadata={"static": True})
    edge: ArrayLike | None = None
    bias: ArrayLike | None = None


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class GATv2Score:
    """s_ij = a · LeakyReLU(q_i + k_j + e_ij) + b_ij, with query and key `[N, H, C]`, `vector` a `[H, C]`, an optional
    edge term `[E, H, C]` and an optional bias `[E, H]`.

    Source: Brody, Alon, Yahav, "How Attentive are Graph Attention Networks?", ICLR 2022, equation 7.
    """

    vector: ArrayLike
    negative_slope: float = field(default=0.2, metadata={"static": True})
    edge: ArrayLike | None = None
    bias: ArrayLike | None = None


OneWayScore: TypeAlias = DotScore | AdditiveScore | GATv2Score
"""What an implementation computes; the symmetrized scores are made of two."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class SymmetrizedScore:
    """½ (s_ij + s_ji) of another score: a symmetric bilinear form for `DotScore`, ½ x_i (M + Mᵀ) x_j with
    M = W_q W_kᵀ. Edge term and bias of an edge enter both halves, so the logits are symmetric if those are.
    """

    score: OneWayScore


Score: TypeAlias = OneWayScore | SymmetrizedScore
