"""Finding a data file: a local folder, the cache, or its public home, in this order."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from graphattn_jax.data._sources import SOURCES

DATA_VARIABLE = "GRAPHATTN_DATA"
CACHE_VARIABLE = "GRAPHATTN_CACHE"


def find_local(*filenames: str, root: str | os.PathLike | None) -> Path | None:
    """The first of the files that is in `root`, or else in the folder named by `GRAPHATTN_DATA`."""
    candidates = (folder / name for folder in _local_folders(root) for name in filenames)
    return next((path for path in candidates if path.is_file()), None)


_BELOW = (
    *("", "node", "node/planetoid_raw", "graph", "graph/moleculenet", "graph/tu", "graph/zinc"),
    *("typed", "typed/wordnet", "typed/aifb"),
)


def _local_folders(root: str | os.PathLike | None) -> list[Path]:
    roots = [Path(r) for r in (root, os.environ.get(DATA_VARIABLE)) if r]
    return [r / below for r in roots for below in _BELOW]


def require_local(filename: str, *, content: str, root: str | os.PathLike | None) -> Path:
    """The path of a file that has no public home in this form.

    Raises:
      FileNotFoundError: no local folder has it; the message says what it has to contain.
    """
    path = find_local(filename, root=root)
    if path is None:
        raise FileNotFoundError(
            f"{filename} is in none of the local folders, and nobody publishes it in this form. "
            f"It holds {content}. {_how_to_provide(filename, root)}"
        )
    return path


def fetch(filename: str, *, root: str | os.PathLike | None) -> Path:
    """The path of a data file, downloaded into the cache if no local folder has it.

    A local file is taken as it is. A cached one is compared with its sha256 at every use: the known
    one where `SOURCES` has it, else the one recorded beside the file (`<file>.sha256`) at its
    first download.

    Raises:
      FileNotFoundError: no local folder has the file and it cannot be downloaded.
      ValueError: the cached file differs from its checksum.
    """
    path = find_local(filename, root=root)
    if path is not None:
        return path
    pooch = _import_pooch(filename, root)
    cache = Path(os.environ.get(CACHE_VARIABLE) or pooch.os_cache("graphattn_jax"))
    path, record = cache / filename, cache / f"{filename}.sha256"
    source = SOURCES[filename]
    known = source.sha256 or (record.read_text().strip() if record.is_file() else None)
    if not path.is_file():
        try:
            pooch.retrieve(source.url, known_hash=known, fname=path.name, path=path.parent)
        except OSError as error:
            raise FileNotFoundError(
                f"{filename} is in none of the local folders and cannot be downloaded from "
                f"{source.url} ({error}). {_how_to_provide(filename, root)}"
            ) from error
    digest = _sha256(path)
    if known is None:
        record.write_text(digest)
    elif digest != known:
        raise ValueError(
            f"The cached file {path} is corrupted: its sha256 is {digest}, not {known}. Fix: "
            f"delete it (and {record.name}, if there is one); it is then downloaded anew."
        )
    return path


def _import_pooch(filename: str, root: str | os.PathLike | None):
    try:
        import pooch
    except ImportError as error:
        raise ImportError(
            f"Downloading {filename} needs pooch, which is not installed. "
            'Fix: pip install ".[experiments]" in a clone of graphattn_jax, or pip install pooch. '
            f"{_how_to_provide(filename, root)}"
        ) from error
    return pooch


def _how_to_provide(filename: str, root: str | os.PathLike | None) -> str:
    searched = ", ".join(str(folder) for folder in _local_folders(root)) or "none given"
    return (
        f"Folders searched: {searched}. To work offline, put {filename} into a folder and name it "
        f"with root= or the environment variable {DATA_VARIABLE}."
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
