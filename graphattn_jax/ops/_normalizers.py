"""Logits to weights: the normalizer seam of the attention pipeline.

Each normalizer is a small `NamedTuple` of options; `normalize` applies one. With A the matrix of the weights
(row = receiver) and E = exp(S) of the logits S on the pattern of the edges:

    Softmax    A = D⁻¹ E                          rows sum to 1
    Sigmoid    A = σ(S)                           entries in (0, 1), no coupling
    PostHoc    A = ½ (P + Pᵀ),  P = D⁻¹ E         symmetric; rows sum to (1 + column sum of P) / 2
    Symmetric  A = D^-½ E D^-½                    symmetric; the spectrum of softmax; rows do not sum to 1
    Sinkhorn   A = diag(u) E diag(u)              symmetric; rows and columns sum to 1 within the residual

The last two symmetrise the logits first, S ← ½ (S + Sᵀ), which changes nothing for a symmetric score.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax._dtypes import accumulation_dtype
from graphattn_jax.ops._edges import reverse_edges
from graphattn_jax.ops._segment import (
    segment_logsumexp,
    segment_softmax,
    take,
)
from graphattn_jax.ops._sinkhorn import sinkhorn
from graphattn_jax.typing import Array, ArrayLike

__all__ = [
    "NORMALIZERS",
    "Normalized",
    "Normalizer",
    "PostHoc",
    "Sigmoid",
    "Sinkhorn",
    "Softmax",
    "Symmetric",
    "normalize",
]


class Softmax(NamedTuple):
    """Softmax over the incoming edges of each receiver."""


class Sigmoid(NamedTuple):
    """An independent gate per edge: σ(logit)."""


class PostHoc(NamedTuple):
    """½ (P + Pᵀ) of the softmax P. `edges` `[E]` and `heads` `[H]` (bool) limit the constraint."""

    edges: ArrayLike | None = None
    heads: ArrayLike | None = None


class Symmetric(NamedTuple):
    """D^-½ E D^-½. `edges` `[E]` and `heads` `[H]` (bool) limit the constraint."""

    edges: ArrayLike | None = None
    heads: ArrayLike | None = None


class Sinkhorn(NamedTuple):
    """Symmetric doubly stochastic scaling. `edges` `[E]` and `heads` `[H]` (bool) limit the constraint.

    iterations: number of damped symmetric steps; every one leaves A exactly symmetric.
    gradient: "unrolled" differentiates through the steps, "implicit" through the fixed point (memory independent of
      `iterations`; exact only once the residual is small).
    """

    iterations: int = 20
    gradient: str = "unrolled"
    edges: ArrayLike | None = None
    heads: ArrayLike | None = None


Normalizer: TypeAlias = Softmax | Sigmoid | PostHoc | Symmetric | Sinkhorn

_BY_NAME = {
    "softmax": Softmax(),
    "sigmoid": Sigmoid(),
    "post_hoc": PostHoc(),
    "symmetric": Symmetric(),
    "sinkhorn": Sinkhorn(),
}


NORMALIZERS = tuple(_BY_NAME)
"""Valid names of a normalizer."""


class Normalized(NamedTuple):
    """Weights `[E, H]`, and for Sinkhorn the row-sum residual `[N, H]` (None for the others)."""

    weights: Array
    residual: Array | None = None


def resolve(normalizer: str | Normalizer) -> Normalizer:
    """The options behind a name; an options tuple is returned as it is."""
    if isinstance(normalizer, str):
        _checks.choice("normalizer", normalizer, _BY_NAME)
        return _BY_NAME[normalizer]
    if not isinstance(normalizer, tuple(type(n) for n in _BY_NAME.values())):
        raise ValueError(
            f"normalizer must be one of {', '.join(map(repr, _BY_NAME))}, or an options tuple such as "
            f"ga.ops.Sinkhorn(iterations=50); got {_checks.describe(normalizer)}."
        )
    return normalizer


def normalize(
    logits: ArrayLike,
    senders: ArrayLike,
    receivers: ArrayLike,
    num_nodes: int,
    *,
    normalizer: str | Normalizer = "softmax",
    where: ArrayLike | None = None,
    reverse: ArrayLike | None = None,
) -> Normalized:
    """Turn edge logits into edge weights.

    A constraint (PostHoc, Symmetric, Sinkhorn) acts on the edges that have a reverse edge; limited further by
    `edges`, and by `heads` to some heads. The other edges keep their softmax weight. So on a directed graph
    one-way edges stay directional, and a molecule can keep the direction of chosen bonds. With M the
    constrained edges, m_i the softmax mass that receiver i puts on them:

        PostHoc    ½ (P + Pᵀ) on M
        Symmetric  E_ij / √(D_i D_j) on M, with D over all edges
        Sinkhorn   diag(u) E diag(u) on M with row and column sums m, so that every row still sums to 1

    Args:
      logits: `[E, H]` floating point.
      senders: `[E]` integers in `[0, num_nodes)`.
      receivers: `[E]` integers in `[0, num_nodes)`.
      num_nodes: static number of nodes (of receivers, for softmax and sigmoid on bipartite edges).
      normalizer: "softmax", "sigmoid", "post_hoc", "symmetric", "sinkhorn", or an options tuple.
      where: `[E]` bool, True = real edge; the others get weight 0.
      reverse: `[E]` from `reverse_edges`; computed here (a sort) if a constraint needs it and it is None.

    Returns:
      `Normalized(weights [E, H], residual)`, float32 (float64 for float64).

    Raises:
      ValueError: unknown normalizer (lists the valid ones), wrong shapes or options.

    Cost: softmax O(E H); Sinkhorn O(iterations E H).
    Padding: exact.

    Example:
      >>> import numpy as np, jax.numpy as jnp, graphattn_jax as ga
      >>> senders, receivers = jnp.array([0, 1, 0, 1]), jnp.array([1, 0, 0, 1])
      >>> out = ga.ops.normalize(jnp.array([[1.], [3.], [0.], [0.]]), senders, receivers, 2, normalizer="sinkhorn")
      >>> np.asarray(out.weights[:, 0], float).round(3).tolist(), bool(out.residual.max() < 1e-5)
      ([0.881, 0.881, 0.119, 0.119], True)

    Source: Sinkhorn attention after Sander et al., "Sinkformers", AISTATS 2022, arXiv:2110.11773, in a
    symmetric damped form; the
      restriction to subsets of edges by prescribed marginals is ours.
    """
    options = resolve(normalizer)
    logits = jnp.asarray(logits)
    _checks.shape("logits", logits, ("E", "H"))
    _checks.floating("logits", logits)
    _checks.ids("senders", senders, logits.shape[0])
    _checks.ids("receivers", receivers, logits.shape[0])
    logits = logits.astype(accumulation_dtype(logits.dtype))
    if where is not None:
        # From here on a padding edge is one of weight exp(-inf), whatever its logit holds.
        _checks.mask("where", where, logits.shape[0])
        logits = jnp.where(jnp.asarray(where)[:, None], logits, -jnp.inf)
    if isinstance(options, Sigmoid):
        return Normalized(jax.nn.sigmoid(logits))
    softmax = segment_softmax(logits, receivers, num_nodes)
    if isinstance(options, Softmax):
        return Normalized(softmax)

    reverse = jnp.asarray(reverse_edges(senders, receivers) if reverse is None else reverse)
    _checks.ids("reverse", reverse, logits.shape[0])
    mutual, constrained = _constrained(options, reverse, where, logits.shape)
    residual = None
    if isinstance(options, PostHoc):
        symmetric = 0.5 * (softmax + take(softmax, mutual))
    else:
        # Off M the logits stay as they are: what one-way edges get there is their softmax.
        both = jnp.where(constrained, 0.5 * (logits + take(logits, mutual)), logits)
        softmax = segment_softmax(both, receivers, num_nodes)
        log_rows = segment_logsumexp(both, receivers, num_nodes)
        if isinstance(options, Symmetric):
            log_rows = jnp.where(jnp.isneginf(log_rows), 0, log_rows)
            exponent = both - 0.5 * (take(log_rows, receivers) + take(log_rows, senders))
            # On M at most 0; off M it may overflow, and the derivative of exp with it.
            symmetric = jnp.exp(jnp.where(constrained, exponent, -jnp.inf))
        else:
            symmetric, residual = sinkhorn(
                both,
                senders,
                receivers,
                num_nodes,
                where=constrained,
                log_marginals=_log_mass(both, constrained, log_rows, receivers, num_nodes),
                iterations=options.iterations,
                gradient=options.gradient,
            )
    return Normalized(jnp.where(constrained, symmetric, softmax), residual)


def _constrained(options, reverse: Array, where, shape) -> tuple[Array, Array]:
    """Reverse ids made safe to gather with, and the mask [E, H] of the edges that the constraint acts on."""
    mutual = jnp.where(reverse >= 0, reverse, 0)
    edges = reverse >= 0
    for name, limit in (("where", where), ("edges", options.edges)):
        if limit is not None:
            _checks.mask(name, limit, shape[0])
            edges = edges & jnp.asarray(limit) & take(jnp.asarray(limit), mutual)
    mask = jnp.broadcast_to(edges[:, None], shape)
    if options.heads is not None:
        _checks.mask("heads", options.heads, shape[1])
        mask = mask & jnp.asarray(options.heads)[None, :]
    return mutual, mask


def _log_mass(logits, constrained, log_rows, receivers, num_nodes) -> Array:
    """The logarithm of m, each row's softmax mass on the constrained edges; 0 for rows without such edges."""
    inside = segment_logsumexp(jnp.where(constrained, logits, -jnp.inf), receivers, num_nodes)
    present = ~jnp.isneginf(inside)
    return jnp.where(present, jnp.where(present, inside, 0) - jnp.where(present, log_rows, 0), 0)
