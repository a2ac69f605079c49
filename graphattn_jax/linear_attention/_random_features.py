"""Random features whose dot products estimate the exponential of a dot product: FAVOR+."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax.linear_attention._layer import Rows
from graphattn_jax.typing import Array, PRNGKey

__all__ = ["orthogonal_projection"]

FLOOR = 1e-6
"""Added to the features, whose largest is 1: no row of weights sums to 0."""


def orthogonal_projection(key: PRNGKey, heads: int, features: int, channels: int) -> Array:
    """Random directions for the features of a softmax kernel: Gaussian vectors, orthogonal in groups of C.

    Args:
      key: typed PRNG key.
      heads: H.
      features: M, directions per head.
      channels: C.

    Returns:
      `[H, M, C]` float32. Each row is Gaussian; the rows of a group are uniform among orthogonal ones, with the lengths
      of independent Gaussian vectors.

    Raises:
      ValueError: sizes that are not positive integers.

    Cost: ⌈M / C⌉ decompositions of `[C, C]` matrices per head.

    Example:
      >>> import jax, graphattn_jax as ga
      >>> w = ga.linear_attention.orthogonal_projection(jax.random.key(0), 1, 4, 4)[0]
      >>> bool(abs(w[0] @ w[1]) < 1e-5)
      True

    Source: Choromanski et al., "Rethinking Attention with Performers", ICLR 2021, arXiv:2009.14794, section 2.4.
    """
    for name, size in (("heads", heads), ("features", features), ("channels", channels)):
        _checks.positive(name, size)
    k_direction, k_length = jax.random.split(key)
    groups = -(-features // channels)
    directions = jax.random.orthogonal(k_direction, channels, (heads, groups))
    directions = directions.reshape(heads, groups * channels, channels)[:, :features]
    lengths = jnp.linalg.norm(jax.random.normal(k_length, directions.shape), axis=-1)
    return lengths[..., None] * directions


def softmax_features(
    query: Array, key: Array, projection: Array, rows: Rows
) -> tuple[Array, Array]:
    """φ(q_i)_m = exp(w_m · q_i − top_i) + ε and φ(k_j)_m = exp(w_m · k_j − ½ |k_j|² − top) + ε of `[N, H, C]` rows,
    whose products estimate exp(q_i · k_j) up to factors that cancel: all that depends on i or on the graph alone.
    """
    of_query = jnp.einsum("nhc,hmc->nhm", query, projection)
    of_query = of_query - jax.lax.stop_gradient(of_query.max(axis=-1, keepdims=True))
    half = 0.5 * jnp.sum(jnp.square(key), axis=-1, keepdims=True)
    of_key = jnp.einsum("nhc,hmc->nhm", key, projection) - half
    top = jax.lax.stop_gradient(rows.max(of_key.max(axis=-1)))
    top = jnp.where(jnp.isfinite(top), top, 0)
    return jnp.exp(of_query) + FLOOR, jnp.exp(of_key - top[..., None]) + FLOOR
