"""The smallest eigenpairs of one large sparse Laplacian, none of them missing.

Three solvers, in an order that depends on the matrix; the next one is asked where one does not converge.

    shift and invert    products with (L + εI)⁻¹: few iterations whatever the spectrum, and a sparse factorisation,
                        which costs nothing on rings, trees and grids and fills up on expanders and small worlds
    Chebyshev filter    products with a polynomial in L that is large on the wanted end of the spectrum: fast where the
                        factor fills up, gaps or not; hopeless on rings, and it gives up on them early
    dense               always converges, in O(n³)

A Lanczos iteration sees one direction of each eigenspace, so it returns pairs with perfect residuals and without the
copies of multiple eigenvalues: of the 12 copies of the second eigenvalue of the 12-dimensional hypercube ARPACK
finds 3. Therefore the pairs found are deflated and the search is repeated until it finds nothing smaller.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse
import scipy.sparse.csgraph
import scipy.sparse.linalg

RESIDUAL = 1e-6
"""Largest accepted ‖L v − λ v‖ of a unit vector v, relative to the bound 2 max L_ii of ‖L‖."""

FACTOR_OPERATIONS = 5e8
"""A factorisation that costs at most this, by `factor_operations`, is tried first."""

_SHIFT = 1e-6  # relative to ‖L‖: below the eigenvalues that matter, far above rounding errors
_TOLERANCE = 1e-9
_MARGIN = 1e-2  # relative to ‖L‖: how well the filter has to know where the wanted eigenvalues end
_AMPLIFICATION = 1e4  # of the eigenvalue 0 by the filter; the other pairs lose as many digits
_PRODUCTS = 5000  # about the most of products with L before the filter gives up

Pairs = tuple[np.ndarray, np.ndarray]
Matrix = scipy.sparse.csr_array
Apply = Callable[[np.ndarray], np.ndarray]


def smallest_eigenpairs(matrix: Matrix, count: int) -> Pairs:
    """`(values [count], vectors [n, count])`, ascending, of a connected component's symmetric Laplacian."""
    if _size(matrix) < 4 * count:  # a Krylov basis would be as large as the matrix
        return dense(matrix, count)
    solvers = [shift_invert, chebyshev]
    if factor_operations(matrix) > FACTOR_OPERATIONS:
        solvers.reverse()
    for solver in solvers:
        vectors = solver(matrix, count)
        if vectors is not None:
            image = matrix @ vectors
            values = np.sum(vectors * image, axis=0)
            residuals = np.linalg.norm(image - vectors * values, axis=0)
            if residuals.max() <= RESIDUAL * norm_bound(matrix):
                order = np.argsort(values)
                return values[order], vectors[:, order]
    return dense(matrix, count)


def dense(matrix: Matrix, count: int) -> Pairs:
    """By LAPACK."""
    return scipy.linalg.eigh(matrix.toarray(), subset_by_index=[0, count - 1])


def chebyshev(matrix: Matrix, count: int) -> np.ndarray | None:
    """By products with T_d(S), S = I + 2 (aI − L) / (c − a): at most 1 on [a, c ≥ ‖L‖], and growing fast below a.

    The Ritz value number `count` of a few Lanczos steps on L itself is at least λ_count, and so is a, a margin above.
    """
    size, upper = _size(matrix), norm_bound(matrix)
    start = np.random.default_rng(0).normal(size=size)
    ritz = _arpack(lambda x: upper * x - matrix @ x, start, count, tol=_MARGIN, maxiter=20)
    if ritz is None:
        return None
    edge = min(upper - ritz[0].min() + _MARGIN * upper, 0.9 * upper)
    stretch = 2.0 / (upper - edge)
    step = scipy.sparse.csr_array(
        (1 + stretch * edge) * scipy.sparse.eye_array(size) - stretch * matrix
    )
    degree = math.ceil(math.acosh(_AMPLIFICATION) / math.acosh(1 + stretch * edge))

    def apply(x: np.ndarray) -> np.ndarray:
        previous, current = x, step @ x
        for _ in range(degree - 1):
            previous, current = current, 2 * (step @ current) - previous
        return current

    return _largest(apply, size, count, maxiter=_PRODUCTS // (10 * degree))  # ten steps per restart


def shift_invert(matrix: Matrix, count: int) -> np.ndarray | None:
    """By products with (L + εI)⁻¹."""
    size = _size(matrix)
    shift = _SHIFT * norm_bound(matrix)
    factors = scipy.sparse.linalg.splu(
        scipy.sparse.csc_array(matrix + shift * scipy.sparse.eye_array(size)),
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )
    return _largest(factors.solve, size, count, maxiter=40)


def _size(matrix: Matrix) -> int:
    return len(matrix.indptr) - 1


def norm_bound(matrix: Matrix) -> float:
    """2 max L_ii ≥ ‖L‖: the Laplacian with the signs of its off-diagonal turned is positive semidefinite too."""
    return 2.0 * float(matrix.diagonal().max())


def factor_operations(matrix: Matrix) -> float:
    """Operations of a Cholesky factorisation in the envelope of the reverse Cuthill-McKee order, an upper bound."""
    order = scipy.sparse.csgraph.reverse_cuthill_mckee(matrix, symmetric_mode=True)
    position = np.empty(len(order), np.int64)
    position[order] = np.arange(len(order))
    columns = position[matrix.indices]
    first = np.minimum.reduceat(columns, matrix.indptr[:-1])  # of each row; no row is empty
    return float(np.sum(np.maximum(position - first, 0.0) ** 2))


class _Operator(scipy.sparse.linalg.LinearOperator):
    """A symmetric map of vectors, as ARPACK wants it."""

    def __init__(self, apply: Apply, size: int) -> None:
        super().__init__(np.float64, (size, size))
        self._apply = apply

    def _matvec(self, x: np.ndarray) -> np.ndarray:
        return self._apply(x.ravel())


def _arpack(apply: Apply, start: np.ndarray, count: int, **options: Any) -> Pairs | None:
    """The largest eigenpairs of a symmetric operator; None = no convergence."""
    try:
        values, vectors = scipy.sparse.linalg.eigsh(
            _Operator(apply, len(start)), count, which="LA", v0=start, **options
        )
    except scipy.sparse.linalg.ArpackError:  # also its subclass for no convergence
        return None
    return values, vectors


def _largest(apply: Apply, size: int, count: int, *, maxiter: int) -> np.ndarray | None:
    """Eigenvectors `[size, count]` of the largest eigenvalues with all their copies; None = no convergence."""
    rng = np.random.default_rng(0)
    values, vectors = np.zeros(0), np.zeros((size, 0))
    wanted = count

    def deflated(x: np.ndarray) -> np.ndarray:
        """A x − V Θ Vᵀ x: the eigenpairs (Θ, V) found before have the eigenvalue 0."""
        return apply(x) - vectors @ (values * (vectors.T @ x))

    for _ in range(count + 2):  # at most `count` are missing
        start = rng.normal(size=size)
        start -= vectors @ (vectors.T @ start)
        pairs = _arpack(deflated, start, wanted, tol=_TOLERANCE, maxiter=maxiter)
        if pairs is None:
            return None
        found, more = pairs
        if len(values):
            new = found > values[-1] * (1.0 + 10 * _TOLERANCE)
            if not new.any():
                return vectors
            found, more = found[new], more[:, new]
        values, vectors = np.concatenate([values, found]), np.concatenate([vectors, more], axis=1)
        order = np.argsort(-values)[:count]
        values, vectors = values[order], vectors[:, order]
        wanted = 1
    return None
