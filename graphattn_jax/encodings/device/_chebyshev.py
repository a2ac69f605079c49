"""Spectral filters g(L) X by Chebyshev polynomials: products with L instead of its eigenvectors."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from graphattn_jax import _checks
from graphattn_jax.encodings.device._propagation import laplacian_operator, own_edges
from graphattn_jax.graphs import GraphsTuple, node_mask
from graphattn_jax.typing import Array, ArrayLike


def chebyshev_coefficients(
    function: Callable[[np.ndarray], np.ndarray], degree: int, *, upper: float = 2.0
) -> np.ndarray:
    """Coefficients of the Chebyshev interpolant of a function on `[0, upper]`.

        g(λ) ≈ Σ_{k=0}^{degree} c_k T_k(2 λ / upper − 1)

    It equals g at the degree + 1 Chebyshev points; polynomials up to this degree come out exact, and for an analytic g
    the error falls exponentially with the degree. e^(−tλ) needs a degree of a few √(t · upper).

    Args:
      function: g, from a `[degree + 1]` float64 array to another, vectorised.
      degree: at least 0.
      upper: where the interval ends, positive.

    Returns:
      `[degree + 1]` float32 in numpy.

    Raises:
      ValueError: a negative degree, an empty interval, or values that are not finite or of another shape.

    Cost: O(degree²).

    Example:
      >>> import graphattn_jax as ga
      >>> ga.encodings.chebyshev_coefficients(lambda x: 3 * x, 2).round(6).tolist()
      [3.0, 3.0, 0.0]

    Source: Hammond, Vandergheynst, Gribonval, "Wavelets on Graphs via Spectral Graph Theory", ACHA 2011,
      arXiv:0912.3848, section 6.
    """
    if not isinstance(degree, int) or degree < 0:
        raise ValueError(f"degree must be an integer >= 0, got {degree!r}.")
    if not upper > 0:
        raise ValueError(f"upper must be positive, got {upper!r}.")
    angle = np.pi * (np.arange(degree + 1) + 0.5) / (degree + 1)
    samples = np.asarray(function(upper * (np.cos(angle) + 1) / 2), np.float64)
    _checks.shape("function(x)", samples, angle.shape)
    if not np.isfinite(samples).all():
        raise ValueError(f"function must be finite on [0, {upper}], got {samples}.")
    coefficients = 2 / (degree + 1) * np.cos(np.outer(np.arange(degree + 1), angle)) @ samples
    coefficients[0] /= 2
    return coefficients.astype(np.float32)


def chebyshev_filter(
    graph: GraphsTuple,
    signal: ArrayLike,
    coefficients: ArrayLike,
    *,
    upper: float = 2.0,
    normalization: str = "symmetric",
    edge_weight: ArrayLike | None = None,
) -> Array:
    """A spectral filter without eigenvectors, g(L) X with g a Chebyshev series.

        out = Σ_k c_k T_k(2 L / upper − I) X,    T_{k+1}(S) X = 2 S T_k(S) X − T_{k−1}(S) X

    With X = I it gives the columns of g(L); with `chebyshev_coefficients` of e^(−tλ), heat diffusion. It is
    differentiable in the signal, the coefficients and the weights, so the coefficients may be learned (ChebNet).

    Args:
      graph: an undirected graph or batch, padded or not; also inside `jax.jit`. A directed one is filtered by the
        polynomial in its own L, whose eigenvalues may be complex.
      signal: `[N, F]` floating point.
      coefficients: `[K + 1]` floating point.
      upper: at least the largest eigenvalue, else the series diverges: 2 for the normalised Laplacians, twice the
        largest degree for the combinatorial one.
      normalization: `"symmetric"`, `"combinatorial"` or `"random_walk"`; see `laplacian`.
      edge_weight: `[E]` nonnegative numbers; None = 1 for every edge.

    Returns:
      `[N, F]` in the dtype of `signal`, computed in float32.

    Raises:
      ValueError: an unknown normalization, or arrays that do not fit.

    Cost: K products with L, O(K (N + E) F) time and O((N + E) F) memory forward.
    Padding: rows of padding nodes are 0.

    Example:
      >>> import jax.numpy as jnp, numpy as np, graphattn_jax as ga
      >>> edge = ga.graphs.from_edge_list([0, 1], [1, 0])
      >>> heat = ga.encodings.chebyshev_coefficients(lambda x: np.exp(-x), 12)
      >>> out = ga.encodings.chebyshev_filter(edge, jnp.array([[1.0], [0.0]]), heat)
      >>> bool(abs(out[0, 0] - (1 + np.exp(-2)) / 2) < 1e-6)
      True

    Source: Hammond, Vandergheynst, Gribonval, ACHA 2011, arXiv:0912.3848, section 6; learned, Defferrard, Bresson,
      Vandergheynst, "Convolutional Neural Networks on Graphs with Fast Localized Spectral Filtering", NeurIPS 2016,
      arXiv:1606.09375, section 2.1.
    """
    signal, coefficients = jnp.asarray(signal), jnp.asarray(coefficients)
    _checks.shape("signal", signal, ("N", "F"))
    _checks.floating("signal", signal)
    _checks.shape("coefficients", coefficients, ("K + 1",))
    _checks.floating("coefficients", coefficients)
    if not coefficients.shape[0]:
        raise ValueError("coefficients must have at least one entry, got none.")
    graph = graph._replace(nodes=signal)
    apply = laplacian_operator(own_edges(graph), normalization, edge_weight)
    real = jnp.asarray(node_mask(graph))[:, None]
    wide = jnp.where(real, signal.astype(jnp.float32), 0)
    table = coefficients.astype(jnp.float32)[:, None]
    return chebyshev_sums(apply, wide, table, upper)[0].astype(signal.dtype)


def chebyshev_sums(
    apply: Callable[[Array], Array], signal: Array, coefficients: Array, upper: float | Array
) -> Array:
    """`[T, N, F]`: for each column of the coefficients `[K + 1, T]` the series applied to the signal `[N, F]`."""

    def scaled(x: Array) -> Array:
        return (2.0 / upper) * apply(x) - x

    def step(carry, coefficient):
        previous, current, total = carry
        following = 2 * scaled(current) - previous
        return (current, following, total + jnp.multiply.outer(coefficient, current)), None

    first = jnp.multiply.outer(coefficients[0], signal)
    (_, _, total), _ = jax.lax.scan(step, (signal, scaled(signal), first), coefficients[1:])
    return total
