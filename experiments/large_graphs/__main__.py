"""Command line of the experiment on large graphs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from experiments import _command, _report
from experiments._run import run
from experiments.large_graphs.configs import ROWS, RunConfig
from experiments.large_graphs.train import load_problem, train


@dataclass(frozen=True)
class Options:
    """Train one network on WordNet (117,659 nodes) whole and on samples of it, by equally many steps.

    Writes a table to OUT, and every run to a folder of its own there. Finished runs are kept, and a run that was
    stopped goes on where it was. Needs the data in the folder named by GRAPHATTN_DATA.
    """

    rows: tuple[str, ...] = tuple(ROWS)
    """Any of full, neighbours, clusters, saint."""
    seeds: Annotated[int, tyro.conf.arg(aliases=["-n"])] = 1
    """Runs per row."""
    steps: int = 300
    """Training steps."""
    out: Path = Path("runs/large_graphs")
    """Where results go."""
    cache: _command.Cache = _command.CACHE

    def __post_init__(self) -> None:
        """Reject unknown names before any work."""
        _command.check_names(rows=(self.rows, ROWS))
        _command.check_counts(seeds=self.seeds, steps=self.steps)


def main(options: Options, console: Console) -> list[dict]:
    """Train what is missing, then write and show the table."""
    with console.status("loading wordnet"):
        problem = load_problem()
    configs = [
        RunConfig(row, seed, options.steps) for row in options.rows for seed in range(options.seeds)
    ]
    results = run(configs, lambda config, job: train(config, job, problem), options.out, console)
    rows = [["", "nodes per step", "seconds per step", "waiting", "val", "test"]]
    for name in options.rows:
        found = [result for result in results if result["config"]["row"] == name]
        seconds = [result["train_seconds"] / options.steps for result in found]
        waiting = [result["waiting"] for result in found if result["waiting"] is not None]
        rows.append(
            [
                ROWS[name].label,
                f"{found[0]['nodes']:,}",
                _report.spread(seconds, 2),
                _report.spread(waiting, 2) if waiting else "",
                *(_report.spread([result[part] for result in found]) for part in ("val", "test")),
            ]
        )
    (options.out / "table.md").write_text(_report.table(rows))
    (options.out / "table.json").write_text(json.dumps(results, indent=1))
    _report.show(rows, console)
    console.print(f"{options.out / 'table'}.md, table.json", soft_wrap=True)
    return results


if __name__ == "__main__":
    _command.main(Options, main, "python -m experiments.large_graphs")
