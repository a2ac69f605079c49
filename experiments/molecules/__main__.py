"""Command line of the molecules experiment."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from experiments import _command, _report
from experiments._run import run
from experiments.molecules import report
from experiments.molecules.configs import PROTOCOLS, SPLITS, grid
from experiments.molecules.train import build, load_problem, train


@dataclass(frozen=True)
class Options:
    """Train GraphGPS on sets of molecules with measured properties; report test scores over seeds.

    The test score of a run is that of the epoch with the best validation score. Writes all results, a table and
    learning curves to OUT, and every run to a folder of its own there. Finished runs are kept, and a run that was
    stopped goes on where it was.
    """

    datasets: tuple[str, ...] = ("freewilson",)
    """freewilson (comes with rdkit), or with their files in GRAPHATTN_DATA: esol, freesolv, bbbp, tox21, hiv."""
    splits: tuple[str, ...] = SPLITS
    """random: three of 80/10/10, seed i takes split i. scaffold: test molecules have scaffolds unseen in training."""
    seeds: Annotated[int, tyro.conf.arg(aliases=["-n"])] = 3
    """Runs per set and kind of split."""
    epochs: int | None = None
    """Length of the schedule instead of the protocol's."""
    out: Path = Path("runs/molecules")
    """Where results go."""
    cache: _command.Cache = _command.CACHE

    def __post_init__(self) -> None:
        """Reject unknown names before any work."""
        _command.check_names(datasets=(self.datasets, PROTOCOLS), splits=(self.splits, SPLITS))
        _command.check_counts(seeds=self.seeds, epochs=self.epochs)


def main(options: Options, console: Console) -> list[dict]:
    """Train what is missing, then write and show the report."""

    @lru_cache(maxsize=1)  # the runs of a set follow each other
    def prepared(dataset, protocol):
        problem = load_problem(dataset)
        return problem, build(protocol, problem)

    def train_config(config, job):
        job.say(f"loading {config.dataset}")
        return train(config, job, *prepared(config.dataset, config.protocol))

    configs = grid(options.datasets, options.splits, options.seeds, options.epochs)
    results = run(configs, train_config, options.out, console)
    rows = report.rows(results)
    (options.out / "results.json").write_text(json.dumps(results))
    (options.out / "table.md").write_text(_report.table(rows))
    report.plot_curves(results, options.out / "curves.png")
    _report.show(rows, console)
    console.print(f"Table and plot: {options.out / 'table.md'}, curves.png", soft_wrap=True)
    return results


if __name__ == "__main__":
    _command.main(Options, main, "python -m experiments.molecules")
