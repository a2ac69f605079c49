"""Cora, CiteSeer and PubMed in their public raw form."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse

from graphattn_jax import _checks
from graphattn_jax.data._dataset import NodeDataset, Split, bag_of_words, node_dataset
from graphattn_jax.data._fetch import fetch, find_local
from graphattn_jax.data._files import csr_keys, csr_matrix, read_npz, unreadable
from graphattn_jax.data._unpickle import read_pickle

NAMES = ("cora", "citeseer", "pubmed")
_NUM_VAL = 500


def load_planetoid(
    name: str, *, root: str | os.PathLike | None = None, sparse: bool = False
) -> NodeDataset:
    """Citation graphs with bag-of-words features and the public split.

    Reads the raw files `ind.<name>.{tx,allx,y,ty,ally,graph,test.index}`: Python 2 pickles, of
    which nothing is run (a file that names a class outside a short list is refused). In a local
    folder, a plain `<name>.npz` does as well: `edges`, features in CSR form `x_*`, `labels`,
    `train_idx`, `val_idx`, `test_idx`.

    The graph follows the common convention: duplicate edges merged, both directions, self-loops
    removed (Cora: 10,556 directed edges). The split takes the first 20 nodes per class to train,
    the next 500 to validate and the 1,000 listed ones to test. CiteSeer has 15 isolated nodes
    without features or labels: rows of zeros and class 0, outside all masks.

    Args:
      name: `"cora"`, `"citeseer"` or `"pubmed"`.
      root: a folder with the files. None = the one named by `GRAPHATTN_DATA`, then the cache, then
        a download.
      sparse: features as `ops.SparseFeatures` (about 1 % of their entries are not zero); False = a dense array.

    Returns:
      A `NodeDataset` with one split and metric `"accuracy"`; features as published.

    Raises:
      ValueError: unknown name; a file is corrupted, or its pickle asks for a refused class.
      FileNotFoundError: a file is neither in a local folder nor can be downloaded.

    Cost: dense features are 4*N*D bytes (Cora 16 MB, CiteSeer 49 MB, PubMed 39 MB), sparse ones a tenth of it or less.

    Example:
      >>> import graphattn_jax as ga
      >>> ga.data.load_planetoid("cora")  # doctest: +SKIP
      NodeDataset('cora': 2,708 nodes, 10,556 edges, 1,433 features, 7 classes, 1 split, accuracy)

    Source: Yang, Cohen, Salakhutdinov, "Revisiting Semi-Supervised Learning with Graph Embeddings",
      ICML 2016, arXiv:1603.08861.
    """
    _checks.choice("name", name, NAMES)
    local = find_local(f"{name}.npz", f"ind.{name}.graph", root=root)
    if local is not None and local.suffix == ".npz":
        return _from_npz(name, local, sparse)
    return _from_raw(name, root, sparse)


def _from_raw(name: str, root: str | os.PathLike | None, sparse: bool) -> NodeDataset:
    parts = ("tx", "allx", "y", "ty", "ally", "test.index", "graph")  # `x` is the start of `allx`
    path = {part: fetch(f"ind.{name}.{part}", root=root) for part in parts}
    tx, allx, y, ty, ally = (_read_matrix(path[part]) for part in parts[:5])
    test = _read_ids(path["test.index"])
    edges, num_nodes = _read_graph(path["graph"])
    source = path["graph"].with_name(f"ind.{name}.*")
    _checks.ids_in_range(f"ids of {path['test.index']}", test, num_nodes)
    belong_together = (
        len(test) == tx.shape[0] == ty.shape[0] == len(np.unique(test))
        and y.shape[0] <= allx.shape[0] == ally.shape[0] <= test.min(initial=num_nodes)
        and tx.shape[1] == allx.shape[1]
        and ty.shape[1] == ally.shape[1]
    )
    if not belong_together:
        raise ValueError(
            f"The files {source} do not belong together: allx {allx.shape}, ally {ally.shape}, "
            f"tx {tx.shape}, ty {ty.shape}, y {y.shape}, test.index {test.shape}. "
            "Fix: replace all of them by the published files."
        )

    # Row k of tx and ty is node test[k]; CiteSeer's isolated nodes are neither in allx nor in tx.
    node = np.concatenate([np.arange(allx.shape[0]), test])
    features, one_hot = (
        _rows_at(node, scipy.sparse.vstack(parts), num_nodes) for parts in ((allx, tx), (ally, ty))
    )
    num_train = y.shape[0]
    val = np.arange(num_train, min(num_train + _NUM_VAL, allx.shape[0]))
    return node_dataset(
        name,
        nodes=bag_of_words(features, sparse),
        edges=edges,
        labels=one_hot.toarray().argmax(axis=1),
        splits=(_split_of_ids(num_nodes, np.arange(num_train), val, test),),
        source=source,
    )


def _rows_at(ids: np.ndarray, matrix: Any, num_rows: int) -> scipy.sparse.csr_array:
    """The matrix with row k moved to row `ids[k]`."""
    entries = matrix.tocoo()
    rows = (entries.data, (ids[entries.row], entries.col))
    return scipy.sparse.csr_array(rows, (num_rows, matrix.shape[1]))


def _read_matrix(path: Path) -> Any:
    """A SciPy sparse array."""
    value = read_pickle(path)
    if isinstance(value, dict) or value.ndim != 2:
        raise unreadable(path, "it holds no matrix")
    return scipy.sparse.csr_array(value)


def _read_ids(path: Path) -> np.ndarray:
    try:
        return np.array(path.read_text().split(), np.int64)
    except ValueError as error:
        raise unreadable(path, error) from error


def _read_graph(path: Path) -> tuple[np.ndarray, int]:
    """The pairs `[M, 2]` and the number of nodes in a dictionary from node to neighbours."""
    neighbors = read_pickle(path)
    if not isinstance(neighbors, dict):
        raise unreadable(path, "it holds no dictionary")
    try:
        degrees = [len(ids) for ids in neighbors.values()]
        i = np.repeat(np.fromiter(neighbors, np.int64), degrees)
        j = np.fromiter(itertools.chain.from_iterable(neighbors.values()), np.int64)
    except (TypeError, ValueError, OverflowError) as error:
        raise unreadable(path, error) from error
    return np.stack([i, j], axis=1), len(neighbors)


def _from_npz(name: str, path: Path, sparse: bool) -> NodeDataset:
    ids = ("train_idx", "val_idx", "test_idx")
    arrays = read_npz(path, ("edges", "labels", *csr_keys("x"), *ids))
    features: Any = csr_matrix(arrays, "x", path)
    num_nodes, _ = features.shape
    for key in ids:
        _checks.ids(f"{key} of {path}", arrays[key])
        _checks.ids_in_range(f"{key} of {path}", arrays[key], num_nodes)
    return node_dataset(
        name,
        nodes=bag_of_words(features, sparse),
        edges=arrays["edges"],
        labels=arrays["labels"],
        splits=(_split_of_ids(num_nodes, *(arrays[key] for key in ids)),),
        source=path,
    )


def _split_of_ids(num_nodes: int, *ids: np.ndarray) -> Split:
    masks = np.zeros((3, num_nodes), bool)
    for mask, chosen in zip(masks, ids):
        mask[chosen] = True
    return Split(*masks)
