"""The columns of PyTorch Geometric's molecules as those of OGB."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphattn_jax import _checks
from graphattn_jax.chem._features import FEATURES
from graphattn_jax.graphs import GraphsTuple

# How many values PyG has for each column, and its places of the hybridisation in RDKit's enumeration.
_ATOM_VALUES = np.array([119, 9, 11, 12, 9, 5, 8, 2, 2])
_BOND_VALUES = np.array([22, 6, 2])
_HYBRIDIZATION = np.array([0, 1, 2, 3, 4, 6, 7, 8])


def from_pyg_columns(graph: GraphsTuple) -> GraphsTuple:
    """A molecule of PyG's `from_smiles` with the columns of `from_smiles` here, features "ogb".

    Both have nine columns per atom and three per bond, but not the same values: PyG counts elements from 0 (OGB from
    hydrogen), and has other lists of hybridisations, bond types (aromatic is 12) and stereo. Its values are
    outside of `ATOM_SIZES` and `BOND_SIZES`, and would be clipped by an embedding of these sizes.

    Args:
      graph: from `ga.graphs.from_pyg_data`, with integer `nodes` `[N, 9]` and `edges` `[E, 3]`, as PyG's
        MoleculeNet has them too.

    Returns:
      The graph with int32 columns within `ATOM_SIZES["ogb"]` and `BOND_SIZES["ogb"]`; edges keep their order.

    Raises:
      ValueError: other columns, or values that PyG does not have.

    Cost: O(N + E).

    Example:
      >>> import graphattn_jax as ga
      >>> carbon, single = [6, 0, 4, 5, 3, 0, 4, 0, 0], [1, 0, 0]
      >>> ethane = ga.graphs.from_pyg_data(
      ...     {"x": [carbon, carbon], "edge_index": [[0, 1], [1, 0]], "edge_attr": [single, single]}
      ... )
      >>> graph = ga.chem.from_pyg_columns(ethane)
      >>> bool((graph.nodes == ga.chem.from_smiles("CC").nodes).all()), graph.edges.tolist()
      (True, [[0, 0, 0], [0, 0, 0]])

    Source: features: Hu et al., "Open Graph Benchmark", NeurIPS 2020, arXiv:2005.00687.
    """
    atoms = _columns("nodes", graph.nodes, _ATOM_VALUES)
    bonds = _columns("edges", graph.edges, _BOND_VALUES)
    atoms[:, 3] -= 5  # the charge itself
    atoms[:, 6] = _HYBRIDIZATION[atoms[:, 6]]
    kinds = FEATURES["ogb"]
    return graph._replace(
        nodes=kinds.atom_columns(atoms).astype(np.int32),
        edges=kinds.bond_columns(bonds).astype(np.int32),
    )


def _columns(name: str, x: Any, values: np.ndarray) -> np.ndarray:
    """A copy of the columns, each within its values."""
    if not hasattr(x, "dtype") or not np.issubdtype(x.dtype, np.integer):
        raise ValueError(
            f"{name} must be integer columns of PyG's from_smiles, got {_checks.describe(x)}."
        )
    _checks.shape(name, x, ("N" if name == "nodes" else "E", len(values)))
    outside = np.argwhere((x < 0) | (x >= values))
    if len(outside):
        row, column = outside[0]
        raise ValueError(
            f"{name} has {x[row, column]} in row {row}, column {column}, where PyG's from_smiles has values below "
            f"{values[column]}."
        )
    return np.array(x, np.int64)
