"""ZINC: a chemical property of drug-like molecules."""

from __future__ import annotations

import os

import numpy as np

from graphattn_jax.chem import from_smiles_list
from graphattn_jax.data._fetch import require_local
from graphattn_jax.data._files import floats, read_csv, unreadable
from graphattn_jax.data._graph_dataset import GraphDataset, GraphSplit, graph_dataset

_FILE = "zinc12k_rebuilt.csv.gz"
_PARTS = ("train_sub", "val", "test")


def load_zinc(*, root: str | os.PathLike | None = None) -> GraphDataset:
    """12,000 molecules of ZINC with their constrained solubility; the training part is substituted.

        y = logP - SA - cycle      each standardised over ZINC-250k

    Reads `zinc12k_rebuilt.csv.gz` with the columns `split` (`train_sub`, `val`, `test`), `smiles` and
    `y`. The molecules to validate and test on are the benchmark's own; the 10,000 to train on are
    others of the same pool, because the benchmark's are published as pickles only. Say **train
    substituted** beside any number.

    Args:
      root: a folder with the file. None = the one named by `GRAPHATTN_DATA`.

    Returns:
      A `GraphDataset` with atom types `nodes` (`[N, 1]` int32 below 28), bond types `edges`
      (`[E, 1]` int32: 1 single, 2 double, 3 triple), one target per molecule, one split
      (10,000/1,000/1,000) and metric `"mae"`.

    Raises:
      ValueError: a corrupted file.
      FileNotFoundError: the file is in no local folder.
      ImportError: RDKit is not installed.

    Cost: ten seconds.

    Example:
      >>> import graphattn_jax as ga
      >>> ga.data.load_zinc()  # doctest: +SKIP
      GraphDataset('zinc': 12,000 graphs, 277,754 nodes, 597,530 edges, regression, 1 task, 1 split,
        mae)

    Source: Dwivedi et al., "Benchmarking Graph Neural Networks", JMLR 2023, arXiv:2003.00982,
      section 3; molecules of Jin et al., "Junction Tree Variational Autoencoder for Molecular Graph
      Generation", ICML 2018, arXiv:1802.04364.
    """
    path = require_local(
        _FILE,
        content="a table with the columns split (train_sub, val or test), smiles and y",
        root=root,
    )
    table = read_csv(path, ("split", "smiles", "y"))
    split = np.array(table["split"], dtype=str)
    unknown = np.flatnonzero(~np.isin(split, _PARTS))
    if unknown.size:
        raise unreadable(path, f"row {unknown[0]} has split {table['split'][unknown[0]]!r}")
    try:
        graphs = from_smiles_list(table["smiles"], features="zinc").graphs
    except ValueError as error:
        raise unreadable(path, error) from error
    return graph_dataset(
        "zinc",
        graphs=graphs,
        labels=floats(table["y"], "y", path),
        splits=[GraphSplit(*(np.flatnonzero(split == part) for part in _PARTS))],
        task="regression",
        metric="mae",
        source=path,
        smiles=table["smiles"],
    )
