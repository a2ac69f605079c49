"""Measures of attention: how symmetric it is, and how doubly stochastic."""

from graphattn_jax.diagnostics._parameters import (
    parameter_symmetry_error,
    symmetry_score,
)
from graphattn_jax.diagnostics._sums import diagonal_mass, row_column_sums
from graphattn_jax.diagnostics._symmetry import (
    Symmetry,
    off_diagonal_symmetry_error,
    symmetry,
    symmetry_error,
    unordered_pairs,
)

__all__ = [
    "Symmetry",
    "diagonal_mass",
    "off_diagonal_symmetry_error",
    "parameter_symmetry_error",
    "row_column_sums",
    "symmetry",
    "symmetry_error",
    "symmetry_score",
    "unordered_pairs",
]
