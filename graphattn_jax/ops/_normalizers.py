"""Logits to weights: the normalizer seam of the attention pipeline.

Each normalizer is a value: its options, and how it is applied. With A the matrix of the weights
(row = receiver) and E = exp(S) of the logits S on the pattern of the edges:

    Softmax    A = D⁻¹ E                          rows sum to 1
    Sigmoid    A = σ(S)                           entries in (0, 1), no coupling
    PostHoc    A = ½ (P + Pᵀ),  P = D⁻¹ E         symmetric; rows sum to (1 + column sum of P) / 2
    Symmetric  A = D^-½ E D^-½                    symmetric; the spectrum of softmax; rows do not sum to 1
    Sinkhorn   A = diag(u) E diag(u)              symmetric; rows and columns sum to 1 within the residual

The last two symmetrise the logits first, S ← ½ (S + Sᵀ), which changes nothing for a symmetric score.

The last three are constraints. A constraint acts on the real edges that have a real reverse edge (`Edges.reverse`;
`Edges.one_way` takes some out), in the heads of `heads`. The other edges keep their softmax weight. So on a directed
graph one-way edges stay directional, and a molecule can keep the direction of chosen bonds. With M the constrained
edges, m_i the softmax mass that receiver i puts on them:

    PostHoc    ½ (P + Pᵀ) on M
    Symmetric  E_ij / √(D_i D_j) on M, with D over all edges
    Sinkhorn   diag(u) E diag(u) on M with row and column sums m, so that every row still sums to 1
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax._dtypes import wide
from graphattn_jax.ops._edge_rows import real_or_zero
from graphattn_jax.ops._pattern import Edges, check_edges
from graphattn_jax.ops._segment import (
    segment_logsumexp,
    segment_softmax,
    take,
)
from graphattn_jax.ops._sinkhorn import GRADIENTS, sinkhorn
from graphattn_jax.typing import Array, ArrayLike

__all__ = [
    "Normalized",
    "Normalizer",
    "PostHoc",
    "Sigmoid",
    "Sinkhorn",
    "Softmax",
    "Symmetric",
    "normalize",
]


class Normalized(NamedTuple):
    """Weights `[E, H]`, and for Sinkhorn the row-sum residual `[N, H]` (None for the others)."""

    weights: Array
    residual: Array | None = None


@runtime_checkable
class Normalizer(Protocol):
    """A hashable value that turns logits into weights. One of your own needs these two and nothing else."""

    @property
    def is_constraint(self) -> bool:
        """Whether it relates an edge to its reverse, and so needs the same nodes on both sides."""
        ...

    def __call__(self, logits: Array, edges: Edges) -> Normalized:
        """Weights of float32 logits `[E, H]`, which are -inf for masked edges."""
        ...


@dataclass(frozen=True)
class Softmax:
    """Softmax over the incoming edges of each receiver."""

    is_constraint = False

    def __call__(self, logits: Array, edges: Edges) -> Normalized:
        """D⁻¹ E."""
        return Normalized(segment_softmax(logits, edges.receivers, edges.num_rows))


@dataclass(frozen=True)
class Sigmoid:
    """An independent gate per edge: σ(logit)."""

    is_constraint = False

    def __call__(self, logits: Array, edges: Edges) -> Normalized:
        """σ(S)."""
        return Normalized(jax.nn.sigmoid(logits))


@dataclass(frozen=True)
class PostHoc:
    """½ (P + Pᵀ) of the softmax P. `heads` (a bool per head) limits the constraint to some heads."""

    heads: tuple[bool, ...] | None = None
    is_constraint = True

    def __post_init__(self) -> None:
        _check_heads(self.heads)

    def __call__(self, logits: Array, edges: Edges) -> Normalized:
        """½ (P + Pᵀ) on the constrained edges."""
        mutual, constrained = _constrained(self.heads, edges, logits.shape)
        softmax = segment_softmax(logits, edges.receivers, edges.num_rows)
        symmetric = 0.5 * (softmax + take(softmax, mutual))
        return Normalized(jnp.where(constrained, symmetric, softmax))


@dataclass(frozen=True)
class Symmetric:
    """D^-½ E D^-½. `heads` (a bool per head) limits the constraint to some heads."""

    heads: tuple[bool, ...] | None = None
    is_constraint = True

    def __post_init__(self) -> None:
        _check_heads(self.heads)

    def __call__(self, logits: Array, edges: Edges) -> Normalized:
        """D^-½ E D^-½ on the constrained edges."""
        both, constrained, log_rows = _symmetrized(self.heads, logits, edges)
        log_rows = jnp.where(jnp.isneginf(log_rows), 0, log_rows)
        ends = take(log_rows, edges.receivers) + take(log_rows, edges.senders)
        # On M at most 0; off M it may overflow, and the derivative of exp with it.
        symmetric = jnp.exp(jnp.where(constrained, both - 0.5 * ends, -jnp.inf))
        softmax = segment_softmax(both, edges.receivers, edges.num_rows)
        return Normalized(jnp.where(constrained, symmetric, softmax))


@dataclass(frozen=True)
class Sinkhorn:
    """Symmetric doubly stochastic scaling.

    iterations: number of damped symmetric steps; every one leaves A exactly symmetric.
    gradient: "unrolled" differentiates through the steps, "implicit" through the fixed point (memory independent of
      `iterations`; exact only once the residual is small).
    heads: a bool per head, limits the constraint to some heads.

    Source: Sinkhorn attention after Sander et al., "Sinkformers", AISTATS 2022, arXiv:2110.11773, in a symmetric
      damped form; the restriction to subsets of edges by prescribed marginals is ours.
    """

    iterations: int = 20
    gradient: str = "unrolled"
    heads: tuple[bool, ...] | None = None
    is_constraint = True

    def __post_init__(self) -> None:
        _checks.positive("iterations", self.iterations)
        _checks.choice("gradient", self.gradient, GRADIENTS)
        _check_heads(self.heads)

    def __call__(self, logits: Array, edges: Edges) -> Normalized:
        """diag(u) E diag(u) on the constrained edges."""
        both, constrained, log_rows = _symmetrized(self.heads, logits, edges)
        weights, residual = sinkhorn(
            both,
            edges,
            where=constrained,
            log_marginals=_log_mass(both, constrained, log_rows, edges),
            iterations=self.iterations,
            gradient=self.gradient,
        )
        softmax = segment_softmax(both, edges.receivers, edges.num_rows)
        return Normalized(jnp.where(constrained, weights, softmax), residual)


def check_normalizer(normalizer: Normalizer, edges: Edges | None = None) -> None:
    """An error unless it is a value that normalizes, and fits the pattern if there is one.

    Args:
      normalizer: what the caller of a layer or an op gave.
      edges: the pattern, once it is known: constraints need one of a single set of nodes.

    Raises:
      ValueError: says what it must be.

    Example:
      >>> import graphattn_jax as ga
      >>> ga.ops.check_normalizer("softmax")
      Traceback (most recent call last):
      ValueError: normalizer must be a value such as ga.ops.Softmax(), ... got str 'softmax'.
    """
    if isinstance(normalizer, (str, type)) or not isinstance(normalizer, Normalizer):
        raise ValueError(
            "normalizer must be a value such as ga.ops.Softmax(), Sigmoid(), PostHoc(), Symmetric() or "
            f"Sinkhorn(iterations=50), got {_checks.describe(normalizer)}."
        )
    if edges is not None and normalizer.is_constraint and edges.is_bipartite:
        raise ValueError(
            f"normalizer={normalizer} needs the same nodes on both sides, got a bipartite pattern of "
            f"{edges.num_rows} receivers and {edges.num_senders} senders. Fix: Softmax() or Sigmoid()."
        )


def normalize(
    logits: ArrayLike,
    edges: Edges,
    normalizer: Normalizer = Softmax(),
) -> Normalized:
    """Turn edge logits into edge weights.

    Args:
      logits: `[E, H]` floating point.
      edges: the pattern; masked edges get weight 0. A constraint finds the reverse edges by a sort where
        `edges.reverse` is None.
      normalizer: `Softmax`, `Sigmoid`, `PostHoc`, `Symmetric`, `Sinkhorn`, or one of your own.

    Returns:
      `Normalized(weights [E, H], residual)`, float32 (float64 for float64).

    Raises:
      ValueError: not a normalizer, wrong shapes, a constraint on a bipartite pattern.

    Cost: softmax O(E H); Sinkhorn O(iterations E H).
    Padding: exact.

    Example:
      >>> import numpy as np, jax.numpy as jnp, graphattn_jax as ga
      >>> edges = ga.ops.Edges(jnp.array([0, 1, 0, 1]), jnp.array([1, 0, 0, 1]), num_senders=2)
      >>> out = ga.ops.normalize(jnp.array([[1.], [3.], [0.], [0.]]), edges, ga.ops.Sinkhorn())
      >>> np.asarray(out.weights[:, 0], float).round(3).tolist(), bool(out.residual.max() < 1e-5)
      ([0.881, 0.881, 0.119, 0.119], True)
    """
    check_edges(edges)
    _checks.shape("logits", logits, (edges.num_edges, "H"))
    _checks.floating("logits", logits)
    check_normalizer(normalizer, edges)
    logits = wide(logits)
    if edges.mask is not None:
        # From here on a padding edge is one of weight exp(-inf), whatever its logit holds.
        logits = jnp.where(jnp.asarray(edges.mask)[:, None], logits, -jnp.inf)
    weights, residual = normalizer(logits, edges)
    return Normalized(real_or_zero(weights, edges), residual)


def _check_heads(heads: tuple[bool, ...] | None) -> None:
    if heads is not None and not (
        isinstance(heads, tuple) and heads and all(isinstance(x, bool) for x in heads)
    ):
        raise ValueError(
            f"heads must be a tuple of bools, one per head, or None, got {_checks.describe(heads)}."
        )


def _constrained(heads, edges: Edges, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Reverse ids made safe to gather with, and the mask [E, H] of the edges that the constraint acts on."""
    reverse = jnp.asarray(edges.found_reverse())
    mutual = jnp.where(reverse >= 0, reverse, 0)
    pairs = reverse >= 0
    if edges.mask is not None:
        real = jnp.asarray(edges.mask)
        pairs = pairs & real & take(real, mutual)
    mask = jnp.broadcast_to(pairs[:, None], shape)
    if heads is not None:
        if len(heads) != shape[1]:
            raise ValueError(f"heads must have one bool for each of {shape[1]} heads, got {heads}.")
        mask = mask & jnp.asarray(heads)[None, :]
    return mutual, mask


def _symmetrized(heads, logits: Array, edges: Edges) -> tuple[Array, Array, Array]:
    """Logits that are symmetric on the constrained edges, the mask of these, and the logsumexp of each row."""
    mutual, constrained = _constrained(heads, edges, logits.shape)
    # Off M the logits stay as they are: what one-way edges get there is their softmax.
    both = jnp.where(constrained, 0.5 * (logits + take(logits, mutual)), logits)
    return both, constrained, segment_logsumexp(both, edges.receivers, edges.num_rows)


def _log_mass(logits, constrained, log_rows, edges: Edges) -> Array:
    """The logarithm of m, each row's softmax mass on the constrained edges; 0 for rows without such edges."""
    inside = jnp.where(constrained, logits, -jnp.inf)
    inside = segment_logsumexp(inside, edges.receivers, edges.num_rows)
    present = ~jnp.isneginf(inside)
    return jnp.where(present, jnp.where(present, inside, 0) - jnp.where(present, log_rows, 0), 0)
