"""Symmetric Sinkhorn scaling of edge weights, and its dense counterpart."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax._dtypes import accumulation_dtype
from graphattn_jax.ops._segment import segment_logsumexp, segment_sum, take
from graphattn_jax.typing import Array, ArrayLike

__all__ = ["Scaling", "dense_sinkhorn", "sinkhorn"]

_GRADIENTS = ("unrolled", "implicit")


class Scaling(NamedTuple):
    """Scaled weights, and the absolute error of every row sum."""

    weights: Array
    residual: Array


def sinkhorn(
    logits: ArrayLike,
    senders: ArrayLike,
    receivers: ArrayLike,
    num_nodes: int,
    *,
    where: ArrayLike | None = None,
    log_marginals: ArrayLike | None = None,
    iterations: int = 20,
    gradient: str = "unrolled",
) -> Scaling:
    """Scale symmetric edge logits to a symmetric matrix with prescribed row and column sums.

    Looks for potentials f with A_ij = exp(f_i + S_ij + f_j) and Σ_j A_ij = m_i by the damped symmetric iteration

        f_i ← ½ ( f_i + log m_i − log Σ_j exp(S_ij + f_j) )

    One vector scales rows and columns alike, so A is symmetric to rounding after every step, converged or
    not; what a finite number of steps leaves open is the row sums, and `residual` says by how much. A unique
    solution exists when every node has a self-loop; without, it may not (on a star no scaling exists, and the
    residual stays large).

    Args:
      logits: `[E, H]`, equal on an edge and its reverse.
      senders: `[E]` integers in `[0, num_nodes)`.
      receivers: `[E]` integers in `[0, num_nodes)`; every edge that takes part has its reverse in the list.
      num_nodes: static number of nodes N.
      where: `[E]` or `[E, H]` bool, True = take part; the same on an edge and its reverse.
      log_marginals: `[N, H]` log m; None = 0, doubly stochastic.
      iterations: static number of steps, ≥ 1.
      gradient: "unrolled" or "implicit". The implicit derivative solves (diag(m) + A) x = b by conjugate gradients.

    Returns:
      `Scaling(weights [E, H], residual [N, H])`, float32 (float64 for float64); the residual is
      |Σ_j A_ij − m_i|, 0 for nodes without edges.

    Raises:
      ValueError: shapes, `iterations` < 1, unknown `gradient`.

    Cost: O(iterations E H) time; memory too when unrolled, O(E H) when implicit.
    Padding: exact with `where`.

    Example:
      >>> import numpy as np, jax.numpy as jnp, graphattn_jax as ga
      >>> senders, receivers = jnp.array([0, 1, 0, 1]), jnp.array([1, 0, 0, 1])
      >>> out = ga.ops.sinkhorn(jnp.array([[2.], [2.], [0.], [0.]]), senders, receivers, 2)
      >>> np.asarray(out.weights[:, 0], float).round(3).tolist()
      [0.881, 0.881, 0.119, 0.119]

    Source: Sinkhorn & Knopp 1967; damped symmetric form after Knight, Ruiz & Uçar, SIAM J. Matrix Anal. 2014.
    """
    logits = jnp.asarray(logits)
    _checks.shape("logits", logits, ("E", "H"))
    _checks.floating("logits", logits)
    _checks.ids("senders", senders, logits.shape[0])
    _checks.ids("receivers", receivers, logits.shape[0])
    _checks.ids_in_range("senders", senders, num_nodes)
    _checks.ids_in_range("receivers", receivers, num_nodes)
    _checks.positive("iterations", iterations)
    _checks.choice("gradient", gradient, _GRADIENTS)
    logits = logits.astype(accumulation_dtype(logits.dtype))
    senders, receivers = jnp.asarray(senders), jnp.asarray(receivers)
    if where is not None:
        where = jnp.asarray(where)
        if where.dtype != bool or where.shape not in (logits.shape[:1], logits.shape):
            raise ValueError(
                f"where must be boolean of shape [{logits.shape[0]}] or {list(logits.shape)} "
                f"(True = take part), got {_checks.describe(where)}."
            )
        logits = jnp.where(where if where.ndim == 2 else where[:, None], logits, -jnp.inf)
    log_m = jnp.zeros((num_nodes, logits.shape[1]), logits.dtype)
    if log_marginals is not None:
        _checks.shape("log_marginals", log_marginals, log_m.shape)
        log_m = jnp.asarray(log_marginals).astype(logits.dtype)

    def row_logsumexp(logits):
        return segment_logsumexp(logits, receivers, num_nodes)

    def weights(logits, f):
        return jnp.exp((take(f, receivers) + take(f, senders)) + logits)

    def row_sums(edge_weights):
        return segment_sum(edge_weights, receivers, num_nodes)

    def matvec(edge_weights, x):
        return row_sums(edge_weights * take(x, senders))

    functions = (row_logsumexp, weights, row_sums, matvec)
    f = _solve(logits, log_m, *functions, iterations, gradient)
    scaled = weights(logits, f)
    sums = row_sums(scaled)
    return Scaling(scaled, jnp.where(sums > 0, jnp.abs(sums - jnp.exp(log_m)), 0))


def dense_sinkhorn(
    logits: ArrayLike,
    *,
    where: ArrayLike | None = None,
    iterations: int = 20,
    gradient: str = "unrolled",
) -> Scaling:
    """`sinkhorn` for dense symmetric logits: doubly stochastic attention over all pairs.

    Args:
      logits: `[..., N, N]`, symmetric in the last two axes.
      where: bool, broadcastable to `logits` and symmetric; True = take part. Rows without entries give 0.
      iterations: static number of steps, ≥ 1.
      gradient: "unrolled" or "implicit".

    Returns:
      `Scaling(weights [..., N, N], residual [..., N])`, float32 (float64 for float64).

    Raises:
      ValueError: logits not square, `iterations` < 1, unknown `gradient`.

    Cost: O(iterations N²) per matrix.

    Example:
      >>> import numpy as np, jax.numpy as jnp, graphattn_jax as ga
      >>> out = ga.ops.dense_sinkhorn(jnp.array([[0., 2.], [2., 0.]]))
      >>> np.asarray(out.weights, float).round(3).tolist()
      [[0.119, 0.881], [0.881, 0.119]]

    Source: as `sinkhorn`.
    """
    logits = jnp.asarray(logits)
    _checks.floating("logits", logits)
    if logits.ndim < 2 or logits.shape[-1] != logits.shape[-2]:
        raise ValueError(f"logits must have shape [..., N, N], got {logits.shape}.")
    _checks.positive("iterations", iterations)
    _checks.choice("gradient", gradient, _GRADIENTS)
    logits = logits.astype(accumulation_dtype(logits.dtype))
    if where is not None:
        logits = jnp.where(jnp.broadcast_to(jnp.asarray(where), logits.shape), logits, -jnp.inf)

    def row_logsumexp(logits):
        # Empty rows are replaced before the logarithm, whose derivative there is not finite.
        filled = ~jnp.all(jnp.isneginf(logits), axis=-1)
        lse = jax.nn.logsumexp(jnp.where(filled[..., None], logits, 0), axis=-1)
        return jnp.where(filled, lse, -jnp.inf)

    def weights(logits, f):
        return jnp.exp((f[..., :, None] + f[..., None, :]) + logits)

    def row_sums(matrix):
        return matrix.sum(-1)

    def matvec(matrix, x):
        return jnp.einsum("...ij,...j->...i", matrix, x)

    log_m = jnp.zeros(logits.shape[:-1], logits.dtype)
    functions = (row_logsumexp, weights, row_sums, matvec)
    f = _solve(logits, log_m, *functions, iterations, gradient)
    scaled = weights(logits, f)
    sums = scaled.sum(-1)
    return Scaling(scaled, jnp.where(sums > 0, jnp.abs(sums - 1), 0))


def _solve(
    logits, log_m, row_logsumexp, weights, row_sums, matvec, iterations: int, gradient: str
) -> Array:
    """Potentials after `iterations` damped steps from f = 0; empty rows keep f = 0.

    Only the first step needs the maximum of each row: after it A_ij ≤ √(m_i m_j), and every further step keeps that.
    """
    tiny = jnp.finfo(log_m.dtype).tiny

    lse = row_logsumexp(logits)
    filled = ~jnp.isneginf(lse)
    first = jnp.where(filled, 0.5 * (log_m - jnp.where(filled, lse, 0)), 0)

    def equation(logits, f):
        """Zero at the solution: log Σ_j A_ij − log m_i."""
        # A sum that underflows counts as the smallest number: a large step towards the solution.
        sums = jnp.maximum(row_sums(weights(logits, f)), tiny)
        return jnp.where(filled, jnp.log(sums) - log_m, 0)

    def run(logits, f):
        def step(f, _):
            return f - 0.5 * equation(logits, f), None

        return jax.lax.scan(step, f, None, length=iterations - 1)[0]

    if gradient == "unrolled":
        return run(logits, first)

    solution = run(*jax.lax.stop_gradient((logits, first)))
    a = weights(jax.lax.stop_gradient(logits), solution)
    d = row_sums(a)
    d = jnp.where(d > 0, d, 1)

    def jacobian(x):
        # Of the equation, times the row sums D: D + A, symmetric and positive semi-definite.
        return d * x + matvec(a, x)

    def tangent_solve(_, b):
        return jax.lax.custom_linear_solve(
            jacobian,
            d * b,
            lambda _, y: jax.scipy.sparse.linalg.cg(jacobian, y, tol=1e-6, maxiter=200)[0],
            symmetric=True,
        )

    return jax.lax.custom_root(
        lambda f: equation(logits, f), solution, lambda _, f: f, tangent_solve
    )
