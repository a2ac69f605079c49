"""Reading array files: what is wanted is read in full and checked, or an error names the file."""

from __future__ import annotations

import csv
import gzip
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import scipy.sparse


def unreadable(path: Path, error: object) -> ValueError:
    """The error for a file whose content is not what its name promises."""
    return ValueError(
        f"{path} is corrupted, truncated or of another format ({error}). "
        "Fix: replace it by the published file, or delete it so that it is downloaded anew."
    )


def npz_keys(path: Path) -> set[str]:
    """The names of the arrays in an `.npz` file."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {name.removesuffix(".npy") for name in archive.namelist()}
    except (OSError, ValueError, RuntimeError, zipfile.BadZipFile) as error:
        raise unreadable(path, error) from error


def read_npz(path: Path, keys: Sequence[str]) -> dict[str, np.ndarray]:
    """The named arrays of an `.npz` file; other members, pickled ones too, are never touched."""
    present = npz_keys(path)
    missing = [key for key in keys if key not in present]
    if missing:
        raise unreadable(
            path, f"it lacks {', '.join(missing)} and has {', '.join(sorted(present))}"
        )
    try:
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in keys}
    except (OSError, ValueError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise unreadable(path, error) from error


def read_text(path: Path) -> str:
    """The text of a file, unpacked if its name ends in `.gz`."""
    try:
        content = path.read_bytes()
        return (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
    except (OSError, ValueError, EOFError, zlib.error) as error:
        raise unreadable(path, error) from error


def read_csv(path: Path, columns: Sequence[str]) -> dict[str, list[str]]:
    """The named columns of a table with a header line; every row has all of them."""
    header, *rows = list(csv.reader(read_text(path).splitlines())) or [[]]
    missing = [name for name in columns if name not in header]
    if missing:
        raise unreadable(path, f"it lacks {', '.join(missing)} and has {', '.join(header)}")
    short = next((i for i, row in enumerate(rows) if len(row) != len(header)), None)
    if short is not None:
        raise unreadable(
            path, f"row {short} has {len(rows[short])} cells for {len(header)} columns"
        )
    return {name: [row[header.index(name)] for row in rows] for name in columns}


def floats(cells: Sequence[str], name: str, path: Path) -> np.ndarray:
    """A column of numbers, float32; an empty cell is NaN."""
    try:
        return np.array([float(cell) if cell else np.nan for cell in cells], np.float32)
    except ValueError as error:
        raise unreadable(path, f"column {name}: {error}") from error


def csr_keys(prefix: str) -> tuple[str, ...]:
    """The names under which a CSR matrix is stored."""
    return tuple(f"{prefix}_{part}" for part in ("data", "indices", "indptr", "shape"))


def csr_matrix(arrays: Mapping[str, np.ndarray], prefix: str, path: Path) -> scipy.sparse.csr_array:
    """The CSR matrix among the arrays read from `path`."""
    data, indices, indptr, shape = (arrays[key] for key in csr_keys(prefix))
    try:
        matrix = scipy.sparse.csr_array((data, indices, indptr), shape=tuple(shape.tolist()))
        matrix.check_format(full_check=True)
    except (TypeError, ValueError) as error:
        raise unreadable(path, error) from error
    return matrix
