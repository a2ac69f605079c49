"""Results of functions, remembered on disk by the content of their arguments."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any


def remembered(
    function: Callable[..., Any], folder: str | os.PathLike, *, ignore: tuple[str, ...] = ()
) -> Callable[..., Any]:
    """The function, whose results are kept in the folder; those of its code as it stands, by all arguments but some."""
    try:
        import joblib
    except ImportError as error:
        raise ImportError(
            'cache= needs joblib. Fix: pip install ".[experiments]" in a clone of graphattn_jax, pip install joblib, '
            "or cache=None."
        ) from error
    # Compression comes with a checksum, so that damaged files are noticed.
    memory: Any = joblib.Memory(folder, verbose=0, compress=True)
    return memory.cache(function, ignore=list(ignore))
