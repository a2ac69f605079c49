"""A plain C loop for attention by dot product, forward: what one reaches without a library."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from experiments.benchmarks import worker
from experiments.benchmarks.cases import Case, Operator

SOURCE = Path(__file__).with_name("edge_attention.c")
FLAGS = ("-O3", "-march=native", "-fopenmp", "-shared", "-fPIC")


def supports(case: Case) -> bool:
    """Attention by dot product, forward, in float32."""
    return (
        isinstance(case, Operator)
        and (case.score, case.dtype, case.gradient) == ("dot", "float32", False)
        and case.padding is None
    )


def problem() -> str | None:
    """Why the loop cannot be compiled here; None if it can."""
    with TemporaryDirectory() as folder:
        try:
            _compile(Path(folder))
        except FileNotFoundError:
            return "there is no C compiler (cc)"
        except subprocess.CalledProcessError as error:
            return f"cc {' '.join(FLAGS)} fails: {error.stderr.strip().splitlines()[-1]}"
    return None


def _compile(folder: Path) -> ctypes.CDLL:
    library = folder / "edge_attention.so"
    command = ["cc", *FLAGS, str(SOURCE), "-o", str(library), "-lm"]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return ctypes.CDLL(str(library))


def build(case: Operator, arrays: dict[str, np.ndarray], variant: str) -> worker.Step:
    """Compiles the loop; the edges come sorted by receiver."""
    with TemporaryDirectory() as folder:
        loop = _compile(Path(folder)).edge_attention
    query, key, value = (arrays[name] for name in ("query", "key", "value"))
    start = np.searchsorted(arrays["receivers"], np.arange(len(query) + 1)).astype(np.int32)
    weights = np.empty((len(arrays["senders"]), case.heads), np.float32)
    out = np.empty_like(value)
    inputs = (start, arrays["senders"], query, key, value, weights, out)
    sizes = [ctypes.c_int64(size) for size in query.shape]
    pointers = [x.ctypes.data_as(ctypes.c_void_p) for x in inputs]

    def step() -> tuple[np.ndarray]:
        loop(*sizes, *pointers)
        return (out,)

    return step


def prepare(device: str, case: Case) -> worker.Side:
    """The CPU is all it knows."""
    cc = subprocess.run(["cc", "--version"], check=True, capture_output=True, text=True)
    versions: dict[str, Any] = {"cc": cc.stdout.splitlines()[0], "flags": " ".join(FLAGS)}
    return worker.Side(np.ascontiguousarray, np.asarray, build, versions)


if __name__ == "__main__":
    worker.main(prepare)
