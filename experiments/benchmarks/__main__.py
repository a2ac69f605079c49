"""Command line of the benchmarks."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import tyro
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from experiments.benchmarks import report
from experiments.benchmarks.cases import CASES
from experiments.benchmarks.inputs import make_inputs
from experiments.benchmarks.rounds import busy, check_peer, list_contenders, machine, run_rounds
from graphattn_jax.ops import IMPLEMENTATIONS


@dataclass(frozen=True)
class Options:
    """Measure graphattn_jax and PyTorch Geometric on the same inputs, on this machine's CPU.

    Each case runs in processes of its own, ours and theirs by turns. Writes results.json, table.md and ratios.png to
    OUT.
    """

    cases: tuple[str, ...] = tuple(CASES)
    """Any of the names in cases.CASES."""
    peer: Literal["pyg", "none"] = "pyg"
    """What to compare with; none measures ours alone."""
    peer_python: str = sys.executable
    """Interpreter with torch and torch-geometric."""
    implementation: tuple[str, ...] = ("default",)
    """Of ga.ops.edge_attention: default, xla, reference. Others are compared with the first."""
    rounds: int = 3
    """Processes per case and side."""
    repeats: int = 7
    """Timings per process, after warm-up."""
    scale: float = 1.0
    """Nodes and edges as a share of the case's; other than 1 uses synthetic graphs, and the first molecules of ZINC."""
    out: Path = Path("runs/benchmarks")
    """Where results go."""

    def __post_init__(self) -> None:
        """Reject bad values before any work."""
        for name, values, valid in (
            ("--cases", self.cases, tuple(CASES)),
            ("--implementation", self.implementation, ("default", *IMPLEMENTATIONS)),
        ):
            unknown = [v for v in values if v not in valid]
            if unknown or not values:
                raise SystemExit(
                    f"{name}: {', '.join(unknown) or 'nothing'} is not one of {', '.join(valid)}"
                )
            if len(set(values)) < len(values):
                raise SystemExit(f"{name}: {' '.join(values)} names one twice")
        for name, value in (("--rounds", self.rounds), ("--repeats", self.repeats)):
            if value < 1:
                raise SystemExit(f"{name} must be at least 1")
        if self.scale <= 0:
            raise SystemExit("--scale must be positive")


def run(options: Options, console: Console) -> dict[str, Any]:
    """Measure all cases, showing and writing the results as they come."""
    peer = None if options.peer == "none" else options.peer_python
    if peer is not None:
        check_peer(peer)
    options.out.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = {
        "machine": machine(),
        "options": {**asdict(options), "out": str(options.out)},
        "versions": {},
        "comparisons": [],
        "cases": [],
    }
    if busy(results["machine"]):
        console.print(f"load {results['machine']['load']}: {report.BUSY}", style="bold red")
    contenders = {c: list_contenders(c, options.implementation, peer) for c in options.cases}
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    total = options.rounds * sum(map(len, contenders.values()))
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=total)
        for case in options.cases:
            progress.update(task, description=case)
            inputs = make_inputs(CASES[case], scale=options.scale)
            with TemporaryDirectory(dir=options.out) as folder:
                path = Path(folder) / "inputs.npz"
                np.savez(path, allow_pickle=False, **inputs.arrays)
                runs, differences = run_rounds(
                    case,
                    path,
                    contenders[case],
                    rounds=options.rounds,
                    repeats=options.repeats,
                    on_done=lambda: progress.advance(task),
                )
            results["comparisons"] += report.compare(
                case, runs, {contender.label for contender in contenders[case] if contender.is_peer}
            )
            results["cases"].append(
                {
                    "case": case,
                    "source": inputs.source,
                    "num_nodes": int(inputs.arrays["receivers"].max()) + 1,
                    "num_edges": len(inputs.arrays["senders"]),
                    "differences": differences,
                    "runs": runs,
                }
            )
            results["versions"] |= {
                label: reports[0]["versions"] for label, reports in runs.items()
            }
            write(results, options.out)
            for label, value in differences.items():
                console.print(f"{case}: results of {label} differ from ours by {value:.1g}")
    show(results, options.out, console)
    return results


def write(results: dict[str, Any], out: Path) -> None:
    """`results.json`, `table.md`, and `ratios.png` if there is a ratio."""
    (out / "results.json").write_text(json.dumps(results, indent=2))
    (out / "table.md").write_text(report.markdown(results))
    if any(entry["theirs"] for entry in results["comparisons"]):
        report.plot(results["comparisons"], out / "ratios.png")


def show(results: dict[str, Any], out: Path, console: Console) -> None:
    """The table on the terminal."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for index, header in enumerate(report.HEADERS):
        table.add_column(header, justify="left" if index < 2 else "right", no_wrap=index < 2)
    for entry in results["comparisons"]:
        table.add_row(*map(escape, report.cells(entry)))
    console.print(table)
    console.print(
        "theirs / ours: median [min, max] over rounds of the ratio of median seconds; above 1 ours is faster. "
        "Pairs are ours, theirs. The first call compiles.",
        markup=False,
    )
    console.print(f"Results: {out / 'results.json'}  {out / 'table.md'}", soft_wrap=True)


if __name__ == "__main__":
    run(tyro.cli(Options, prog="python -m experiments.benchmarks"), Console())
