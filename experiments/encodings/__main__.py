"""Command line of the encodings experiment."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import tyro
from rich.console import Console
from rich.markdown import Markdown
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import graphattn_jax as ga
from experiments.encodings import report
from experiments.encodings.cost import REAL_GRAPHS, SIZES, TIME_LIMIT, run_process
from experiments.encodings.encoders import COSTS, ENCODINGS
from experiments.encodings.quality import run as run_quality
from experiments.encodings.tasks import PROTOCOLS, load_task


@dataclass(frozen=True)
class Options:
    """What encodings cost from 100 to 1,000,000 nodes, and what they are good for on four tasks.

    Writes two tables and two plots to OUT, and every measurement to a file of its own there. Finished ones are kept,
    so an interrupted command continues where it was.
    """

    parts: tuple[str, ...] = ("quality", "cost")
    """quality (train networks on tasks), cost (seconds and memory; leave the machine alone meanwhile)."""
    tasks: tuple[str, ...] = ("csl", "spectrum")
    """Any of csl, spectrum, zinc, wordnet. csl, zinc and wordnet need their data; zinc also rdkit."""
    encodings: tuple[str, ...] = tuple(ENCODINGS)
    """Rows of the quality table."""
    graphs: tuple[str, ...] = SIZES
    """Columns of the cost table: numbers of nodes, wordnet, amsterdam-museum."""
    steps: int | None = None
    """Training steps instead of the protocol's."""
    out: Path = Path("runs/encodings")
    """Where results go."""

    def __post_init__(self) -> None:
        """Reject unknown names before any work."""
        for name, values, valid in (
            ("--parts", self.parts, ("quality", "cost")),
            ("--tasks", self.tasks, tuple(PROTOCOLS)),
            ("--encodings", self.encodings, tuple(ENCODINGS)),
            ("--graphs", [g for g in self.graphs if not g.isdigit()], tuple(REAL_GRAPHS)),
        ):
            unknown = [v for v in values if v not in valid]
            if unknown:
                raise SystemExit(f"{name}: {', '.join(unknown)} is not one of {', '.join(valid)}")


def quality(options: Options, progress: Progress) -> list[dict]:
    """Train what is missing; all results."""
    rows = [
        (task, name)
        for task in options.tasks
        for name in options.encodings
        if ENCODINGS[name].large or task != "wordnet"
    ]
    bar = progress.add_task("quality", total=len(rows))
    results, loaded = [], {}
    for task, name in rows:
        progress.update(bar, description=f"{task}, {name}")
        protocol = PROTOCOLS[task]
        if options.steps is not None:
            protocol = replace(protocol, steps=options.steps)
        if task not in loaded:
            loaded = {task: load_task(task)}
        folder = options.out / "quality"
        results += run_quality(task, loaded[task], name, ENCODINGS[name], protocol, folder)
        progress.advance(bar)
    return results


def cost(options: Options, progress: Progress) -> list[dict]:
    """Measure what is missing, each encoding up to the size at which it becomes too slow."""
    bar = progress.add_task("cost", total=len(COSTS) * len(options.graphs))
    reports = []
    for name in COSTS:
        too_large = False
        for graph in options.graphs:
            progress.update(bar, description=f"{name}, {graph}")
            if not (too_large and graph.isdigit()):
                measured = run_process(name, graph, options.out / "cost")
                reports.append(measured)
                too_large |= measured.get("first_seconds", TIME_LIMIT) > TIME_LIMIT / 4
            progress.advance(bar)
    return reports


def main(options: Options, console: Console) -> None:
    """Run the parts, then write and show the report."""
    options.out.mkdir(parents=True, exist_ok=True)
    environment = json.dumps(ga.training.environment(), indent=2)
    (options.out / "environment.json").write_text(environment)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        results = quality(options, progress) if "quality" in options.parts else []
        reports = cost(options, progress) if "cost" in options.parts else []
    for name, table, plot, rows in (
        ("quality", report.quality_table, report.plot_quality, results),
        ("cost", report.cost_table, report.plot_cost, reports),
    ):
        if rows:
            (options.out / f"{name}.md").write_text(table(rows))
            plot(rows, options.out / f"{name}.png")
            console.print(Markdown(table(rows)))
            console.print(f"Table and plot: {options.out / name}.md, .png", soft_wrap=True)


if __name__ == "__main__":
    main(tyro.cli(Options, prog="python -m experiments.encodings"), Console())
