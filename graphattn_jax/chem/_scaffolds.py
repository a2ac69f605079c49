"""The ring systems of molecules and what links them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphattn_jax.chem._rdkit import import_chem, parse, read_smiles


def murcko_scaffolds(smiles: Sequence[str], *, chirality: bool = False) -> list[str]:
    """Bemis-Murcko scaffolds: rings and the chains between them, side chains cut off.

    Args:
      smiles: G strings: a list, an array, a column of a data frame.
      chirality: keep stereo centres, so that mirror images are different scaffolds.

    Returns:
      G canonical SMILES; `""` for a molecule without rings, and for a text that is no molecule.
      Unusual valences are taken.

    Raises:
      ValueError: `smiles` are not strings, or missing.
      ImportError: RDKit is not installed.

    Cost: a millisecond per molecule.

    Example:
      >>> import graphattn_jax as ga
      >>> ga.chem.murcko_scaffolds(["Cc1ccccc1", "OCC1CC1c1ccccc1", "CCO"])
      ['c1ccccc1', 'c1ccc(C2CC2)cc1', '']

    Source: Bemis, Murcko, "The Properties of Known Drugs. 1. Molecular Frameworks", J. Med. Chem.
      39, 1996.
    """
    texts = read_smiles(smiles)
    if missing := [row for row, text in enumerate(texts) if text is None]:
        raise ValueError(
            f"{len(missing)} of {len(texts)} smiles are missing, by position: {str(missing[:10])[1:-1]}"
            f"{', ...' if len(missing) > 10 else ''}. Fix: drop these rows."
        )
    chem = import_chem("murcko_scaffolds")
    from rdkit.rdBase import BlockLogs

    with BlockLogs():
        molecules = [parse(chem, text, strict_valence=False) for text in texts]
        return [
            "" if molecule is None else _scaffold(chem, molecule, chirality)
            for molecule in molecules
        ]


def _scaffold(chem: Any, molecule: Any, chirality: bool) -> str:
    scaffold = chem.MurckoDecompose(molecule)
    scaffold.ClearComputedProps()
    scaffold.UpdatePropertyCache(strict=False)
    chem.GetSymmSSSR(scaffold)
    return chem.MolToSmiles(scaffold, isomericSmiles=chirality)
