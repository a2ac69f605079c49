"""How many neighbours a node has, put back into what attention averaged away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax._dtypes import accumulation_dtype
from graphattn_jax.typing import Array, ArrayLike, PRNGKey

__all__ = ["DegreeScaler", "DegreeScalerParams"]


class DegreeScalerParams(NamedTuple):
    """`weight` `[2, D]`: θ_1 and θ_2."""

    weight: Array


@dataclass(frozen=True)
class DegreeScaler:
    """Features scaled by the degrees of their nodes.

        x'_i = x_i ⊙ θ_1 + log(1 + deg_i) x_i ⊙ θ_2

    A softmax cannot count: its result is the same for one neighbour and for ten equal ones. In GRIT this stands between
    `GRIT` and the output map. The degrees are those of the original graph: take them before `all_pairs`.

    Cost: O(N D).
    Padding: exact, row by row.

    Example:
      >>> import jax.numpy as jnp, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1, 1, 2], [1, 0, 2, 1])
      >>> log_degree = np.log1p(ga.graphs.in_degree(graph), dtype=np.float32)
      >>> params = ga.attention.DegreeScalerParams(jnp.array([[1.0], [1.0]]))
      >>> out = ga.attention.DegreeScaler().apply(params, jnp.ones((3, 1)), log_degree)
      >>> out.ravel().round(3).tolist()
      [1.693..., 2.099..., 1.693...]

    Source: Ma et al., "Graph Inductive Biases in Transformers without Message Passing", ICML 2023, arXiv:2305.17589,
      section 3.3; the scalers are those of Corso et al. (PNA, NeurIPS 2020, arXiv:2004.05718).
    """

    def init(self, key: PRNGKey, width: int) -> DegreeScalerParams:
        """Parameters `[2, D]` in float32, normal with variance 1 / (D + 1) as in the published code.

        Args:
          key: typed PRNG key.
          width: D.

        Raises:
          ValueError: a width that is not a positive integer.
        """
        _checks.positive("width", width)
        weight = jax.random.normal(key, (2, width), jnp.float32) * (width + 1) ** -0.5
        return DegreeScalerParams(weight)

    def apply(self, params: DegreeScalerParams, x: ArrayLike, log_degree: ArrayLike) -> Array:
        """The scaled features.

        Args:
          params: from `init`.
          x: `[N, D]` floating point.
          log_degree: `[N]` floating point, log(1 + deg) of `ga.graphs.in_degree` of the original graph.

        Returns:
          `[N, D]` in the dtype of `x`.

        Raises:
          ValueError: shapes or dtypes that do not fit.
        """
        _checks.params(params, DegreeScalerParams, self)
        x = jnp.asarray(x)
        _checks.features("x", x, params.weight.shape[1])
        _checks.shape("x", x, ("N", "D"))
        log_degree = jnp.asarray(log_degree)
        _checks.floating("log_degree", log_degree)
        _checks.shape("log_degree", log_degree, (x.shape[0],))
        wide = accumulation_dtype(x.dtype)
        plain, scaled = jnp.asarray(params.weight).astype(wide)[:, None]
        return (x.astype(wide) * (plain + log_degree.astype(wide)[:, None] * scaled)).astype(
            x.dtype
        )
