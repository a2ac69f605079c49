"""Command line of the experiment on links."""

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
from experiments.links import report
from experiments.links.configs import ROWS, grid
from experiments.links.train import build, load_problem, make_ranking, train


@dataclass(frozen=True)
class Options:
    """Predict the links of UMLS with decoders alone and behind typed layers.

    Writes a table and a picture to OUT, and every run to a folder of its own there. Finished runs are kept, and a run
    that was stopped goes on where it was. Needs the data in the folder named by GRAPHATTN_DATA, or a network.
    """

    rows: tuple[str, ...] = tuple(ROWS)
    """Any of distmult, complex, rgcn, hgt."""
    seeds: Annotated[int, tyro.conf.arg(aliases=["-n"])] = 5
    """Runs per row."""
    steps: int | None = None
    """Training steps instead of the protocol's."""
    out: Path = Path("runs/links")
    """Where results go."""
    cache: _command.Cache = _command.CACHE

    def __post_init__(self) -> None:
        """Reject unknown names before any work."""
        _command.check_names(rows=(self.rows, ROWS))
        _command.check_counts(seeds=self.seeds, steps=self.steps)


def main(options: Options, console: Console) -> list[dict]:
    """Train what is missing, then write and show the report."""
    with console.status("loading umls"):
        problem = load_problem("umls")
    configs = grid(options.rows, options.seeds, steps=options.steps)

    @lru_cache(maxsize=1)  # the seeds of a row follow each other
    def model(row):
        built = build(problem, next(config for config in configs if config.row == row))
        return built, make_ranking(problem, built)

    results = run(
        configs,
        lambda config, job: train(config, job, problem, *model(config.row)),
        options.out,
        console,
    )
    rows = report.rows(results)
    (options.out / "table.md").write_text(_report.table(rows))
    (options.out / "table.json").write_text(json.dumps(results, indent=1))
    report.plot(results, options.out / "ranking.png")
    _report.show(rows, console)
    console.print(f"{options.out}/table.md, table.json, ranking.png", soft_wrap=True)
    return results


if __name__ == "__main__":
    _command.main(Options, main, "python -m experiments.links")
