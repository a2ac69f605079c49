"""How the constants of the GPU kernels of sparse attention are chosen: forward and backward, for each choice."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import jax
import tyro

from experiments.benchmarks import worker_jax
from experiments.benchmarks.cases import Operator
from experiments.benchmarks.inputs import make_inputs
from experiments.benchmarks.rounds import check_gpu
from experiments.benchmarks.worker import measure
from graphattn_jax.ops._edge_attention import _triton

_BASE = Operator("dot", 8, 16, gradient=True)
_SMALL = replace(_BASE, num_nodes=10_000, num_edges=160_000)
WORKLOADS: dict[str, Operator] = {
    "8x16": _BASE,
    "8x16 bfloat16": replace(_BASE, dtype="bfloat16"),
    "4x64": replace(_BASE, heads=4, channels=64),
    "gat 8x16": replace(_BASE, score="additive"),
    "gatv2 8x16": replace(_BASE, score="gatv2"),
    "1x16": replace(_SMALL, heads=1),
    "4x16": replace(_SMALL, heads=4),
    "16x16": replace(_SMALL, heads=16),
    "2x256": replace(_SMALL, heads=2, channels=256),
}


@dataclass(frozen=True)
class Options:
    """Time the GPU kernels of sparse attention for every number of slots per step, warps, and slots per chunk.

    Prints milliseconds, forward and backward together, the fastest of a workload last.
    """

    workloads: tuple[str, ...] = tuple(WORKLOADS)
    """Any of the names in tune.WORKLOADS: heads x channels."""
    slots: tuple[int, ...] = (2, 4, 8)
    warps: tuple[int, ...] = (1, 2, 4)
    chunk: tuple[int, ...] = (64,)
    repeats: int = 5
    """Timings of each, of which the median counts."""
    scale: float = 1.0
    """Nodes and edges as a share of the workload's."""
    out: Path = Path("runs/tune.json")
    """Where all numbers go."""


def run(options: Options) -> None:
    """Measure, printing the choices of each workload from slow to fast."""
    side = worker_jax.prepare("gpu", _BASE)
    results: list[dict[str, Any]] = []
    for name in options.workloads:
        case = WORKLOADS[name]
        inputs = make_inputs(case, scale=options.scale).arrays
        arrays = {key: side.to_device(array) for key, array in inputs.items()}
        found = []
        for slots, warps, chunk in itertools.product(options.slots, options.warps, options.chunk):
            with (
                mock.patch.object(_triton, "_slots_and_warps", lambda *_, c=(slots, warps): c),
                mock.patch.object(_triton, "CHUNK", chunk),
            ):
                jax.clear_caches()  # the constants are no arguments
                build = partial(worker_jax.build, case, arrays, "triton")
                report, _ = measure(build, options.repeats, side)
            choice = {"slots": slots, "warps": warps, "chunk": chunk}
            found.append({"workload": name, **choice, "ms": 1e3 * report["median"]})
        for entry in sorted(found, key=lambda entry: -entry["ms"]):
            print(" ".join(f"{k} {v:.3f}" if k == "ms" else f"{k} {v}" for k, v in entry.items()))
        results += found
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps({"versions": side.versions, "results": results}))


if __name__ == "__main__":
    check_gpu()
    run(tyro.cli(Options, prog="python -m experiments.benchmarks.tune"))
