"""Symmetric Sinkhorn scaling of edge weights, and its dense counterpart."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax._dtypes import wide
from graphattn_jax.ops._pattern import Edges, check_edges
from graphattn_jax.ops._segment import segment_logsumexp, segment_sum, take
from graphattn_jax.typing import Array, ArrayLike

__all__ = ["Scaling", "dense_sinkhorn", "sinkhorn"]

GRADIENTS = ("unrolled", "implicit")


class Scaling(NamedTuple):
    """Scaled weights, and the absolute error of every row sum."""

    weights: Array
    residual: Array


def sinkhorn(
    logits: ArrayLike,
    edges: Edges,
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
      edges: the pattern on N nodes; every edge that takes part has its reverse in the list.
      where: `[E]` or `[E, H]` bool, True = take part, of the edges that are real; the same on an edge and its reverse.
      log_marginals: `[N, H]` log m; None = 0, doubly stochastic.
      iterations: static number of steps, ≥ 1.
      gradient: "unrolled" or "implicit". The implicit derivative solves (diag(m) + A) x = b by conjugate gradients.

    Returns:
      `Scaling(weights [E, H], residual [N, H])`, float32 (float64 for float64); the residual is
      |Σ_j A_ij − m_i|, 0 for nodes without edges.

    Raises:
      ValueError: shapes, `iterations` < 1, unknown `gradient`.

    Cost: O(iterations E H) time; memory too when unrolled, O(E H) when implicit.
    Padding: exact.

    Example:
      >>> import numpy as np, jax.numpy as jnp, graphattn_jax as ga
      >>> edges = ga.ops.Edges(jnp.array([0, 1, 0, 1]), jnp.array([1, 0, 0, 1]), num_senders=2)
      >>> out = ga.ops.sinkhorn(jnp.array([[2.], [2.], [0.], [0.]]), edges)
      >>> np.asarray(out.weights[:, 0], float).round(3).tolist()
      [0.881, 0.881, 0.119, 0.119]

    Source: Sinkhorn & Knopp 1967; damped symmetric form after Knight, Ruiz & Uçar, SIAM J. Matrix Anal. 2014.
    """
    logits = jnp.asarray(logits)
    check_edges(edges)
    _checks.shape("logits", logits, (edges.num_edges, "H"))
    _checks.floating("logits", logits)
    if edges.is_bipartite:
        raise ValueError("edges must have the same nodes on both sides, got a bipartite pattern.")
    _checks.positive("iterations", iterations)
    _checks.choice("gradient", gradient, GRADIENTS)
    logits = wide(logits)
    senders, receivers = jnp.asarray(edges.senders), jnp.asarray(edges.receivers)
    num_nodes = edges.num_senders
    if edges.mask is not None:
        logits = jnp.where(jnp.asarray(edges.mask)[:, None], logits, -jnp.inf)
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
        return _exp(logits, take(f, receivers) + take(f, senders))

    def row_sums(edge_weights):
        return segment_sum(edge_weights, receivers, num_nodes)

    def matvec(edge_weights, x):
        return row_sums(edge_weights * take(x, senders))

    functions = (row_logsumexp, weights, row_sums, matvec)
    return _scale(logits, log_m, *functions, iterations, gradient)


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
    _checks.choice("gradient", gradient, GRADIENTS)
    logits = wide(logits)
    if where is not None:
        logits = jnp.where(jnp.broadcast_to(jnp.asarray(where), logits.shape), logits, -jnp.inf)

    def row_logsumexp(logits):
        # Empty rows are replaced before the logarithm, whose derivative there is not finite.
        filled = ~jnp.all(jnp.isneginf(logits), axis=-1)
        lse = jax.nn.logsumexp(jnp.where(filled[..., None], logits, 0), axis=-1)
        return jnp.where(filled, lse, -jnp.inf)

    def weights(logits, f):
        return _exp(logits, f[..., :, None] + f[..., None, :])

    def row_sums(matrix):
        return matrix.sum(-1)

    def matvec(matrix, x):
        return jnp.einsum("...ij,...j->...i", matrix, x)

    log_m = jnp.zeros(logits.shape[:-1], logits.dtype)
    functions = (row_logsumexp, weights, row_sums, matvec)
    return _scale(logits, log_m, *functions, iterations, gradient)


def _scale(
    logits, log_m, row_logsumexp, weights, row_sums, matvec, iterations: int, gradient: str
) -> Scaling:
    """After `iterations` damped steps from f = 0; empty rows keep f = 0.

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
        return jnp.where(filled, _log(sums) - log_m, 0)

    def run(logits, f):
        def step(f, _):
            return f - 0.5 * equation(logits, f), None

        return jax.lax.scan(step, f, None, length=iterations - 1)[0]

    if gradient == "unrolled":
        f = run(logits, first)
    else:
        f = _with_implicit_derivative(
            equation,
            logits,
            run(*jax.lax.stop_gradient((logits, first))),
            weights,
            row_sums,
            matvec,
        )
    scaled = weights(logits, f)
    residual = jnp.where(filled, jnp.abs(row_sums(scaled) - jnp.exp(log_m)), 0)
    return Scaling(scaled, residual)


def _with_implicit_derivative(equation, logits, solution, weights, row_sums, matvec) -> Array:
    """The solution of `equation`, with the derivatives that the implicit function theorem gives."""
    a = weights(jax.lax.stop_gradient(logits), solution)
    a = jnp.where(jnp.isfinite(a), a, 0)
    d = row_sums(a)
    present = d > jnp.finfo(d.dtype).tiny
    d = jnp.where(present, d, 1)
    # D + A is singular where a component is bipartite: f_i + f_j does not see what is added on one side and taken from
    # the other. With a little more than D, rounding errors in that direction stay what they are.
    more = (1 + 16 * jnp.finfo(d.dtype).eps) * d

    def solve(_, y):
        # Conjugate gradients take products over all rows: a row that is NaN would be in each of them.
        finite = jnp.isfinite(y)
        x, _ = jax.scipy.sparse.linalg.cg(
            lambda x: more * x + matvec(a, x), jnp.where(finite, y, 0), tol=1e-6, maxiter=200
        )
        return jnp.where(finite, x, jnp.nan)

    def tangent_solve(jacobian, b):
        # Times the row sums D the Jacobian of the equation is D + A, symmetric and positive semi-definite.
        return jax.lax.custom_linear_solve(
            lambda x: jnp.where(present, d * jacobian(x), x), d * b, solve, symmetric=True
        )

    return jax.lax.custom_root(
        lambda f: equation(logits, f), solution, lambda _, f: f, tangent_solve
    )


def _exp(logits: Array, f: Array) -> Array:
    """exp(f + logits); 0 where a logit is -inf, whatever f holds there."""
    return jnp.exp(jnp.where(jnp.isneginf(logits), logits, f + logits))


@jax.custom_jvp
def _log(x: Array) -> Array:
    """The logarithm with the derivative exp(-log x): that of 1 / x, -1 / x², overflows for the smallest x."""
    return jnp.log(x)


@_log.defjvp
def _log_jvp(primals, tangents):
    y = _log(*primals)
    return y, tangents[0] * jnp.exp(-y)
