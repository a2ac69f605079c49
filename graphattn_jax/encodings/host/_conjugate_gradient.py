"""Conjugate gradients for several right-hand sides at once."""

from __future__ import annotations

import numpy as np
import scipy.sparse


def conjugate_gradient(
    matrix: scipy.sparse.csr_array,
    targets: np.ndarray,
    *,
    tolerance: float,
    max_steps: int = 10_000,
) -> np.ndarray:
    """`[N, K]` solutions X of M X = Y, with the diagonal of M as preconditioner.

    M is symmetric and positive semidefinite, as a Laplacian is, and each column of Y is orthogonal to its null space
    (sums to zero over every component); so are then all steps. A column that is solved stays as it is: what is left of
    its residual is rounding errors, which further steps would follow to anywhere.

    Args:
      matrix: M `[N, N]`. Rows without entries get 0.
      targets: Y `[N, K]` float64.
      tolerance: a column is solved where √(rᵀ D⁻¹ r) has shrunk to this part of its start, or to rounding errors.
      max_steps: when to give up.

    Raises:
      ValueError: the tolerance is not reached.
    """
    diagonal = matrix.diagonal()[:, None]
    scale = np.divide(1.0, diagonal, out=np.zeros_like(diagonal), where=diagonal > 0)
    solution, residual = np.zeros_like(targets), targets.copy()
    direction = scale * residual
    size = np.einsum("nk,nk->k", residual, direction)
    enough = max(tolerance, np.finfo(np.float64).eps) ** 2 * size
    for _ in range(max_steps):
        unsolved = size > enough
        if not unsolved.any():
            return solution
        image = matrix @ direction
        length = _ratio(size, np.einsum("nk,nk->k", direction, image), unsolved)
        solution += length * direction
        residual -= length * image
        scaled = scale * residual
        last, size = size, np.einsum("nk,nk->k", residual, scaled)
        direction = scaled + _ratio(size, last, unsolved) * direction
    raise ValueError(
        f"tolerance={tolerance} is not reached in {max_steps} steps of conjugate gradients: the graph has very long "
        "paths. Fix: method='exact', which is fast for such graphs, or a larger tolerance."
    )


def _ratio(above: np.ndarray, below: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Quotients, 0 elsewhere."""
    return np.divide(above, below, out=np.zeros_like(above), where=where & (below > 0))
