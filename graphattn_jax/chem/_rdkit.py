"""RDKit, imported when it is used, and its parser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphattn_jax import _checks


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


def parse(chem: Any, smiles: str | None, *, strict_valence: bool) -> Any:
    """The molecule, or None if the text is none or has no atoms."""
    if smiles is None:
        return None
    molecule = chem.MolFromSmiles(smiles)
    if molecule is None and not strict_valence:
        molecule = chem.MolFromSmiles(smiles, sanitize=False)
        if molecule is not None:
            molecule.UpdatePropertyCache(strict=False)
            steps = chem.SANITIZE_ALL ^ chem.SANITIZE_PROPERTIES
            failed = chem.SanitizeMol(molecule, steps, catchErrors=True)
            molecule = None if failed else molecule
    return molecule if molecule is not None and molecule.GetNumAtoms() else None


def read_smiles(smiles: Any) -> list[str | None]:
    """A list, an array or a column of a data frame as a list; None where there is nothing."""
    is_column = len(getattr(smiles, "shape", ())) == 1 and hasattr(smiles, "__array__")
    if isinstance(smiles, (str, bytes)) or not (isinstance(smiles, Sequence) or is_column):
        raise ValueError(
            f"smiles must be a sequence of strings, got {_checks.describe(smiles)}. "
            "Fix: a list, or a column of a table; for one molecule use from_smiles."
        )
    texts = [None if _is_missing(text) else text for text in smiles]
    for row, text in enumerate(texts):
        if not (text is None or isinstance(text, str)):
            raise ValueError(f"smiles must be strings, got {text!r} at position {row}.")
    return texts


def _is_missing(text: Any) -> bool:
    """None, NaN, or what pandas has for them, which answers no comparison."""
    is_nan = isinstance(text, (float, np.floating)) and bool(np.isnan(text))
    return text is None or is_nan or type(text).__name__ in ("NAType", "NaTType")
