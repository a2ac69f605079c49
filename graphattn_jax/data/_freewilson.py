"""Molecules with measured activity that come with RDKit: a real set that needs no network."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from graphattn_jax.chem import from_smiles_list
from graphattn_jax.data._files import floats, read_csv, read_text, unreadable
from graphattn_jax.data._graph_dataset import GraphDataset, GraphSplit, graph_dataset
from graphattn_jax.data._splits import random_splits

_FILES = ("CHEMBL2321810.smi", "CHEMBL2321810_act.csv")


def load_freewilson(*, num_splits: int = 5, seed: int = 0) -> GraphDataset:
    """1,017 related molecules with a measured activity, out of RDKit's Free-Wilson example.

    The molecules are a chemical series of ChEMBL (CHEMBL2321810), variations of one scaffold; the
    target is an activity on a logarithmic scale, as pIC50 is. Splits are random, 80/10/10; there
    are no published numbers to compare with. The mean of the training labels has a test RMSE of 1.09
    to 1.15. Rows, and so the ids of a split, are in the file's order, by activity: **permute the
    training ids** before batches are made of them.

    Args:
      num_splits: how many random splits.
      seed: of the splits.

    Returns:
      A `GraphDataset` with OGB's columns as `nodes` `[N, 9]` and `edges` `[E, 3]`, `[G]` float32
      targets and metric `"rmse"`.

    Raises:
      ValueError: a corrupted file.
      FileNotFoundError: this installation of RDKit came without its `Contrib` folder.
      ImportError: RDKit is not installed.

    Cost: a second.

    Example:
      >>> import graphattn_jax as ga
      >>> ga.data.load_freewilson(num_splits=1)
      GraphDataset('freewilson': 1,017 graphs, 33,226 nodes, 72,732 edges, regression, 1 task, 1 split,
        rmse)

    Source: Free, Wilson, "A Mathematical Contribution to Structure-Activity Studies", J. Med. Chem.
      7, 1964; data: RDKit, Contrib/FreeWilson.
    """
    return _read(_folder(), num_splits=num_splits, seed=seed)


def _folder() -> Path:
    try:
        from rdkit import RDConfig
    except ImportError as error:
        raise ImportError(
            "load_freewilson reads molecules that come with RDKit, which is not installed. "
            'Fix: pip install ".[chem]" in a clone of graphattn_jax, or pip install rdkit.'
        ) from error
    return Path(RDConfig.RDContribDir) / "FreeWilson" / "data"


def _read(folder: Path, *, num_splits: int, seed: int) -> GraphDataset:
    molecules, activities = (folder / name for name in _FILES)
    for path in (molecules, activities):
        if not path.is_file():
            raise FileNotFoundError(
                f"{path} does not exist: this RDKit came without its Contrib folder. "
                "Fix: pip install rdkit, whose wheels have it."
            )
    lines = [line.split() for line in read_text(molecules).splitlines() if line]
    if any(len(line) != 2 for line in lines):
        raise unreadable(molecules, "a line must be a molecule and its name")
    table = read_csv(activities, ("Name", "Act"))
    activity = dict(zip(table["Name"], floats(table["Act"], "Act", activities), strict=True))
    missing = [name for _, name in lines if name not in activity]
    if missing:
        raise unreadable(activities, f"it lacks the activity of {missing[0]}")
    smiles = [text for text, _ in lines]
    splits = random_splits(
        np.zeros(len(smiles), np.int32), fractions=(0.8, 0.1, 0.1), num_splits=num_splits, seed=seed
    )
    return graph_dataset(
        "freewilson",
        graphs=from_smiles_list(smiles).graphs,
        labels=np.array([activity[name] for _, name in lines], np.float32),
        splits=[GraphSplit.from_masks(split) for split in splits],
        task="regression",
        metric="rmse",
        source=activities,
        smiles=smiles,
    )
