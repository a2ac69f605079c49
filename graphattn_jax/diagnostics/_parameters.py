"""How symmetric the scores are that the query and key weights of a layer can express."""

from __future__ import annotations

import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax._dtypes import accumulation_dtype
from graphattn_jax.diagnostics._symmetry import root_ratio
from graphattn_jax.typing import Array, ArrayLike


def symmetry_score(query_weight: ArrayLike, key_weight: ArrayLike) -> Array:
    """The share of a head's bilinear score that is symmetric.

    A head scores receiver i against sender j by `x_i^T M x_j` with `M = W_q W_k^T`, and

        s(M) = ||(M + M^T) / 2||_F^2 / ||M||_F^2 = 1 - e(M)^2 / 4

    1 for tied weights, about 1/2 for independent random ones, 0 for an antisymmetric `M`. It
    needs no data; biases and what normalises the scores are left out.

    Args:
      query_weight, key_weight: `[D, H, C]`, such as the fields of `GraphTransformerParams`.

    Returns:
      `[H]` float32 in [0, 1]; 1 where `M` is zero.

    Raises:
      ValueError: shapes disagree, or weights are not floating point.

    Cost: O(H D C^2) time; no `[D, D]` matrix is formed.

    Example:
      >>> import jax
      >>> import graphattn_jax as ga
      >>> weight = jax.random.normal(jax.random.key(0), (64, 2, 16))
      >>> ga.diagnostics.symmetry_score(weight, weight).tolist()
      [1.0, 1.0]

    Source: Saponati et al., "The underlying structures of self-attention: symmetry,
    directionality, and emergent dynamics in Transformer training", ICML 2025, arXiv:2502.10927.
    """
    return 1 - jnp.square(parameter_symmetry_error(query_weight, key_weight)) / 4


def parameter_symmetry_error(query_weight: ArrayLike, key_weight: ArrayLike) -> Array:
    """The relative asymmetry of a head's bilinear score, on the scale of `symmetry_error`.

        e(M) = ||M - M^T||_F / ||M||_F,   M = W_q W_k^T,   e^2 = 4 (1 - s)

    0 for tied weights, about sqrt(2) for independent random ones, 2 for an antisymmetric `M`.

    Args:
      query_weight, key_weight: `[D, H, C]`, such as the fields of `GraphTransformerParams`.

    Returns:
      `[H]` float32 in [0, 2]; 0 where `M` is zero. Exactly 0 for tied weights; where `M` is
      symmetric without them, rounding leaves up to about 1e-3.

    Raises:
      ValueError: shapes disagree, or weights are not floating point.

    Cost: O(H D C^2) time; no `[D, D]` matrix is formed. Gradient: finite, zero for tied weights.

    Example:
      >>> import jax
      >>> import graphattn_jax as ga
      >>> query, key = jax.random.normal(jax.random.key(0), (2, 64, 1, 32))
      >>> ga.diagnostics.parameter_symmetry_error(query, key).round(1) == 1.4
      Array([ True], dtype=bool)

    Source: Saponati et al., ICML 2025, arXiv:2502.10927, for `s`.
    """
    query = _by_head("query_weight", query_weight)
    key = _by_head("key_weight", key_weight)
    if query.shape != key.shape:
        raise ValueError(
            f"query_weight and key_weight must have one shape, got {query.shape} and {key.shape}."
        )
    # With W_q = S + T and W_k = S - T, M - M^T = 2 (T S^T - S T^T): small differences stay exact,
    # which they would not as a difference of norms of M.
    common, difference = (query + key) / 2, (query - key) / 2
    antisymmetric = 8 * (
        _product_trace(_gram(common, common), _gram(difference, difference))
        - _product_trace(_gram(difference, common), _gram(difference, common))
    )
    return root_ratio(antisymmetric, _product_trace(_gram(query, query), _gram(key, key)))


def _by_head(name: str, weight: ArrayLike) -> Array:
    """`[H, D, C]` in float32."""
    weight = jnp.asarray(weight)
    _checks.floating(name, weight)
    _checks.shape(name, weight, ("D", "H", "C"))
    return jnp.moveaxis(weight, 1, 0).astype(accumulation_dtype(weight.dtype))


def _gram(a: Array, b: Array) -> Array:
    """`a^T b` of each head, `[H, C, C]`."""
    return jnp.einsum("hdc,hde->hce", a, b, precision="highest")


def _product_trace(a: Array, b: Array) -> Array:
    """`Tr(a b)` of each head."""
    return (a * b.mT).sum(axis=(-2, -1))
