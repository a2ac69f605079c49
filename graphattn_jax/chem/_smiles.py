"""Graphs from SMILES, the usual text form of molecules."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, Literal, NamedTuple

import numpy as np

from graphattn_jax import _checks
from graphattn_jax.chem._features import FEATURES, Features
from graphattn_jax.chem._rdkit import import_chem, parse, read_smiles
from graphattn_jax.graphs import GraphsTuple, take


class Molecules(NamedTuple):
    """What became of a list of SMILES.

    Args:
      graphs: a batch of the molecules that could be read.
      rows: `[G]` int64, the position of each in the list.
      skipped: `[K]` int64, the positions of those that could not be read.

    Example:
      >>> import graphattn_jax as ga
      >>> molecules = ga.chem.from_smiles_list(["CO", "C1C"], on_error="skip")
      >>> molecules.rows.tolist(), molecules.skipped.tolist()
      ([0], [1])
    """

    graphs: GraphsTuple
    rows: np.ndarray
    skipped: np.ndarray


def from_smiles(
    smiles: str, *, features: Literal["ogb", "zinc"] = "ogb", strict_valence: bool = True
) -> GraphsTuple:
    """One molecule as a graph: `from_smiles_list` for a single text.

    Args:
      smiles: the molecule.
      features: columns of integers, as in `from_smiles_list`.
      strict_valence: as in `from_smiles_list`.

    Returns:
      A `GraphsTuple` of one graph with integer columns `nodes` `[N, F]` and `edges` `[E, D]`; each
      bond is two edges.

    Raises:
      ValueError: `smiles` is no molecule, or has what the features have no place for.
      ImportError: RDKit is not installed.

    Cost: O(atoms + bonds), below a millisecond for a drug-like molecule.

    Example:
      >>> import graphattn_jax as ga
      >>> methanol = ga.chem.from_smiles("CO")
      >>> methanol.nodes[:, 0].tolist(), methanol.senders.tolist(), methanol.edges.tolist()
      ([5, 7], [0, 1], [[0, 0, 0], [0, 0, 0]])

    Source: features: Hu et al., "Open Graph Benchmark", NeurIPS 2020, arXiv:2005.00687; Dwivedi et
      al., "Benchmarking Graph Neural Networks", JMLR 2023, arXiv:2003.00982.
    """
    if not isinstance(smiles, str):
        raise ValueError(f"smiles must be a string, got {_checks.describe(smiles)}.")
    return from_smiles_list([smiles], features=features, strict_valence=strict_valence).graphs


def from_smiles_list(
    smiles: Sequence[str],
    *,
    features: Literal["ogb", "zinc"] = "ogb",
    on_error: Literal["raise", "skip"] = "raise",
    strict_valence: bool = True,
) -> Molecules:
    """Many molecules as one batch of graphs.

    Atoms are nodes, in the order of the text, hydrogens left out; each bond is two edges i → j and
    j → i, one after the other. An atom without bonds is a graph of one node.

    Features are columns of integers, to be embedded; their numbers of values are `ATOM_SIZES` and
    `BOND_SIZES`:

        "ogb"   atom   element - 1, chirality, degree, charge + 5, hydrogens, radical electrons,
                       hybridisation, in an aromatic ring, in a ring
                bond   type, stereo, conjugated
        "zinc"  atom   the 28 types of the ZINC benchmark: element, charge, and the number of
                       hydrogens of charged atoms, stereo centres and phosphorus
                bond   1 single, 2 double, 3 triple; aromatic rings have alternating bonds

    `"ogb"` has a place for everything (the last value of a column), `"zinc"` has not.

    Args:
      smiles: G strings: a list, an array, a column of a data frame. Rows without a text (None, NaN, pandas' NA) are as
        texts that are no molecule.
      features: `"ogb"` or `"zinc"`.
      on_error: what to do with texts that are no molecule: `"raise"` an error that lists them, or
        `"skip"` them and say which.
      strict_valence: False also takes atoms with more bonds than RDKit's rules allow, such as some
        metals in older data sets. What is allowed changes with RDKit's version.

    Returns:
      `Molecules(graphs, rows, skipped)`; `graphs` has `nodes` `[N, F]` and `edges` `[E, D]` int32.

    Raises:
      ValueError: `smiles` are not strings; with `"raise"`, texts that are no molecule or that have
        an atom or bond outside of the features, with their positions.
      ImportError: RDKit is not installed.

    Cost: O(atoms + bonds) with a few calls of RDKit each: ten seconds for 10,000 drug-like molecules.

    Example:
      >>> import graphattn_jax as ga
      >>> graphs, rows, skipped = ga.chem.from_smiles_list(["CCO", "no molecule", "[Na+].[Cl-]"],
      ...     on_error="skip")
      >>> graphs.n_node.tolist(), graphs.n_edge.tolist(), skipped.tolist()
      ([3, 2], [4, 0], [1])

    Source: Hu et al., "Open Graph Benchmark", NeurIPS 2020, arXiv:2005.00687 (features `"ogb"`);
      Dwivedi et al., "Benchmarking Graph Neural Networks", JMLR 2023, arXiv:2003.00982 (`"zinc"`).
    """
    texts = read_smiles(smiles)
    _checks.choice("features", features, FEATURES)
    _checks.choice("on_error", on_error, ("raise", "skip"))
    chem = import_chem("from_smiles")
    with _silence():
        parsed = [parse(chem, text, strict_valence=strict_valence) for text in texts]
    readable = np.array([molecule is not None for molecule in parsed], bool)
    rows = np.flatnonzero(readable)
    kinds = FEATURES[features]
    graphs = _graphs(chem, [parsed[row] for row in rows], kinds)
    fits = _fits(graphs)
    if not fits.all():
        graphs, rows = take(graphs, np.flatnonzero(fits)), rows[fits]
    skipped = np.setdiff1d(np.arange(len(parsed)), rows)
    if len(skipped) and on_error == "raise":
        raise ValueError(_message(texts, skipped, readable, features))
    return Molecules(graphs, rows, skipped)


def _graphs(chem: Any, molecules: list[Any], kinds: Features) -> GraphsTuple:
    if kinds.kekulize:
        for molecule in molecules:
            chem.Kekulize(molecule, clearAromaticFlags=True)
    atoms = [kinds.atom(atom) for molecule in molecules for atom in molecule.GetAtoms()]
    bonds = [
        (bond.GetBeginAtomIdx(), bond.GetEndAtomIdx(), *kinds.bond(bond))
        for molecule in molecules
        for bond in molecule.GetBonds()
    ]
    num_atom, num_bond = kinds.num_raw
    n_node = np.array([molecule.GetNumAtoms() for molecule in molecules], np.int32)
    n_bond = np.array([molecule.GetNumBonds() for molecule in molecules], np.int32)
    ends, raw = np.split(_matrix(bonds, 2 + num_bond), [2], axis=1)
    ends = ends + np.repeat(np.cumsum(n_node) - n_node, n_bond)[:, None]
    return GraphsTuple(
        nodes=kinds.atom_columns(_matrix(atoms, num_atom)).astype(np.int32),
        edges=np.repeat(kinds.bond_columns(raw), 2, axis=0).astype(np.int32),
        senders=ends.reshape(-1).astype(np.int32),
        receivers=ends[:, ::-1].reshape(-1).astype(np.int32),
        globals=None,
        n_node=n_node,
        n_edge=2 * n_bond,
    )


def _matrix(rows: list[tuple[int, ...]], width: int) -> np.ndarray:
    flat = np.fromiter(chain.from_iterable(rows), np.int64, len(rows) * width)
    return flat.reshape(-1, width)


def _fits(graphs: GraphsTuple) -> np.ndarray:
    """`[G]` bool: the graphs whose every atom and bond has a place in the features."""
    owner = np.arange(len(graphs.n_node))
    outside = np.concatenate(
        [
            np.repeat(owner, graphs.n_node)[(graphs.nodes < 0).any(axis=1)],
            np.repeat(owner, graphs.n_edge)[(graphs.edges < 0).any(axis=1)],
        ]
    )
    return np.bincount(outside, minlength=len(owner)) == 0


def _message(
    smiles: list[str | None], skipped: np.ndarray, readable: np.ndarray, features: str
) -> str:
    def reason(row: int) -> str:
        if smiles[row] is None:
            return "missing"
        outside = f"has an atom or bond outside of {features!r}"
        return f"{smiles[row]!r} ({outside if readable[row] else 'no molecule'})"

    shown = "; ".join(f"{row}: {reason(row)}" for row in skipped[:10])
    more = f"; and {len(skipped) - 10} more" if len(skipped) > 10 else ""
    return (
        f"{len(skipped)} of {len(smiles)} smiles cannot be read, by position: {shown}{more}. "
        "Fix: correct them, or on_error='skip'; strict_valence=False takes unusual valences."
    )


def _silence() -> Any:
    """No messages of RDKit's own on standard error: the errors here say more."""
    from rdkit.rdBase import BlockLogs

    return BlockLogs()
