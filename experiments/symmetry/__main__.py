"""Command line of the symmetry experiment."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from experiments.symmetry import report
from experiments.symmetry.configs import (
    DEFAULT_TREATMENTS,
    LAYERS,
    PROTOCOLS,
    TREATMENTS,
    RunConfig,
    grid,
)
from experiments.symmetry.train import Problem, build_row, load_problem, train


@dataclass(frozen=True)
class Options:
    """Train every symmetry treatment of every attention layer side by side; report how symmetric and how good each is.

    Writes a table and two plots to OUT/DATASET, and every run to a folder of its own there. Finished runs are kept, so
    an interrupted command continues where it was.
    """

    dataset: str = "digits"
    """digits (embedded), cora, minesweeper, minesweeper-long, minesweeper-full (published size: for an accelerator)."""
    layers: tuple[str, ...] = LAYERS
    """Any of gat, gatv2, graph_transformer."""
    treatments: tuple[str, ...] = DEFAULT_TREATMENTS
    """Any of the names in configs.TREATMENTS, or all."""
    seeds: Annotated[int, tyro.conf.arg(aliases=["-n"])] = 5
    """Runs per row; seed i uses split i."""
    steps: int | None = None
    """Training steps instead of the protocol's."""
    out: Path = Path("runs/symmetry")
    """Where results go."""

    def __post_init__(self) -> None:
        """Reject unknown names before any work."""
        if self.treatments == ("all",):
            object.__setattr__(self, "treatments", tuple(TREATMENTS))
        for name, values, valid in (
            ("--dataset", (self.dataset,), PROTOCOLS),
            ("--layers", self.layers, LAYERS),
            ("--treatments", self.treatments, (*TREATMENTS, "all")),
        ):
            unknown = [v for v in values if v not in valid]
            if unknown:
                raise SystemExit(f"{name}: {', '.join(unknown)} is not one of {', '.join(valid)}")
        if self.seeds < 1:
            raise SystemExit("--seeds must be at least 1")


def run(options: Options, console: Console) -> list[dict]:
    """Train what is missing, then write and show the report."""
    configs = grid(
        options.dataset, options.layers, options.treatments, options.seeds, options.steps
    )
    workdir = options.out / options.dataset
    with console.status(f"loading {options.dataset}"):
        try:
            problem = load_problem(configs[0].data_name, configs[0].protocol)
        except FileNotFoundError as error:  # says where it looked, and what to do
            raise SystemExit(str(error)) from error
    results = []
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("training", total=len(configs))
        for (layer, treatment), row_configs in groupby(configs, lambda c: (c.layer, c.treatment)):
            row = None
            for config in row_configs:
                progress.update(task, description=f"{layer}, {treatment}, seed {config.seed}")
                row = row or build_row(config, problem)
                results.append(train(config, problem, row, workdir / config.name))
                progress.advance(task)
    summary = report.summarize(results)
    write_report(configs, summary, problem, workdir)
    show(summary, problem.metric, options, workdir, console)
    return summary


def write_report(
    configs: list[RunConfig], summary: list[dict], problem: Problem, workdir: Path
) -> None:
    """`table.md`, `summary.json` and the plots."""
    (workdir / "summary.json").write_text(json.dumps(summary, indent=2))
    (workdir / "table.md").write_text(report.markdown(summary, problem.metric))
    report.plot_training(configs, workdir, workdir / "symmetry_error.png")
    first = configs[0]
    treatments = dict.fromkeys(c.treatment for c in configs if c.layer == configs[-1].layer)
    report.plot_heat_maps(
        configs,
        np.asarray(problem.inputs.graph.senders),
        np.asarray(problem.inputs.graph.receivers),
        np.asarray(problem.inputs.labels),
        workdir,
        workdir / "attention.png",
        layer=configs[-1].layer,
        treatments=tuple(
            t for t in (first.treatment, "shared", "post_hoc", "sinkhorn") if t in treatments
        ),
    )


def show(
    summary: list[dict], metric: str, options: Options, workdir: Path, console: Console
) -> None:
    """The table on the terminal."""
    console.print(f"{options.dataset}: mean ± standard deviation over {options.seeds} seeds")
    for layer, entries in groupby(summary, lambda entry: entry["layer"]):
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
        _, _, *others = report.headers(metric)
        table.add_column(layer, no_wrap=True)
        for header in others:
            table.add_column(header, justify="right", no_wrap=True)
        for entry in entries:
            table.add_row(*report.cells(entry)[1:])
        console.print(table)
    console.print(
        "e = ‖A − Aᵀ‖/‖A‖ of the attention, e_off the same without the diagonal, diag = mean A_ii, row err = "
        "largest |row sum − 1|, ms = per training step; means over layers and heads."
    )
    console.print(
        f"Plots: {workdir / 'symmetry_error.png'}  {workdir / 'attention.png'}", soft_wrap=True
    )


if __name__ == "__main__":
    run(tyro.cli(Options, prog="python -m experiments.symmetry"), Console())
