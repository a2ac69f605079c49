"""Command line of the encodings experiment."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from rich.console import Console

from experiments import _command, _report
from experiments._run import bars, run
from experiments.encodings import report
from experiments.encodings.cost import REAL_GRAPHS, SIZES, TIME_LIMIT, run_process
from experiments.encodings.encoders import COSTS, ENCODINGS
from experiments.encodings.quality import RunConfig, build_row, train
from experiments.encodings.tasks import PROTOCOLS, load_task


@dataclass(frozen=True)
class Options:
    """What encodings cost from 100 to 1,000,000 nodes, and what they are good for on four tasks.

    Writes two tables and two plots to OUT, and every measurement to a place of its own there. Finished ones are kept,
    and a run that was stopped goes on where it was.
    """

    parts: tuple[str, ...] = ("quality", "cost")
    """quality (train networks on tasks), cost (seconds and memory; leave the machine alone meanwhile)."""
    tasks: tuple[str, ...] = ("csl", "spectrum")
    """Any of csl, spectrum, zinc, wordnet. csl, zinc and wordnet need their data; zinc also rdkit."""
    encodings: tuple[str, ...] = tuple(ENCODINGS)
    """Rows of the quality table."""
    graphs: tuple[str, ...] = SIZES
    """Columns of the cost table: numbers of nodes, wordnet, amsterdam-museum."""
    steps: int | None = None
    """Training steps instead of the protocol's."""
    out: Path = Path("runs/encodings")
    """Where results go."""
    cache: _command.Cache = _command.CACHE

    def __post_init__(self) -> None:
        """Reject unknown names before any work."""
        _command.check_names(
            parts=(self.parts, ("quality", "cost")),
            tasks=(self.tasks, PROTOCOLS),
            encodings=(self.encodings, ENCODINGS),
            graphs=([g for g in self.graphs if not g.isdigit()], REAL_GRAPHS),
        )
        _command.check_counts(steps=self.steps)


def grid(
    tasks: tuple[str, ...], encodings: tuple[str, ...], steps: int | None = None
) -> list[RunConfig]:
    """All runs of the quality table, the seeds of an encoding together."""
    configs = []
    for task in tasks:
        protocol = PROTOCOLS[task]
        if steps is not None:
            protocol = replace(protocol, steps=steps)
        configs += [
            RunConfig(task, encoding, seed, protocol)
            for encoding in encodings
            if ENCODINGS[encoding].large or task != "wordnet"
            for seed in range(protocol.seeds)
        ]
    return configs


def quality(options: Options, console: Console) -> list[dict]:
    """Train what is missing; all results."""
    tasks = lru_cache(maxsize=1)(load_task)

    @lru_cache(maxsize=1)  # the seeds of an encoding follow each other
    def row(first):
        return build_row(first, tasks(first.task))

    def train_config(config, job):
        job.say("loading and encoding the graphs")
        return train(config, job, tasks(config.task), row(replace(config, seed=0)))

    configs = grid(options.tasks, options.encodings, options.steps)
    return run(configs, train_config, options.out / "quality", console)


def cost(options: Options, console: Console) -> list[dict]:
    """Measure what is missing, each encoding up to the size at which it becomes too slow."""
    reports = []
    with bars(console) as progress:
        bar = progress.add_task("cost", total=len(COSTS) * len(options.graphs))
        for name in COSTS:
            too_large = False
            for graph in options.graphs:
                progress.update(bar, description=f"{name}, {graph}")
                if not (too_large and graph.isdigit()):
                    measured = run_process(name, graph, options.out / "cost")
                    reports.append(measured)
                    too_large |= measured.get("first_seconds", TIME_LIMIT) > TIME_LIMIT / 4
                progress.advance(bar)
    return reports


def main(options: Options, console: Console) -> None:
    """Run the parts, then write and show their reports."""
    for part, measure, rows_of, plot in (
        ("quality", quality, report.quality_rows, report.plot_quality),
        ("cost", cost, report.cost_rows, report.plot_cost),
    ):
        if part not in options.parts:
            continue
        results = measure(options, console)
        if results:
            rows = rows_of(results)
            (options.out / f"{part}.md").write_text(_report.table(rows))
            plot(results, options.out / f"{part}.png")
            _report.show(rows, console)
            console.print(f"Table and plot: {options.out / part}.md, .png", soft_wrap=True)


if __name__ == "__main__":
    _command.main(Options, main, "python -m experiments.encodings")
