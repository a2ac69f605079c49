"""Compiling, loading and calling the C++ kernels."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import jaxlib.version
import numpy as np

from graphattn_jax.ops._dropout_hash import dropout_threshold
from graphattn_jax.ops._platform import on_cpu, varies_over_devices

__all__ = ["build_cpp", "call", "dropout_attributes", "missing"]

_NAMES = ("edge_attention", "block_attention", "rectified_sum", "batch_norm")
_SOURCES = tuple(Path(__file__).with_name(f"{name}.cc") for name in _NAMES)
_HEADERS = tuple(Path(__file__).with_name(f"{name}.h") for name in ("kernels", "tiles"))
_HANDLERS = (
    "edge_forward",
    "edge_backward",
    "edge_dot",
    "aggregate",
    "block_forward",
    "block_backward",
    "rectified_sum",
    "rectified_sum_backward",
    "batch_norm",
    "batch_norm_backward",
)
# Sums may be reordered, which makes vectors of them; infinities and NaN keep their meaning.
_FLAGS = (
    *("-std=c++17", "-O3", "-march=native", "-shared", "-fPIC", "-w"),
    *(
        "-fno-math-errno",
        "-fno-trapping-math",
        "-fno-signed-zeros",
        "-fassociative-math",
        "-Wno-psabi",
    ),
)


def build_cpp() -> Path:
    """Compile the C++ kernels for this machine: implementation "cpp" of attention, GINE's sums and batch normalisation.

    They are compiled once per machine and version and kept in the folder named by `GRAPHATTN_CACHE`, or else in
    `graphattn_jax` under the user's cache folder. Every later process finds them there by itself; a call finds them
    too and returns at once. What was traced before does not change.

    Returns:
      The path of the compiled library.

    Raises:
      RuntimeError: no C++ compiler, or it failed; attention then goes on with "xla".

    Cost: about half a minute of a compiler, once.

    Example:
      >>> import graphattn_jax as ga
      >>> ga.ops.build_cpp()  # doctest: +SKIP
      PosixPath('/home/me/.cache/graphattn_jax/kernels-5a2f....so')
    """
    path = _library()
    if not path.is_file():
        _compile(path)
    loaded.cache_clear()
    loaded()
    return path


@cache
def loaded() -> str | None:
    """Load and register the kernels if they are built; the suffix of their names, or None."""
    path = _library()
    if not path.is_file():
        return None
    library, digest = ctypes.CDLL(str(path)), path.stem.split("-")[1]
    for name in _HANDLERS:
        # The digest in the name: a compilation from JAX's persistent cache must find the kernels it was made with.
        handler = jax.ffi.pycapsule(getattr(library, f"graphattn_{name}"))
        jax.ffi.register_ffi_target(f"graphattn_{name}_{digest}", handler, platform="cpu")
    return digest


def missing(*arrays: Any) -> str | None:
    """Why the kernels cannot be called on these arrays, or None."""
    if not on_cpu():
        return "runs on the CPU, which is not the default device. Fix: implementation=None."
    if loaded() is None:
        return "is not built on this machine. Fix: ga.ops.build_cpp(), once."
    if any(varies_over_devices(x) for x in jax.tree.leaves(arrays)):
        return (
            "does not work where jax.shard_map checks how results vary over devices. "
            "Fix: check_vma=False of jax.shard_map, or implementation=None."
        )
    return None


def call(name: str, results: Any, *operands: Any, **attributes: Any) -> Any:
    """Call a kernel. An operand that is None becomes an empty array."""
    empty = jnp.zeros((0,), jnp.float32)
    function = jax.ffi.ffi_call(f"graphattn_{name}_{loaded()}", results, vmap_method="sequential")
    return function(*(empty if x is None else x for x in operands), **attributes)


def dropout_attributes(rate: float) -> dict[str, Any]:
    """What a kernel needs beside the words of the key."""
    return {
        "threshold": np.int64(dropout_threshold(rate)),
        "keep_scale": np.float64(1.0 / (1.0 - rate)),
    }


@cache
def _library() -> Path:
    """Where the compiled library of this source, jaxlib and processor is, or would be."""
    user = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(os.environ.get("GRAPHATTN_CACHE") or user / "graphattn_jax")
    sources = [path.read_text() for path in (*_SOURCES, *_HEADERS)]
    parts = (*sources, " ".join(_FLAGS), jaxlib.version.__version__, _processor())
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    return folder / f"kernels-{digest[:16]}.so"


def _processor() -> str:
    """What -march=native depends on."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    found = [line for line in lines if line.startswith(("flags", "Features", "model name"))]
    return " ".join([platform.system(), platform.machine(), *sorted(set(found))])


def _compile(path: Path) -> None:
    compiler = next(
        (c for c in (os.environ.get("CXX"), "g++", "clang++") if c and shutil.which(c)), None
    )
    if compiler is None:
        raise RuntimeError(
            'build_cpp needs a C++ compiler: g++, clang++ or the one named by CXX; none was found. Without it "xla" '
            "computes sparse attention."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        made = Path(folder) / path.name
        command = [
            compiler,
            *_FLAGS,
            "-I",
            jax.ffi.include_dir(),
            *map(str, _SOURCES),
            "-o",
            str(made),
        ]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"build_cpp failed: {' '.join(command)}\n{done.stderr[-2000:]}")
        os.replace(made, path)
