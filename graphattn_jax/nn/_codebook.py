"""Centroids of the rows that pass by, kept as moving averages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax._dtypes import wide
from graphattn_jax.nn._norms import (
    BatchNormParams,
    BatchNormState,
    batch_norm,
    init_batch_norm,
)
from graphattn_jax.ops import segment_sum
from graphattn_jax.typing import Array, ArrayLike, PRNGKey

__all__ = ["Codebook", "CodebookState"]

_EPS = 1e-5


class CodebookState(NamedTuple):
    """code `[B, D]`: centroids of normalised rows. count `[B]`: rows per batch that belong to each, on average. norm:
    running mean and variance of the rows. All float32, and not trained.
    """

    code: Array
    count: Array
    norm: BatchNormState


@dataclass(frozen=True)
class Codebook:
    """B centroids that follow the rows of all batches, by vector quantisation with moving averages.

        b(x) = argmin_b ‖ BN(x) − c_b ‖,    n_b and s_b = number and sum of the rows BN(x) with b(x) = b
        N_b ← γ N_b + (1 − γ) n_b,          c_b ← ( γ N_b c_b + (1 − γ) s_b ) / N_b

    with the old N_b inside the bracket and the new one below. BN has no parameters. A centroid that no row is nearest
    to stays where it is, and its count fades: by γ each time.

    Args:
      size: B.
      decay: γ.

    Raises:
      ValueError: a size that is not a positive integer, a decay outside [0, 1).

    Cost: O(N B D) an update.

    Example:
      >>> import jax, jax.numpy as jnp, graphattn_jax as ga
      >>> codebook = ga.nn.Codebook(size=8)
      >>> state = codebook.update(codebook.init(jax.random.key(0), 4), jnp.ones((16, 4)))
      >>> codebook.centroids(state).shape, round(float(state.count.sum()), 2)
      ((8, 4), 8.08)

    Source: van den Oord et al., "Neural Discrete Representation Learning", NeurIPS 2017, arXiv:1711.00937, appendix
      A.1; on normalised rows after Kong et al., "GOAT", ICML 2023.
    """

    size: int = 512
    decay: float = 0.99

    def __post_init__(self) -> None:
        _checks.positive("size", self.size)
        _checks.rate("decay", self.decay)

    def init(self, key: PRNGKey, width: int) -> CodebookState:
        """Centroids from N(0, 1), each with a count of 1.

        Args:
          key: typed PRNG key.
          width: D.
        """
        _checks.typed_key("key", key)
        _checks.positive("width", width)
        code = jax.random.normal(key, (self.size, width), jnp.float32)
        return CodebookState(code, jnp.ones(self.size, jnp.float32), init_batch_norm(width)[1])

    def centroids(self, state: CodebookState) -> Array:
        """Where they are among the rows as these are, not normalised.

        Args:
          state: from `init` or `update`.

        Returns:
          `[B, D]` float32, without a gradient.
        """
        state = jax.lax.stop_gradient(state)
        return state.code * jnp.sqrt(state.norm.var + _EPS)[None] + state.norm.mean[None]

    def update(
        self, state: CodebookState, x: ArrayLike, *, where: ArrayLike | None = None
    ) -> CodebookState:
        """The state after a batch of rows.

        Args:
          state: from `init` or `update`.
          x: `[N, D]` floating point.
          where: `[N]` bool, the rows that count; None = all.

        Returns:
          The new state; the old one where no row counts. No gradient flows through it.

        Raises:
          ValueError: rows of another width.
        """
        _checks.shape("x", x, ("N", state.code.shape[1]))
        _checks.floating("x", x)
        # Float32 also under x64, as the state is.
        rows = jax.lax.stop_gradient(wide(x)).astype(jnp.float32)
        affine = BatchNormParams(*init_batch_norm(rows.shape[1])[0])
        rows, norm = batch_norm(affine, state.norm, rows, training=True, where=where, eps=_EPS)
        # Of the squared distance, what depends on the centroid.
        distance = 0.5 * jnp.square(state.code).sum(axis=1)[None] - rows @ state.code.T
        nearest = jnp.argmin(distance, axis=1)
        ones = jnp.ones(len(rows), jnp.float32)
        number = segment_sum(ones, nearest, self.size, where=where)
        total = segment_sum(rows, nearest, self.size, where=where)
        decay = jnp.where(number.sum() > 0, self.decay, 1.0)
        count = decay * state.count + (1 - decay) * number
        # c_b + share (s_b / n_b − c_b): exactly c_b where n_b is 0.
        share = (1 - decay) * number / jnp.where(count > 0, count, 1)
        mean = total / jnp.maximum(number, 1)[:, None]
        return CodebookState(state.code + share[:, None] * (mean - state.code), count, norm)
