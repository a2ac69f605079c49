"""Command line of the experiment on typed graphs."""

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
from experiments.heterogeneous import report
from experiments.heterogeneous.configs import PROTOCOLS, ROWS, grid
from experiments.heterogeneous.train import build, load_problem, train


@dataclass(frozen=True)
class Options:
    """Train networks with and without types side by side, beside majority and label propagation.

    Writes a table and a picture to OUT/DATASET, and every run to a folder of its own there. Finished runs are kept, and
    a run that was stopped goes on where it was. Needs the data in the folder named by GRAPHATTN_DATA.
    """

    dataset: str = "aifb"
    """aifb (8,285 nodes, 45 relations) or wordnet (117,659 nodes, 26 relations)."""
    rows: tuple[str, ...] = tuple(ROWS)
    """Any of gat, graph_transformer, rgcn, rgat, han, simple_hgn, hgt."""
    seeds: Annotated[int, tyro.conf.arg(aliases=["-n"])] = 10
    """Runs per row."""
    tune: bool = False
    """Try every size of every row on a held-out fifth of the nodes to learn from; test nodes are not read."""
    steps: int | None = None
    """Training steps instead of the protocol's."""
    out: Path = Path("runs/heterogeneous")
    """Where results go."""
    cache: _command.Cache = _command.CACHE

    def __post_init__(self) -> None:
        """Reject unknown names before any work."""
        _command.check_names(dataset=((self.dataset,), PROTOCOLS), rows=(self.rows, ROWS))
        _command.check_counts(seeds=self.seeds, steps=self.steps)


def main(options: Options, console: Console) -> list[dict]:
    """Train what is missing, then write and show the report."""
    workdir = options.out / options.dataset
    with console.status(f"loading {options.dataset}"):
        problem = load_problem(options.dataset)

    @lru_cache(maxsize=1)  # the seeds of a row follow each other
    def model(row, width, dropout):
        first = next(c for c in configs if (c.row, c.width, c.dropout) == (row, width, dropout))
        return build(problem, first)

    configs = grid(
        options.dataset, options.rows, options.seeds, tune=options.tune, steps=options.steps
    )
    results = run(
        configs,
        lambda config, job: train(
            config, job, problem, model(config.row, config.width, config.dropout)
        ),
        workdir,
        console,
    )
    rows = report.rows(results, problem, tune=options.tune)
    name = "tune" if options.tune else "table"
    (workdir / f"{name}.md").write_text(_report.table(rows))
    (workdir / f"{name}.json").write_text(json.dumps(results, indent=1))
    _report.show(rows, console)
    if options.tune:
        console.print(f"best on held-out nodes: {report.best_sizes(results)}", markup=False)
    else:
        report.plot(results, problem, workdir / "accuracy.png")
    console.print(f"{workdir / name}.md, {name}.json", soft_wrap=True)
    return results


if __name__ == "__main__":
    _command.main(Options, main, "python -m experiments.heterogeneous")
