"""Command line of the benchmarks."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import jax
import numpy as np
import tyro
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from experiments.benchmarks import report, sweep_report, worker_c
from experiments.benchmarks.cases import (
    ALL,
    CASES,
    QUESTIONS,
    SWEEPS,
    TABLE,
    Case,
    Operator,
    forward_bytes,
)
from experiments.benchmarks.inputs import make_inputs
from experiments.benchmarks.rounds import (
    Contender,
    Runs,
    busy,
    check_gpu,
    check_peer,
    list_contenders,
    machine,
    measure_bandwidth,
    run_points,
    run_rounds,
)
from experiments.benchmarks.worker import file_name
from graphattn_jax.ops import IMPLEMENTATIONS


@dataclass(frozen=True)
class Options:
    """Measure graphattn_jax and PyTorch Geometric on the same inputs, on this machine's CPU or GPU.

    Each case runs in processes of its own, ours and theirs by turns; a sweep in one process per contender. Writes
    results.json, table.md and ratios.png to OUT; a sweep writes sweep.json, sweep.md and sweep.png.
    """

    cases: tuple[str, ...] = ()
    """Any of the names in cases.CASES. None given: the table's, on a GPU the questions too; nothing beside a sweep."""
    sweep: tuple[str, ...] = ()
    """Any of nodes, edges, degree, heads, width, dtype, or all: one thing varied at a time."""
    device: Literal["cpu", "gpu"] = "cpu"
    """Where both sides run; memory is then that of the device."""
    peer: Literal["pyg", "none"] = "pyg"
    """What to compare with; none measures ours alone."""
    peer_python: str = sys.executable
    """Interpreter with torch and torch-geometric."""
    implementation: tuple[str, ...] = ()
    """Of ga.ops.edge_attention: default or a name. Others are compared with the first. None given: default; in a sweep
    all of them by name."""
    c_loop: bool = True
    """Also a plain C loop, where there is one and a compiler, on the CPU."""
    rounds: int = 3
    """Processes per case and side; a sweep has one for all of its points."""
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
            ("--sweep", self.sweep, (*SWEEPS, "all")),
            ("--implementation", self.implementation, ("default", *IMPLEMENTATIONS)),
        ):
            unknown = [v for v in values if v not in valid]
            if unknown:
                raise SystemExit(f"{name}: {', '.join(unknown)} is not one of {', '.join(valid)}")
            if len(set(values)) < len(values):
                raise SystemExit(f"{name}: {' '.join(values)} names one twice")
        for name, value in (("--rounds", self.rounds), ("--repeats", self.repeats)):
            if value < 1:
                raise SystemExit(f"{name} must be at least 1")
        if self.scale <= 0:
            raise SystemExit("--scale must be positive")

    @property
    def case_names(self) -> tuple[str, ...]:
        """The cases to run."""
        if self.cases or self.sweep:
            return self.cases
        return tuple(TABLE | QUESTIONS if self.device == "gpu" else TABLE)

    @property
    def points(self) -> tuple[str, ...]:
        """The names of the cases of the sweeps."""
        sweeps = SWEEPS if "all" in self.sweep else self.sweep
        return tuple(f"{sweep}/{point}" for sweep in sweeps for point in SWEEPS[sweep])

    @property
    def peer_interpreter(self) -> str | None:
        """None without a peer."""
        return None if self.peer == "none" else self.peer_python


def run(options: Options, console: Console) -> None:
    """Measure what was asked for, showing and writing the results as they come."""
    if options.device == "gpu":
        check_gpu()
    if options.peer_interpreter is not None:
        check_peer(options.peer_interpreter, options.device)
    options.out.mkdir(parents=True, exist_ok=True)
    results = {
        "machine": machine(),
        "options": {**asdict(options), "out": str(options.out)},
        "versions": {},
    }
    if busy(results["machine"]):
        console.print(f"load {results['machine']['load']}: {report.BUSY}", style="bold red")
    if options.case_names:
        run_cases(options, {**results, "versions": {}}, console)
    if options.points:
        run_sweep(options, {**results, "versions": {}}, console)


