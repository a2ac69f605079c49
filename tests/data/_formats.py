"""Writers of tiny files in the published formats."""

import gzip
import pickle
import struct
from typing import ClassVar

import numpy as np

_PYTHON_2_NAMES = {
    "builtins": "__builtin__",
    "numpy._core.multiarray": "numpy.core.multiarray",
    "scipy.sparse._csr": "scipy.sparse.csr",
}


class Python2Pickler(pickle._Pickler):
    """Protocol 2 as Python 2 wrote it: byte strings, and the module names of its day."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def save_bytes(self, obj):
        self.write(pickle.BINSTRING + struct.pack("<i", len(obj)) + obj)

    def save_str(self, obj):
        self.save_bytes(obj.encode("latin1"))

    def save_global(self, obj, name=None):
        module = _PYTHON_2_NAMES.get(obj.__module__, obj.__module__)
        self.write(pickle.GLOBAL + f"{module}\n{name or obj.__name__}\n".encode())
        self.memoize(obj)

    dispatch[bytes] = save_bytes
    dispatch[str] = save_str
    dispatch[type] = save_global
    dispatch[type(len)] = save_global
    dispatch[type(save_bytes)] = save_global


def write_python2_pickle(path, obj):
    with path.open("wb") as file:
        Python2Pickler(file, protocol=2).dump(obj)


def write_planetoid(folder, name, *, allx, ally, tx, ty, num_train, test, graph):
    """The raw files; `x` of the published form is left out because nothing reads it."""
    parts = {"allx": allx, "ally": ally, "tx": tx, "ty": ty, "y": ally[:num_train], "graph": graph}
    for part, value in parts.items():
        write_python2_pickle(folder / f"ind.{name}.{part}", value)
    (folder / f"ind.{name}.test.index").write_text("".join(f"{i}\n" for i in test))


def write_heterophilous(path, **changes):
    """Six nodes on a ring, two splits."""
    masks = np.arange(6) % 3 == np.arange(3)[:, None]
    arrays = {
        "node_features": np.arange(12.0).reshape(6, 2),
        "node_labels": np.array([0, 1, 0, 1, 0, 1]),
        "edges": np.stack([np.arange(6), (np.arange(6) + 1) % 6], axis=1),
        "train_masks": np.stack([masks[0], masks[1]]),
        "val_masks": np.stack([masks[1], masks[2]]),
        "test_masks": np.stack([masks[2], masks[0]]),
    } | changes
    np.savez_compressed(path, **arrays)


def csr_arrays(prefix, matrix):
    return {
        f"{prefix}_data": matrix.data,
        f"{prefix}_indices": matrix.indices,
        f"{prefix}_indptr": matrix.indptr,
        f"{prefix}_shape": np.array(matrix.shape),
    }


TU_TEXT = """\
3
3 1
5 2 1 2
7 1 0
5 1 0
2 -1
7 1 1
9 1 0
1 1
5 0
"""


def write_tu(root, name="MUTAG", text=TU_TEXT, *, packed=False):
    """Three graphs (a path, an edge, a single node), tags 5, 7, 9, and folds that test graph k mod 3."""
    folder = root / name
    (folder / "10fold_idx").mkdir(parents=True, exist_ok=True)
    if packed:
        (folder / f"{name}.txt.gz").write_bytes(gzip.compress(text.encode()))
    else:
        (folder / f"{name}.txt").write_text(text)
    for k in range(1, 11):
        (folder / "10fold_idx" / f"test_idx-{k}.txt").write_text(f"{k % 3}\n")


def write_csv(path, header, *rows):
    """A packed table."""
    lines = [",".join(str(cell) for cell in row) for row in (header, *rows)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress("\n".join(lines).encode() + b"\n"))


def write_splits(path, names, **changes):
    """Ten molecules in parts of 6, 2 and 2, once per name."""
    parts = {"train": np.arange(6), "valid": np.array([6, 7]), "test": np.array([9, 8])}
    np.savez(path, **{f"{n}_{p}": ids for n in names for p, ids in parts.items()} | changes)


def write_wordnet(
    root, glosses=("a dog", "a big dog", "to run", "large", "huge", "fast"), **changes
):
    """Six synsets: two nouns, a verb, an adjective, a satellite of it and an adverb."""
    arrays = {
        "edges": np.array([[0, 1], [1, 0], [2, 0], [3, 4], [4, 3]], np.int32),
        "edge_type": np.array([1, 0, 2, 3, 3], np.int8),
        "edge_type_symbols": np.array(["@", "~", "+", "&"]),
        "node_pos": np.array([0, 0, 1, 2, 3, 4], np.int8),
        "labels": np.array([5, 5, 38, 0, 0, 2], np.int8),
    } | changes
    np.savez(root / "wordnet30.npz", **arrays)
    lines = [
        f"{i:08d} {label:02d} n 01 word 0 000 | {gloss}  "
        for i, (label, gloss) in enumerate(zip([5, 5, 38, 0, 0, 2], glosses, strict=True))
    ]
    parts = {"noun": lines[:2], "verb": lines[2:3], "adj": lines[3:5], "adv": lines[5:]}
    for name, part in parts.items():
        text = "\n".join(["  1 This is the licence | of it", *part]) + "\n"
        (root / f"data.{name}.gz").write_bytes(gzip.compress(text.encode()))


def write_am(path, **changes):
    """Three facts of two objects (nodes 2 and 3) and three more labelled nodes."""
    arrays = {
        "src": np.array([2, 3, 3], np.int32),
        "rel": np.array([1, 0, 1], np.int8),
        "dst": np.array([0, 6, 1], np.int32),
        "training": np.array([[2, 1]], np.int32),
        "validation": np.array([[3, 0]], np.int32),
        "testing": np.array([[4, 2]], np.int32),
        "meta_testing": np.array([[5, 1]], np.int32),
    } | changes
    np.savez(path, **arrays)
