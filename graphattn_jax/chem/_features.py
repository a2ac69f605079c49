"""Integer columns that describe atoms and bonds: numbers out of RDKit, then tables over all at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

ATOM_SIZES: dict[str, tuple[int, ...]] = {"ogb": (119, 5, 12, 12, 10, 6, 6, 2, 2), "zinc": (28,)}
"""Number of values of each column of `nodes`, by name of the features: the sizes of embeddings."""

BOND_SIZES: dict[str, tuple[int, ...]] = {"ogb": (5, 6, 2), "zinc": (4,)}
"""Number of values of each column of `edges`, by name of the features."""


class Features(NamedTuple):
    """How to describe molecules: what to ask RDKit, and what the answers mean.

    Args:
      atom: an atom to its raw numbers.
      bond: a bond to its raw numbers.
      atom_columns: raw `[N, R]` to `[N, F]` int32; -1 for what has no place.
      bond_columns: raw `[M, S]` to `[M, D]` int32; -1 for what has no place.
      num_raw: R and S.
      kekulize: whether aromatic bonds become single and double ones.
    """

    atom: Callable[[Any], tuple[int, ...]]
    bond: Callable[[Any], tuple[int, ...]]
    atom_columns: Callable[[np.ndarray], np.ndarray]
    bond_columns: Callable[[np.ndarray], np.ndarray]
    num_raw: tuple[int, int]
    kekulize: bool


def _table(size: int, default: int, values: dict[int, int]) -> np.ndarray:
    table = np.full(size, default, np.int32)
    table[list(values)] = list(values.values())
    return table


# RDKit's enumerations as integers -> places in OGB's lists.
_HYBRIDIZATION = _table(9, 5, {2: 0, 3: 1, 4: 2, 6: 3, 7: 4})  # sp, sp2, sp3, sp3d, sp3d2; others
_BOND_TYPE = _table(22, 4, {1: 0, 2: 1, 3: 2, 12: 3})  # single, double, triple, aromatic; others
_STEREO = _table(8, 5, {0: 0, 2: 1, 3: 2, 4: 3, 5: 4})  # none, Z, E, cis, trans; any


def _ogb_atom(atom: Any) -> tuple[int, ...]:
    return (
        atom.GetAtomicNum(),
        int(atom.GetChiralTag()),
        atom.GetTotalDegree(),
        atom.GetFormalCharge(),
        atom.GetTotalNumHs(),
        atom.GetNumRadicalElectrons(),
        int(atom.GetHybridization()),
        atom.GetIsAromatic(),
        atom.IsInRing(),
    )


def _ogb_atom_columns(raw: np.ndarray) -> np.ndarray:
    element, chirality, degree, charge, hydrogens, radicals, hybridization, aromatic, ring = raw.T
    return np.stack(
        [
            np.where((element >= 1) & (element <= 118), element - 1, 118),
            np.minimum(chirality, 4),
            np.minimum(degree, 11),
            np.where(np.abs(charge) <= 5, charge + 5, 11),
            np.minimum(hydrogens, 9),
            np.minimum(radicals, 5),
            _HYBRIDIZATION[hybridization],
            aromatic,
            ring,
        ],
        axis=1,
    )


def _ogb_bond(bond: Any) -> tuple[int, ...]:
    return int(bond.GetBondType()), int(bond.GetStereo()), bond.GetIsConjugated()


def _ogb_bond_columns(raw: np.ndarray) -> np.ndarray:
    kind, stereo, conjugated = raw.T
    return np.stack([_BOND_TYPE[kind], _STEREO[stereo], conjugated], axis=1)


# (atomic number, hydrogens, charge) in the order of the benchmark's ids.
_ZINC_ATOMS = np.array(
    [
        *((6, 0, 0), (8, 0, 0), (7, 0, 0), (9, 0, 0), (6, 1, 0), (16, 0, 0), (17, 0, 0)),
        *((8, 0, -1), (7, 1, 1), (35, 0, 0), (7, 3, 1), (7, 2, 1), (7, 0, 1), (7, 0, -1)),
        *((16, 0, -1), (53, 0, 0), (15, 0, 0), (8, 1, 1), (7, 1, -1), (8, 0, 1), (16, 0, 1)),
        *((15, 1, 0), (15, 2, 0), (6, 2, -1), (15, 0, 1), (16, 1, 1), (6, 1, -1), (15, 1, 1)),
    ]
)


def _zinc_code(element: np.ndarray, hydrogens: np.ndarray, charge: np.ndarray) -> np.ndarray:
    return (element * 16 + hydrogens) * 16 + charge + 8


def _zinc_atom(atom: Any) -> tuple[int, ...]:
    chiral = int(atom.GetChiralTag()) > 0
    return atom.GetAtomicNum(), atom.GetTotalNumHs(), atom.GetFormalCharge(), chiral


def _zinc_atom_columns(raw: np.ndarray) -> np.ndarray:
    element, hydrogens, charge, chiral = raw.T
    written = (charge != 0) | (chiral != 0) | (element == 15)
    codes = _zinc_code(element, np.where(written, hydrogens, 0), charge)
    matches = codes[:, None] == _zinc_code(*_ZINC_ATOMS.T)
    return np.where(matches.any(axis=1), matches.argmax(axis=1), -1)[:, None]


def _zinc_bond(bond: Any) -> tuple[int, ...]:
    return (int(bond.GetBondType()),)


def _zinc_bond_columns(raw: np.ndarray) -> np.ndarray:
    return np.where((raw >= 1) & (raw <= 3), raw, -1)


FEATURES = {
    "ogb": Features(_ogb_atom, _ogb_bond, _ogb_atom_columns, _ogb_bond_columns, (9, 3), False),
    "zinc": Features(_zinc_atom, _zinc_bond, _zinc_atom_columns, _zinc_bond_columns, (4, 1), True),
}
