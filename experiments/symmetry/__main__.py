"""Command line of the symmetry experiment."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from rich.console import Console

from experiments import _command, _report
from experiments._run import run
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

    Writes a table and two plots to OUT/DATASET, and every run to a folder of its own there. Finished runs are kept, and
    a run that was stopped goes on where it was.
    """

    dataset: str = "digits"
    """digits (embedded), cora, minesweeper, minesweeper-long, minesweeper-full (published size: for an accelerator)."""
    layers: tuple[str, ...] = tuple(LAYERS)
    """Any of gat, gatv2, graph_transformer."""
    treatments: tuple[str, ...] = DEFAULT_TREATMENTS
    """Any of the names in configs.TREATMENTS, or all."""
    seeds: Annotated[int, tyro.conf.arg(aliases=["-n"])] = 5
    """Runs per row; seed i uses split i."""
    steps: int | None = None
    """Training steps instead of the protocol's."""
    out: Path = Path("runs/symmetry")
    """Where results go."""
    cache: _command.Cache = _command.CACHE

    def __post_init__(self) -> None:
        """Reject unknown names before any work."""
        if self.treatments == ("all",):
            object.__setattr__(self, "treatments", tuple(TREATMENTS))
        _command.check_names(
            dataset=((self.dataset,), PROTOCOLS),
            layers=(self.layers, LAYERS),
            treatments=(self.treatments, (*TREATMENTS, "all")),
        )
        _command.check_counts(seeds=self.seeds, steps=self.steps)


def main(options: Options, console: Console) -> list[dict]:
    """Train what is missing, then write and show the report."""
    workdir = options.out / options.dataset
    with console.status(f"loading {options.dataset}"):
        problem = load_problem(options.dataset, PROTOCOLS[options.dataset])
    configs = grid(
        options.dataset,
        problem.in_features,
        problem.out_features,
        layers=options.layers,
        treatments=options.treatments,
        seeds=options.seeds,
        steps=options.steps,
    )
    rows = lru_cache(maxsize=1)(build_row)  # the seeds of a row follow each other

    def train_config(config, job):
        return train(config, job, problem, rows(config.network, config.training, problem.metric))

    summary = report.summarize(run(configs, train_config, workdir, console))
    write_report(configs, summary, problem, workdir)
    show(summary, problem.metric, options, workdir, console)
    return summary


def write_report(
    configs: list[RunConfig], summary: list[dict], problem: Problem, workdir: Path
) -> None:
    """`table.md`, `summary.json` and the plots."""
    (workdir / "summary.json").write_text(json.dumps(summary, indent=2))
    (workdir / "table.md").write_text(_report.table(report.rows(summary, problem.metric)))
    report.plot_training(configs, workdir, workdir / "symmetry_error.png")
    layer = configs[-1].layer
    treatments = dict.fromkeys(c.treatment for c in configs if c.layer == layer)
    shown = dict.fromkeys((configs[0].treatment, "shared", "post_hoc", "sinkhorn"))
    report.plot_heat_maps(
        configs,
        np.asarray(problem.graph.senders),
        np.asarray(problem.graph.receivers),
        np.asarray(problem.labels),
        workdir,
        workdir / "attention.png",
        layer=layer,
        treatments=tuple(t for t in shown if t in treatments),
    )


def show(
    summary: list[dict], metric: str, options: Options, workdir: Path, console: Console
) -> None:
    """The table on the terminal, a part per layer."""
    console.print(f"{options.dataset}: mean ± standard deviation over {options.seeds} seeds")
    for layer, entries in groupby(summary, lambda entry: entry["layer"]):
        (_, _, *header), *rows = report.rows(list(entries), metric)
        _report.show([[layer, *header], *(row[1:] for row in rows)], console)
    console.print(
        "e = ‖A − Aᵀ‖/‖A‖ of the attention, e_off the same without the diagonal, diag = mean A_ii, row err = "
        "largest |row sum − 1|, ms = per training step; means over layers and heads."
    )
    console.print(
        f"Plots: {workdir / 'symmetry_error.png'}  {workdir / 'attention.png'}", soft_wrap=True
    )


if __name__ == "__main__":
    _command.main(Options, main, "python -m experiments.symmetry")
