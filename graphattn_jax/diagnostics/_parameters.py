"""How symmetric the scores are that the query and key weights of a layer can express."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax.diagnostics._symmetry import root_ratio
from graphattn_jax.nn._arrays import accumulator
from graphattn_jax.typing import Array, ArrayLike, Params


def symmetry_score(
    query_weight: ArrayLike, key_weight: ArrayLike, *, num_heads: int | None = None
) -> Array:
    """The share of a head's bilinear score that is symmetric.

    A head scores receiver i against sender j by `x_i^T M x_j` with `M = W_q W_k^T`, and

        s(M) = ||(M + M^T) / 2||_F^2 / ||M||_F^2 = 1 - e(M)^2 / 4

    1 for tied weights, about 1/2 for independent random ones, 0 for an antisymmetric `M`. It
    needs no data; biases and what normalises the scores are left out.

    Args:
      query_weight, key_weight: `[D, H*C]` with `num_heads`, or `[H, D, C]`.
      num_heads: H of weights `[D, H*C]`.

    Returns:
      `[H]` float32 in [0, 1]; 1 where `M` is zero.

    Raises:
      ValueError: shapes disagree, or `num_heads` is missing or does not divide the width.

    Cost: O(H D C^2) time; no `[D, D]` matrix is formed.

    Example:
      >>> import jax
      >>> import graphattn_jax as ga
      >>> weight = jax.random.normal(jax.random.key(0), (64, 32))
      >>> ga.diagnostics.symmetry_score(weight, weight, num_heads=2).tolist()
      [1.0, 1.0]

    Source: Saponati et al., "The underlying structures of self-attention: symmetry,
    directionality, and emergent dynamics in Transformer training", ICML 2025, arXiv:2502.10927.
    """
    return (
        1 - jnp.square(parameter_symmetry_error(query_weight, key_weight, num_heads=num_heads)) / 4
    )


def parameter_symmetry_error(
    query_weight: ArrayLike, key_weight: ArrayLike, *, num_heads: int | None = None
) -> Array:
    """The relative asymmetry of a head's bilinear score, on the scale of `symmetry_error`.

        e(M) = ||M - M^T||_F / ||M||_F,   M = W_q W_k^T,   e^2 = 4 (1 - s)

    0 for tied weights, about sqrt(2) for independent random ones, 2 for an antisymmetric `M`.

    Args:
      query_weight, key_weight: `[D, H*C]` with `num_heads`, or `[H, D, C]`.
      num_heads: H of weights `[D, H*C]`.

    Returns:
      `[H]` float32 in [0, 2]; 0 where `M` is zero. Exactly 0 for tied weights; where `M` is
      symmetric without them, rounding leaves up to about 1e-3.

    Raises:
      ValueError: shapes disagree, or `num_heads` is missing or does not divide the width.

    Cost: O(H D C^2) time; no `[D, D]` matrix is formed. Gradient: finite, zero for tied weights.

    Example:
      >>> import jax
      >>> import graphattn_jax as ga
      >>> query, key = jax.random.normal(jax.random.key(0), (2, 64, 32))
      >>> ga.diagnostics.parameter_symmetry_error(query, key, num_heads=1).round(1) == 1.4
      Array([ True], dtype=bool)

    Source: Saponati et al., ICML 2025, arXiv:2502.10927, for `s`.
    """
    query = _by_head("query_weight", query_weight, num_heads)
    key = _by_head("key_weight", key_weight, num_heads)
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


def symmetry_log(params: Params, *, num_heads: int) -> dict[str, Array]:
    """The symmetry scores of all layers of a model, as scalars to log in each step.

    Looks through the parameters for every layer with a `query` and a `key` projection. A pure
    function of the parameters, for use inside the training step.

    Args:
      params: any pytree; a layer is a node with fields (or dictionary entries) `query` and `key`,
        each a weight `[D, H*C]` or something with such a `weight`. Layers with one of them None
        are skipped: they share one projection.
      num_heads: H of all layers.

    Returns:
      For each layer `"symmetry/<path>/mean"`, `".../min"` and `".../max"` of `symmetry_score`
      over the heads, float32 scalars.

    Raises:
      ValueError: no layer is found, or its weights do not fit `num_heads`.

    Cost: O(H D C^2) per layer.

    Example:
      >>> import jax
      >>> import graphattn_jax as ga
      >>> projection = ga.nn.init_linear(jax.random.key(0), 8, 8)
      >>> params = {"layers": [{"query": projection, "key": projection}]}
      >>> {name: float(x) for name, x in ga.diagnostics.symmetry_log(params, num_heads=2).items()}
      {'symmetry/layers/0/mean': 1.0, 'symmetry/layers/0/min': 1.0, 'symmetry/layers/0/max': 1.0}
    """
    log = {}
    for path, node in jax.tree.leaves_with_path(params, is_leaf=_has_projections):
        if not _has_projections(node):
            continue
        query, key = (getattr(p, "weight", p) for p in _projections(node))
        scores = symmetry_score(query, key, num_heads=num_heads)
        name = "/".join(["symmetry", *(jax.tree_util.keystr((k,), simple=True) for k in path)])
        log |= {f"{name}/{s}": getattr(scores, s)() for s in ("mean", "min", "max")}
    if not log:
        raise ValueError(
            "params has no layer with both a query and a key projection, got "
            f"{jax.tree.structure(params)}. Fix: pass the parameters of a dot-product attention, "
            "or call symmetry_score with the two weights."
        )
    return log


def _projections(node: Any) -> tuple[Any, Any]:
    if isinstance(node, dict):
        return node.get("query"), node.get("key")
    return getattr(node, "query", None), getattr(node, "key", None)


def _has_projections(node: Any) -> bool:
    return all(p is not None for p in _projections(node))


def _by_head(name: str, weight: ArrayLike, num_heads: int | None) -> Array:
    """`[H, D, C]` in float32."""
    weight = jnp.asarray(weight)
    _checks.floating(name, weight)
    if weight.ndim == 2:
        if num_heads is None:
            raise ValueError(
                f"{name} of shape {weight.shape} needs num_heads. Fix: pass num_heads=H."
            )
        _checks.positive("num_heads", num_heads)
        _checks.divisible(f"the width of {name}", weight.shape[1], num_heads, "num_heads")
        weight = jnp.moveaxis(weight.reshape(weight.shape[0], num_heads, -1), 1, 0)
    _checks.shape(name, weight, (num_heads, "D", "C"))
    return weight.astype(accumulator(weight))


def _gram(a: Array, b: Array) -> Array:
    """`a^T b` of each head, `[H, C, C]`."""
    return jnp.einsum("hdc,hde->hce", a, b, precision="highest")


def _product_trace(a: Array, b: Array) -> Array:
    """`Tr(a b)` of each head."""
    return (a * b.mT).sum(axis=(-2, -1))
