"""How nodes attended, computed when it is looked at."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple

import jax

from graphattn_jax.typing import Array

__all__ = ["Attention", "Weights"]


class Weights(NamedTuple):
    """The weights of pairs before and after dropout, the logits, the residual of Sinkhorn or None, and how much each
    relation counts, `ga.nn.Shares` or None.
    """

    weights: Array
    applied: Array
    logits: Array
    residual: Array | None = None
    shares: Any = None


@jax.tree_util.register_pytree_node_class
class Attention:
    """How nodes attended. A fused kernel has no weights; they are computed when they are first read, or returned
    from a jitted function, and cost nothing otherwise.

    On edges: weights `[E, H]` after the normalizer and before dropout, logits `[E, H]` before the normalizer with the
    bias, residual `[N, H]`, the error of the row sums for Sinkhorn and None for the others. In blocks: weights and
    logits `[B, H, n, n]` with row = receiver, residual `[B, n, H]`. All float32 (float64 for float64). Of layers that
    weigh relations, shares: `ga.nn.Shares`.
    """

    def __init__(self, compute: Callable[[], Weights]):
        self._compute = compute

    @classmethod
    def later(cls, attend: Callable[[], Attention]) -> Attention:
        """That of a computation which is done when the attention is looked at."""
        return cls(lambda: attend()._computed)

    @cached_property
    def _computed(self) -> Weights:
        return self._compute()

    def mixed(self, other: Array, share: float) -> Attention:
        """With weights (1 − share) a + share · other, dropped ones too."""

        def compute() -> Weights:
            own, rest = self._computed, share * other
            weights, applied = (1 - share) * own.weights + rest, (1 - share) * own.applied + rest
            return own._replace(weights=weights, applied=applied)

        return Attention(compute)

    def with_shares(self, shares: Any) -> Attention:
        """With how much each relation counts."""
        return Attention(lambda: self._computed._replace(shares=shares))

    @property
    def weights(self) -> Array:
        """After the normalizer, before dropout."""
        return self._computed.weights

    @property
    def applied(self) -> Array:
        """After dropout: what the values were weighted with. Only in the computation that attends, not behind it."""
        return self._computed.applied

    @property
    def logits(self) -> Array:
        """Before the normalizer, bias included."""
        return self._computed.logits

    @property
    def residual(self) -> Array | None:
        """Of Sinkhorn: the error of the row sums."""
        return self._computed.residual

    @property
    def shares(self) -> Any:
        """How much each relation counts, of layers that weigh them."""
        return self._computed.shares

    def tree_flatten(self):
        return (self.weights, self.logits, self.residual, self.shares), None

    @classmethod
    def tree_unflatten(cls, _, children):
        weights, logits, residual, shares = children
        return cls(lambda: Weights(weights, weights, logits, residual, shares))

    def __repr__(self) -> str:
        return f"Attention(weights={self.weights!r}, logits={self.logits!r}, residual={self.residual!r})"
