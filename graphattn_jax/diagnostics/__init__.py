"""Measures of attention: how symmetric it is, how doubly stochastic, and which relations it goes to."""

from graphattn_jax.diagnostics._parameters import (
    parameter_symmetry_error,
    symmetry_score,
)
from graphattn_jax.diagnostics._relations import (
    RelationTable,
    metapath_table,
    plot_relations,
    relation_table,
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
    "RelationTable",
    "Symmetry",
    "diagonal_mass",
    "metapath_table",
    "off_diagonal_symmetry_error",
    "parameter_symmetry_error",
    "plot_relations",
    "relation_table",
    "row_column_sums",
    "symmetry",
    "symmetry_error",
    "symmetry_score",
    "unordered_pairs",
]
