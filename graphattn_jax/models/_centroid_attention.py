"""Attention of rows to the centroids of all rows that ever passed by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks, nn, ops
from graphattn_jax._dtypes import wide
from graphattn_jax.ops import Attention, Weights
from graphattn_jax.typing import Array, ArrayLike, PRNGKey
from graphattn_jax.values import Value

__all__ = ["CentroidAttention", "CentroidParams"]


class CentroidParams(NamedTuple):
    """The map of the rows to where the centroids are, and those of queries, keys and values, each D to D."""

    place: nn.LinearParams
    query: nn.LinearParams
    key: nn.LinearParams
    value: nn.LinearParams


@dataclass(frozen=True, repr=False)
class CentroidAttention(Value):
    """Every row attends to the centroids of a codebook: a view of the whole graph that costs the same for any size.

        z_i = W_z x_i,    a_ib = softmax_b( (W_q z_i) · (W_k c_b) / √C + log N_b ),    y_i = ‖_h Σ_b a_ib W_v c_b

    with b over the centroids c_b and N_b how many rows belong to each, so that one that stands for many counts as
    many. In training the codebook follows the rows z_i (`update`, `ga.nn.Codebook`); it is a state, not a parameter.

    Args:
      codebook: the centroids.
      heads: H; D is divisible by it.
      dropout: of the weights.

    Raises:
      ValueError: heads that are no positive integer, a rate outside [0, 1).

    Cost: O(N B D) time, O(N B H) memory.
    Padding: row by row; the codebook sees the rows that `update` is told are real.

    Example:
      >>> import jax, jax.numpy as jnp, graphattn_jax as ga
      >>> attention = ga.models.CentroidAttention(ga.nn.Codebook(8), heads=2)
      >>> params, state = attention.init(jax.random.key(0), 4)
      >>> y, attended = attention.apply(params, state, jnp.ones((3, 4)))
      >>> y.shape, attended.weights.shape
      ((3, 4), (1, 2, 3, 8))

    Source: Dwivedi et al., "Relational Graph Transformer", 2025, arXiv:2505.10960, section 3.2, after Kong et al.,
      "GOAT", ICML 2023. Their code scales by 1/√D in place of 1/√C, and counts the last place of every node instead of
      a moving average: both differ by a constant from the share of a centroid, which the softmax does not see.
    """

    codebook: nn.Codebook = nn.Codebook()
    heads: int = 4
    dropout: float = 0.0

    def __post_init__(self) -> None:
        _checks.instance("codebook", self.codebook, nn.Codebook, "ga.nn.Codebook(512)")
        _checks.positive("heads", self.heads)
        _checks.rate("dropout", self.dropout)

    def init(self, key: PRNGKey, width: int) -> tuple[CentroidParams, nn.CodebookState]:
        """Parameters, and the codebook.

        Args:
          key: typed PRNG key.
          width: D.

        Raises:
          ValueError: a width that is not divisible by the heads.
        """
        _checks.divisible("width", width, self.heads, "heads")
        k_codebook, *keys = jax.random.split(key, 5)
        maps = [nn.init_linear(k, width, width) for k in keys]
        return CentroidParams(*maps), self.codebook.init(k_codebook, width)

    def apply(
        self,
        params: CentroidParams,
        state: nn.CodebookState,
        x: ArrayLike,
        *,
        training: bool = False,
        key: Array | None = None,
    ) -> tuple[Array, Attention]:
        """What the rows hear from the centroids.

        Args:
          params, state: from `init`.
          x: `[N, D]` floating point.
          training: whether there is dropout.
          key: typed key, required in training when the rate is positive.

        Returns:
          `(y, attention)`: y `[N, D]` in the dtype of x; weights `[1, H, N, B]`, float32.

        Raises:
          ValueError: rows of another width, dropout without a key.
        """
        _checks.params(params, CentroidParams, self)
        x = jnp.asarray(x)
        place = nn.linear(params.place, x)
        centroids = self.codebook.centroids(state).astype(x.dtype)

        def heads(rows: Array) -> Array:
            return wide(rows).reshape(len(rows), self.heads, -1)

        query = heads(nn.linear(params.query, place))
        keys, value = (heads(nn.linear(p, centroids)) for p in (params.key, params.value))
        logits = jnp.einsum("nhc,bhc->hnb", query, keys) * query.shape[-1] ** -0.5
        logits = logits + jnp.log(state.count).astype(logits.dtype)[None, None]
        weights = applied = jax.nn.softmax(logits, axis=-1)
        dropout = nn.training_dropout(self.dropout, training, key)
        if dropout is not None:
            applied = ops.dropout(weights, dropout.rate, dropout.key)
        y = jnp.einsum("hnb,bhc->nhc", applied, value).reshape(x.shape).astype(x.dtype)
        attended = Weights(*(w[None] for w in (weights, applied, logits)))
        return y, Attention(lambda: attended)

    def update(
        self,
        params: CentroidParams,
        state: nn.CodebookState,
        x: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> nn.CodebookState:
        """The codebook after these rows, for a step of training.

        Args:
          params, state: from `init`.
          x: as `apply`.
          where: `[N]` bool, the real rows; None = all.

        Returns:
          The new state, without a gradient.

        Raises:
          ValueError: rows of another width.
        """
        return self.codebook.update(state, nn.linear(params.place, jnp.asarray(x)), where=where)
