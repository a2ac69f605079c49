"""A bias per pair from a real-valued distance."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax._dtypes import accumulation_dtype
from graphattn_jax.typing import Array, ArrayLike, PRNGKey


class GaussianBiasParams(NamedTuple):
    """`center` `[K]`, `log_width` `[K]`: the kernels; `weight` `[K, H]`; `infinite` `[H]`: the bias without a path."""

    center: Array
    log_width: Array
    weight: Array
    infinite: Array


def init_gaussian_bias(
    key: PRNGKey, num_kernels: int, heads: int, *, max_distance: float
) -> GaussianBiasParams:
    """Parameters of `gaussian_bias`: centers evenly over [0, max_distance], as wide as they are apart.

    Args:
      key: typed PRNG key.
      num_kernels: K.
      heads: H.
      max_distance: the largest distance to tell apart, positive.

    Returns:
      `GaussianBiasParams` in float32; weights and infinite bias are normal with standard deviation 0.02.

    Raises:
      ValueError: sizes that are not positive integers, a distance that is not positive and finite.

    Example:
      >>> import jax, graphattn_jax as ga
      >>> params = ga.encodings.init_gaussian_bias(jax.random.key(0), 5, 8, max_distance=2.0)
      >>> params.center.tolist(), params.weight.shape
      ([0.0, 0.5, 1.0, 1.5, 2.0], (5, 8))
    """
    _checks.positive("num_kernels", num_kernels)
    _checks.positive("heads", heads)
    if not 0 < max_distance < float("inf"):
        raise ValueError(f"max_distance must be positive and finite, got {max_distance!r}.")
    rows = 0.02 * jax.random.normal(key, (num_kernels + 1, heads), jnp.float32)
    width = max_distance / max(num_kernels - 1, 1)
    return GaussianBiasParams(
        center=jnp.linspace(0.0, max_distance, num_kernels, dtype=jnp.float32),
        log_width=jnp.full(num_kernels, jnp.log(jnp.float32(width))),
        weight=rows[:-1],
        infinite=rows[-1],
    )


def gaussian_bias(params: GaussianBiasParams, distances: ArrayLike) -> Array:
    """A learned function of a real-valued distance per head, to pass as `bias=` to any layer.

        b_ij = Σ_k w_k exp(−½ ((r_ij − μ_k) / σ_k)²),    b_ij = w_∞ where r_ij = ∞

    with learned centers μ, widths σ and weights per head. For effective resistances and other symmetric
    distances the bias is symmetric. For distances in hops use a table: `attention.RelativeBias`.

    Args:
      params: from `init_gaussian_bias`.
      distances: `[E]` floating point, finite or `inf`, such as `effective_resistance`.

    Returns:
      `[E, H]` in the dtype of `distances`.

    Raises:
      ValueError: distances that are not a floating-point vector.

    Cost: O(E K H).

    Padding: row by row; padding pairs get the bias of their distance.

    Example:
      >>> import jax, jax.numpy as jnp, graphattn_jax as ga
      >>> params = ga.encodings.init_gaussian_bias(jax.random.key(0), 16, 4, max_distance=8.0)
      >>> ga.encodings.gaussian_bias(params, jnp.array([0.5, 3.0, jnp.inf])).shape
      (3, 4)

    Source: the Gaussian basis of Shi et al., "Benchmarking Graphormer on Large-Scale Molecular Modeling Datasets",
      2022, arXiv:2203.04810, without its pair-type affine map and second layer; for resistances: Zhang et al.
      (Graphormer-GD), ICLR 2023, arXiv:2301.09505.
    """
    _checks.floating("distances", distances)
    _checks.shape("distances", distances, ("E",))
    distances = jnp.asarray(distances)
    wide = accumulation_dtype(distances.dtype)
    center, log_width, weight, infinite = (x.astype(wide) for x in params)
    finite = jnp.isfinite(distances)[:, None]
    value = jnp.where(finite, distances[:, None].astype(wide), jnp.zeros((), wide))
    kernels = jnp.exp(-0.5 * jnp.square((value - center[None]) * jnp.exp(-log_width)[None]))
    return jnp.where(finite, kernels @ weight, infinite[None]).astype(distances.dtype)