def run_cases(options: Options, results: dict[str, Any], console: Console) -> None:
    """The table: every case, ours against the others."""
    results |= {"comparisons": [], "cases": []}
    c_loop = options.c_loop and options.device == "cpu"
    problem = worker_c.problem() if c_loop else None
    if problem:
        console.print(f"without the C loop: {problem}", markup=False)
    if any(_is_forward(CASES[case]) for case in options.case_names):
        with TemporaryDirectory(dir=options.out) as folder:
            results["bandwidth"] = measure_bandwidth(
                Path(folder), repeats=options.repeats, device=options.device
            )
    contenders = {
        case: list_contenders(
            case,
            options.implementation or ("default",),
            options.peer_interpreter,
            device=options.device,
            c_loop=c_loop and problem is None,
        )
        for case in options.case_names
    }
    for case, entry, runs in measure(options, contenders, options.rounds, console):
        peers = {contender.label for contender in contenders[case] if contender.is_peer}
        results["comparisons"] += report.compare(case, runs.reports, peers)
        results["cases"].append(entry)
        results["versions"] |= versions(runs)
        write(results, options.out)
        for label, value in runs.differences.items():
            console.print(f"{case}: results of {label} differ from ours by {value:.1g}")
    show(results, options.out, console)


def run_sweep(options: Options, results: dict[str, Any], console: Console) -> None:
    """Every point of the sweeps, all of them in one process per contender."""
    results |= {"points": []}
    # The reference runs everywhere, so that the others are compared with it. Kernels for the other device are left out:
    # they fail, or are interpreted.
    apart = ("reference", "triton" if options.device == "cpu" else "cpp")
    others = tuple(name for name in IMPLEMENTATIONS if name not in apart)
    implementations = options.implementation or ("reference", *others)
    # All points are attention, and have the same contenders.
    contenders = list_contenders(
        options.points[0], implementations, options.peer_interpreter, device=options.device
    )
    with TemporaryDirectory(dir=options.out) as name, _progress(console) as progress:
        folder = Path(name)
        entries = {point: _entry(options, point, folder) for point in options.points}
        results["points"] = list(entries.values())
        task = progress.add_task("sweep", total=len(contenders) * len(entries))
        for label, reports in run_points(
            options.points,
            folder,
            contenders,
            repeats=options.repeats,
            device=options.device,
            on_done=lambda: progress.advance(task),
        ):
            for point, report in reports.items():
                entry = entries[point]
                if "error" in report:
                    entry["left_out"][label] = report["error"]
                else:
                    results["versions"][label] = report["versions"]
                    if "difference" in report:
                        entry["differences"][label] = report.pop("difference")
                    entry["runs"][label] = [report]
            sweep_report.write(results, options.out)
    console.print(sweep_report.markdown(results), markup=False, soft_wrap=True)
    console.print(
        f"Results: {options.out / 'sweep.json'}  {options.out / 'sweep.png'}", soft_wrap=True
    )


def measure(
    options: Options, contenders: dict[str, list[Contender]], rounds: int, console: Console
):
    """Runs the contenders of each case; yields its name, what to store of it, and the runs."""
    with _progress(console) as progress:
        task = progress.add_task("", total=rounds * sum(map(len, contenders.values())))
        for case in contenders:
            progress.update(task, description=case)
            with TemporaryDirectory(dir=options.out) as folder:
                entry = _entry(options, case, Path(folder))
                runs = run_rounds(
                    case,
                    Path(folder),
                    contenders[case],
                    rounds=rounds,
                    repeats=options.repeats,
                    device=options.device,
                    on_done=lambda: progress.advance(task),
                )
            entry |= {
                "differences": runs.differences,
                "left_out": runs.left_out,
                "runs": runs.reports,
            }
            yield case, entry, runs


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )


def _entry(options: Options, name: str, folder: Path) -> dict[str, Any]:
    """Write the inputs of a case to the folder; returns what to store of it."""
    case, inputs = ALL[name], make_inputs(ALL[name], scale=options.scale)
    np.savez(folder / file_name(name), allow_pickle=False, **inputs.arrays)
    entry: dict[str, Any] = {"case": name, "source": inputs.source, **inputs.sizes()}
    if _is_forward(case):
        entry["bytes"] = forward_bytes(case, entry["num_nodes"], entry["num_edges"])
    return entry | {"differences": {}, "left_out": {}, "runs": {}}


def _is_forward(case: Case) -> bool:
    return isinstance(case, Operator) and not case.gradient


def versions(runs: Runs) -> dict[str, Any]:
    """Of each contender, as it reports them."""
    return {label: reports[0]["versions"] for label, reports in runs.reports.items()}


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
    for line in (*report.bandwidth_lines(results), *report.left_out_lines(results["cases"])):
        console.print(line, markup=False)
    console.print(f"Results: {out / 'results.json'}  {out / 'table.md'}", soft_wrap=True)


if __name__ == "__main__":
    jax.config.update("jax_platforms", "cpu")  # the device is the workers'
    run(tyro.cli(Options, prog="python -m experiments.benchmarks"), Console())
