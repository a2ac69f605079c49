"""From how many channels on the C++ kernels of sparse attention are faster than XLA, forward and backward."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from rich.console import Console
from rich.progress import track
from rich.table import Table

from experiments.benchmarks import worker_jax
from experiments.benchmarks.cases import Operator
from experiments.benchmarks.inputs import make_inputs
from experiments.benchmarks.rounds import machine
from experiments.benchmarks.worker import measure

SCORES = ("dot", "additive", "gatv2")
SIZES = ((2_700, 13_500), (20_000, 160_000), (50_000, 750_000))
WIDTHS = ((1, 7), (1, 16), (1, 32), (1, 64), (4, 8), (4, 16), (8, 8), (8, 16))
CONTENDERS = ("cpp", "xla")


@dataclass(frozen=True)
class Options:
    """Compare the implementations "cpp" and "xla" of sparse attention by score, size, heads and channels.

    What `ga.ops.edge_attention` chooses on a CPU for few channels follows from it. By turns in one process: between two
    that are close, the drift from process to process of a sweep is too much. Prints milliseconds of the output
    with all gradients, and how many times as long "xla" takes as "cpp".
    """

    rounds: int = 2
    """Turns of the two; the median counts."""
    repeats: int = 3
    """Timings per turn, after warm-up."""
    out: Path = Path("runs/crossover.json")
    """Where all numbers go."""


def run(options: Options, console: Console) -> None:
    """Measure, write and print."""
    side = worker_jax.prepare("cpu", Operator("dot", 8, 16))
    results: list[dict[str, Any]] = []
    grid = list(itertools.product(SCORES, SIZES, WIDTHS))
    for score, (nodes, edges), (heads, channels) in track(grid, "measuring", console=console):
        case = Operator(score, heads, channels, num_nodes=nodes, num_edges=edges, gradient=True)
        arrays = make_inputs(case).arrays
        seconds: dict[str, list[float]] = {name: [] for name in CONTENDERS}
        for _, name in itertools.product(range(options.rounds), CONTENDERS):
            build = partial(worker_jax.build, case, arrays, name)
            seconds[name].append(measure(build, options.repeats, side)[0]["median"])
        found = {f"{name}_ms": 1e3 * float(np.median(x)) for name, x in seconds.items()}
        sizes = {"nodes": nodes, "edges": edges, "heads": heads, "channels": channels}
        ratio = {"ratio": found["xla_ms"] / found["cpp_ms"]}
        results.append({"score": score, **sizes, **found, **ratio})
    options.out.parent.mkdir(parents=True, exist_ok=True)
    everything = {"machine": machine(), "versions": side.versions, "results": results}
    options.out.write_text(json.dumps(everything, indent=2))
    table = Table(*results[0])
    for entry in results:
        table.add_row(*(f"{x:.3g}" if isinstance(x, float) else str(x) for x in entry.values()))
    console.print(table)


if __name__ == "__main__":
    run(tyro.cli(Options, prog="python -m experiments.benchmarks.crossover"), Console())
