"""Command line of the ZINC experiment."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import tyro
from rich.console import Console
from rich.markdown import Markdown
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import graphattn_jax as ga
from experiments.cpu import prepare_cpu
from experiments.zinc import report
from experiments.zinc.configs import NETWORKS, zinc
from experiments.zinc.train import train


@dataclass(frozen=True)
class Options:
    """Train graph transformers on ZINC with their published settings; on a CPU, a fraction of the schedule.

    Writes a table and learning curves to OUT, and every run to a folder of its own there: a stopped run continues
    from its last checkpoint, finished ones are kept. Needs ZINC in the folder named by GRAPHATTN_DATA, and rdkit.
    """

    networks: tuple[str, ...] = ("gps",)
    """Any of the names in configs.NETWORKS."""
    epochs: int | None = 20
    """Length of the schedule, its shape kept; None = the published one, for an accelerator."""
    seeds: int = 1
    """Runs per network."""
    molecules: int | None = None
    """At most so many per part, for a try."""
    out: Path = Path("runs/zinc")
    """Where results go."""

    def __post_init__(self) -> None:
        """Reject unknown names before any work."""
        unknown = [name for name in self.networks if name not in NETWORKS]
        if unknown:
            raise SystemExit(
                f"--networks: {', '.join(unknown)} is not one of {', '.join(NETWORKS)}"
            )
        for name in ("seeds", "epochs", "molecules"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise SystemExit(f"--{name} must be at least 1")


def main(options: Options, console: Console) -> list[dict]:
    """Train what is missing, then write and show the report."""
    options.out.mkdir(parents=True, exist_ok=True)
    environment = json.dumps(ga.training.environment(), indent=2)
    (options.out / "environment.json").write_text(environment)
    prepare_cpu(one_pool=False)
    with console.status("loading ZINC"):
        try:
            data, parts = zinc(options.molecules)
        except (FileNotFoundError, ImportError) as error:  # says what to do
            raise SystemExit(str(error)) from error
    networks = {name: NETWORKS[name]() for name in options.networks}
    results = []
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        for name, network in networks.items():
            bar = progress.add_task(f"{name}: encodings", total=None)
            prepared = [
                network.prepare(ga.graphs.take(data.graphs, ids))._replace(
                    globals=data.labels[ids].reshape(-1)
                )
                for ids in parts
            ]
            epochs = options.epochs or network.protocol.epochs
            progress.update(bar, total=epochs * options.seeds)
            for seed in range(options.seeds):
                progress.update(bar, description=f"{name}, seed {seed}", completed=seed * epochs)

                def show(
                    step: int, record: dict[str, float], name=name, seed=seed, bar=bar
                ) -> None:
                    text = f"{name}, seed {seed}: training {record['loss']:.3f}, validation {record['val']:.3f}"
                    progress.update(bar, description=text, advance=1)

                results.append(
                    train(
                        name,
                        network,
                        prepared,
                        seed=seed,
                        epochs=options.epochs,
                        workdir=options.out,
                        callback=show,
                    )
                )
    table = report.table(results, networks)
    (options.out / "table.md").write_text(table)
    report.plot_curves(results, networks, options.out / "curves.png")
    console.print(Markdown(table))
    console.print(f"Table and curves: {options.out}/table.md, curves.png", soft_wrap=True)
    return results


if __name__ == "__main__":
    main(tyro.cli(Options, prog="python -m experiments.zinc"), Console())
