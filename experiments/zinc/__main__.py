"""Command line of the ZINC experiment."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from experiments import _command, _report
from experiments._run import run
from experiments.zinc import report
from experiments.zinc.configs import ROWS, grid
from experiments.zinc.train import build, load_problem, steps_per_epoch, train


@dataclass(frozen=True)
class Options:
    """Train graph transformers on ZINC with their published settings; on a CPU, a fraction of the schedule.

    Writes a table and learning curves to OUT, and every run to a folder of its own there. Finished runs are kept, and a
    run that was stopped goes on where it was. Needs ZINC in the folder named by GRAPHATTN_DATA, and rdkit.
    """

    networks: tuple[str, ...] = ("gps",)
    """Any of gps, grit, graphormer."""
    epochs: int | None = 20
    """Length of the schedule, its shape kept; None = the published one, for an accelerator."""
    seeds: Annotated[int, tyro.conf.arg(aliases=["-n"])] = 1
    """Runs per network."""
    molecules: int | None = None
    """At most so many per part, for a try."""
    out: Path = Path("runs/zinc")
    """Where results go."""
    cache: _command.Cache = _command.CACHE

    def __post_init__(self) -> None:
        """Reject unknown names before any work."""
        _command.check_names(networks=(self.networks, ROWS))
        _command.check_counts(seeds=self.seeds, epochs=self.epochs, molecules=self.molecules)


def main(options: Options, console: Console) -> list[dict]:
    """Train what is missing, then write and show the report."""

    @lru_cache(maxsize=1)  # the seeds of a network follow each other
    def prepared(row, molecules, network, protocol):
        problem = load_problem(row, molecules)
        return problem, build(network, protocol, steps_per_epoch(protocol, problem))

    def train_config(config, job):
        job.say("loading ZINC and computing its encodings")
        shared = prepared(config.row, config.molecules, config.network, config.protocol)
        return train(config, job, *shared)

    configs = grid(
        options.networks, options.seeds, epochs=options.epochs, molecules=options.molecules
    )
    results = run(configs, train_config, options.out, console)
    rows = report.rows(results)
    (options.out / "table.md").write_text(_report.table(rows))
    report.plot_curves(results, options.out / "curves.png")
    _report.show(rows, console)
    console.print(f"Table and curves: {options.out / 'table.md'}, curves.png", soft_wrap=True)
    return results


if __name__ == "__main__":
    _command.main(Options, main, "python -m experiments.zinc")
