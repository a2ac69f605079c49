"""RDKit, imported when it is used, and its parser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def import_chem(function: str) -> Any:
    """The module `rdkit.Chem`, or an error that says how to get it."""
    try:
        from rdkit import Chem
    except ImportError as error:
        raise ImportError(
            f"{function} needs RDKit, which is not installed. "
            'Fix: pip install ".[chem]" in a clone of graphattn_jax, or pip install rdkit.'
        ) from error
    return Chem


def parse(chem: Any, smiles: str, *, strict_valence: bool) -> Any:
    """The molecule, or None if the text is none or has no atoms."""
    molecule = chem.MolFromSmiles(smiles)
    if molecule is None and not strict_valence:
        molecule = chem.MolFromSmiles(smiles, sanitize=False)
        if molecule is not None:
            molecule.UpdatePropertyCache(strict=False)
            steps = chem.SANITIZE_ALL ^ chem.SANITIZE_PROPERTIES
            failed = chem.SanitizeMol(molecule, steps, catchErrors=True)
            molecule = None if failed else molecule
    return molecule if molecule is not None and molecule.GetNumAtoms() else None


def check_smiles(smiles: Any) -> None:
    """A sequence of strings."""
    if isinstance(smiles, str) or not isinstance(smiles, Sequence):
        raise ValueError(
            f"smiles must be a sequence of strings, got {type(smiles).__name__}. "
            "Fix: a list; for one molecule use from_smiles."
        )
    bad = next((i for i, text in enumerate(smiles) if not isinstance(text, str)), None)
    if bad is not None:
        raise ValueError(
            f"smiles must be strings, got {smiles[bad]!r} at position {bad}. "
            "Fix: drop rows without a molecule."
        )
