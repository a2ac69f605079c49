"""Command line of the molecules experiment."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from rich.markdown import Markdown
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import graphattn_jax as ga
from experiments.cpu import prepare_cpu
from experiments.molecules import report
from experiments.molecules.configs import PROTOCOLS, SPLITS, RunConfig
from experiments.molecules.train import build_model, load_problem, train


@dataclass(frozen=True)
class Options:
    """Train GraphGPS on sets of molecules with measured properties; report test scores over seeds.

    The test score of a run is that of the epoch with the best validation score. Writes all results, a table and
    learning curves to OUT, and every run to a file of its own there. Finished runs are kept, so an interrupted command
    continues where it was.
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

    def __post_init__(self) -> None:
        """Reject unknown names before any work."""
        for name, values, valid in (
            ("--datasets", self.datasets, tuple(PROTOCOLS)),
            ("--splits", self.splits, SPLITS),
        ):
            unknown = [v for v in values if v not in valid]
            if unknown:
                raise SystemExit(f"{name}: {', '.join(unknown)} is not one of {', '.join(valid)}")
        if self.seeds < 1:
            raise SystemExit("--seeds must be at least 1")


def run(options: Options, console: Console) -> list[dict]:
    """Train what is missing, then write and show the report."""
    options.out.mkdir(parents=True, exist_ok=True)
    environment = json.dumps(ga.training.environment(), indent=2)
    (options.out / "environment.json").write_text(environment)
    prepare_cpu(one_pool=False)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    results = []
    with Progress(*columns, console=console) as progress:
        total = len(options.datasets) * len(options.splits) * options.seeds
        runs = progress.add_task("training", total=total)
        for dataset in options.datasets:
            progress.update(runs, description=f"loading {dataset}")
            protocol = PROTOCOLS[dataset]
            if options.epochs is not None:
                warmup = min(protocol.warmup_epochs, options.epochs - 1)
                protocol = replace(protocol, epochs=options.epochs, warmup_epochs=warmup)
            try:
                problem = load_problem(dataset)
            except FileNotFoundError as error:  # says where it looked, and what to do
                raise SystemExit(str(error)) from error
            model = build_model(protocol, problem)
            for split in options.splits:
                for seed in range(options.seeds):
                    progress.update(runs, description=f"{dataset}, {split}, seed {seed}")
                    config = RunConfig(dataset, split, seed, protocol)
                    results.append(train(config, problem, model, options.out / "runs"))
                    progress.advance(runs)
    (options.out / "results.json").write_text(json.dumps(results))
    (options.out / "table.md").write_text(report.table(results))
    report.plot_curves(results, options.out / "curves.png")
    console.print(Markdown(report.table(results)))
    console.print(f"Table and plot: {options.out / 'table.md'}, curves.png", soft_wrap=True)
    return results


if __name__ == "__main__":
    run(tyro.cli(Options, prog="python -m experiments.molecules"), Console())
