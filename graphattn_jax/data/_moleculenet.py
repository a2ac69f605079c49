"""MoleculeNet: measured properties of molecules."""

from __future__ import annotations

import os
from typing import NamedTuple

import numpy as np

from graphattn_jax import _checks
from graphattn_jax.chem import from_smiles_list
from graphattn_jax.data._fetch import require_local
from graphattn_jax.data._files import floats, read_csv, read_npz, unreadable
from graphattn_jax.data._graph_dataset import GraphDataset, GraphSplit, graph_dataset


class _Set(NamedTuple):
    folder: str
    targets: tuple[str, ...]
    splits: tuple[str, ...]


_RANDOM = ("random122", "random123", "random124")
_SETS = {
    "esol": _Set("ESOL", ("measured log solubility in mols per litre",), _RANDOM),
    "freesolv": _Set("FreeSolv", ("expt",), _RANDOM),
    "bbbp": _Set("BBBP", ("p_np",), ("scaffold122",)),
    "tox21": _Set(
        "Tox21",
        (
            *("NR-AR", "NR-AR-LBD", "NR-AhR", "NR-Aromatase", "NR-ER", "NR-ER-LBD"),
            *("NR-PPAR-gamma", "SR-ARE", "SR-ATAD5", "SR-HSE", "SR-MMP", "SR-p53"),
        ),
        _RANDOM,
    ),
    "hiv": _Set("HIV", ("HIV_active",), ("scaffold122",)),
}
NAMES = tuple(_SETS)
_PARTS = ("train", "valid", "test")
_REGRESSION = ("esol", "freesolv")


def load_moleculenet(name: str, *, root: str | os.PathLike | None = None) -> GraphDataset:
    """Solubility, hydration, blood-brain barrier, toxicity and HIV sets of MoleculeNet.

    Reads `<NAME>/<NAME>.csv.gz` (a column `smiles` and one per target) and `<NAME>/splits.npz`
    (ids `<split>_train`, `<split>_valid`, `<split>_test`).

        name          molecules   target                              metric     splits
        "esol"            1,128   log solubility in mol/l             rmse       3 random
        "freesolv"          642   hydration free energy in kcal/mol   rmse       3 random
        "bbbp"            2,039   passes the blood-brain barrier      roc_auc    1 by scaffold
        "tox21"           7,831   12 toxicity assays, some missing    roc_auc    3 random
        "hiv"            41,127   inhibits HIV replication            roc_auc    1 by scaffold

    All splits are 80/10/10. A few atoms of Tox21 and HIV have more bonds than today's RDKit allows;
    they are kept (`strict_valence=False`), so that the rows are the published ones.

    Args:
      name: one of the names above.
      root: a folder with the files. None = the one named by `GRAPHATTN_DATA`.

    Returns:
      A `GraphDataset` with OGB's columns as `nodes` `[N, 9]` and `edges` `[E, 3]`. Labels are `[G]`
      float32 for the two regressions, else `[G, T]` of 0, 1 and NaN for missing.

    Raises:
      ValueError: unknown name, or a corrupted file.
      FileNotFoundError: a file is in no local folder.
      ImportError: RDKit is not installed.

    Cost: a millisecond per molecule; half a minute for HIV.

    Example:
      >>> import graphattn_jax as ga
      >>> ga.data.load_moleculenet("esol")  # doctest: +SKIP
      GraphDataset('esol': 1,128 graphs, 14,991 nodes, 30,856 edges, regression, 1 task, 3 splits,
        rmse)

    Source: Wu et al., "MoleculeNet: A Benchmark for Molecular Machine Learning", Chemical Science
      9, 2018, arXiv:1703.00564; features of Hu et al., "Open Graph Benchmark", NeurIPS 2020,
      arXiv:2005.00687.
    """
    _checks.choice("name", name, NAMES)
    folder, targets, names = _SETS[name]
    regression = name in _REGRESSION
    path = require_local(
        f"{folder}/{folder}.csv.gz",
        content=f"a table with the columns smiles, {', '.join(targets)}",
        root=root,
    )
    splits_path = require_local(
        f"{folder}/splits.npz",
        content=", ".join(f"{split}_{part}" for split in names for part in _PARTS),
        root=root,
    )
    table = read_csv(path, ("smiles", *targets))
    smiles = [text.strip() for text in table["smiles"]]
    labels = np.stack([floats(table[target], target, path) for target in targets], axis=1)
    if not regression and not np.isin(labels[~np.isnan(labels)], (0, 1)).all():
        raise unreadable(path, f"{', '.join(targets)} must be 0, 1 or empty")
    try:
        graphs = from_smiles_list(smiles, strict_valence=False).graphs
    except ValueError as error:
        raise unreadable(path, error) from error
    ids = read_npz(splits_path, [f"{split}_{part}" for split in names for part in _PARTS])
    return graph_dataset(
        name,
        graphs=graphs,
        labels=labels[:, 0] if regression else labels,
        splits=[GraphSplit(*(ids[f"{split}_{part}"] for part in _PARTS)) for split in names],
        task="regression" if regression else "multilabel",
        metric="rmse" if regression else "roc_auc",
        source=splits_path,  # the table has been checked
        smiles=smiles,
    )
