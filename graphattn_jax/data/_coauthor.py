"""Co-authorship graphs: authors are nodes, joint papers edges, keywords features."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import scipy.sparse

from graphattn_jax import _checks
from graphattn_jax.data._dataset import NodeDataset, bag_of_words, node_dataset
from graphattn_jax.data._fetch import fetch, find_local
from graphattn_jax.data._files import csr_keys, csr_matrix, npz_keys, read_npz
from graphattn_jax.data._splits import random_splits

_PUBLIC_FILE = {"cs": "ms_academic_cs.npz", "physics": "ms_academic_phy.npz"}
NAMES = tuple(_PUBLIC_FILE)


def load_coauthor(
    name: str = "cs",
    *,
    root: str | os.PathLike | None = None,
    num_splits: int = 10,
    seed: int = 0,
    sparse: bool = False,
) -> NodeDataset:
    """Co-authorship graphs of computer science and physics, with random splits.

    Reads the public file (adjacency `adj_*` and features `attr_*` in CSR form, `labels`; its
    pickled members are not touched), or a local `coauthor_<name>.npz` with `edges`, features `x_*`
    in CSR form and `labels`. As in the paper, features are made binary (keyword used or not), and
    each split draws 20 nodes per class to train, 30 per class to validate and the rest to test.

    Args:
      name: `"cs"` or `"physics"`.
      root: a folder with the files. None = the one named by `GRAPHATTN_DATA`, then the cache, then
        a download.
      num_splits: how many random splits.
      seed: of the splits.
      sparse: features as `ops.SparseFeatures` (1 % of their entries or less are not zero); False = a dense array.

    Returns:
      A `NodeDataset` named `coauthor-<name>` with metric `"accuracy"`.

    Raises:
      ValueError: unknown name, or a corrupted file.
      FileNotFoundError: the file is neither in a local folder nor can be downloaded.

    Cost: dense features are 4*N*D bytes (cs 0.5 GB, physics 1.2 GB).

    Example:
      >>> import graphattn_jax as ga
      >>> ga.data.load_coauthor("cs")  # doctest: +SKIP
      NodeDataset('coauthor-cs': 18,333 nodes, 163,788 edges, 6,805 features, 15 classes, 10 splits,
        accuracy)

    Source: Shchur et al., "Pitfalls of Graph Neural Network Evaluation", 2018, arXiv:1811.05868.
    """
    _checks.choice("name", name, NAMES)
    public = _PUBLIC_FILE[name]
    path = find_local(f"coauthor_{name}.npz", public, root=root) or fetch(public, root=root)
    features, edges, labels = _read(path)
    return node_dataset(
        f"coauthor-{name}",
        nodes=bag_of_words(features, sparse),
        edges=edges,
        labels=labels,
        splits=random_splits(
            labels, train_per_class=20, val_per_class=30, num_splits=num_splits, seed=seed
        ),
        source=path,
    )


def _read(path: Path) -> tuple[scipy.sparse.csr_array, np.ndarray, np.ndarray]:
    """Binary features `[N, D]`, edges `[M, 2]` and labels `[N]`, from either layout."""
    if "adj_data" in npz_keys(path):
        arrays = read_npz(path, (*csr_keys("adj"), *csr_keys("attr"), "labels"))
        features = csr_matrix(arrays, "attr", path)
        edges = np.stack(csr_matrix(arrays, "adj", path).nonzero(), axis=1)
    else:
        arrays = read_npz(path, ("edges", *csr_keys("x"), "labels"))
        features = csr_matrix(arrays, "x", path)
        edges = arrays["edges"]
    features.sum_duplicates()
    features.data = (features.data > 0).astype(np.float32)
    return features, edges, arrays["labels"]
