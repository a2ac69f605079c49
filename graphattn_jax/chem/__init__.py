"""Molecules as graphs: atoms are nodes, bonds edges in both directions. Needs the extra `chem` (RDKit).

RDKit is imported by the functions that need it, not with this package.
"""

from graphattn_jax.chem._draw import draw_attention
from graphattn_jax.chem._features import ATOM_SIZES, BOND_SIZES
from graphattn_jax.chem._predict import predict
from graphattn_jax.chem._pyg_columns import from_pyg_columns
from graphattn_jax.chem._scaffolds import murcko_scaffolds
from graphattn_jax.chem._smiles import Molecules, from_smiles, from_smiles_list

__all__ = [
    "ATOM_SIZES",
    "BOND_SIZES",
    "Molecules",
    "draw_attention",
    "from_pyg_columns",
    "from_smiles",
    "from_smiles_list",
    "murcko_scaffolds",
    "predict",
]
