"""Runs that are kept, shown and continued: what trains the grid of every experiment."""

from __future__ import annotations

import functools
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import graphattn_jax as ga
from experiments._model import Model

CHECKPOINT_SECONDS = 60.0
"""What a run loses at most when it is killed; when it is stopped by Ctrl-C, nothing."""


class Config(Protocol):
    """One run: a frozen value of which `ga.values.to_json` makes the settings, and the name of its folder."""

    @property
    def name(self) -> str: ...


Train = Callable[[Any, "Job"], dict[str, Any]]
"""Trains a config in its job; gives its result, as JSON holds it."""


def run(grid: Sequence[Config], train: Train, out: Path, console: Console) -> list[dict[str, Any]]:
    """Train what is missing of a grid, in its order; the results of all of it.

    Each run has a folder `out/name` with `config.json`, `environment.json`, `metrics.jsonl` and `network.npz` (the best
    parameters, for `ga.models.load`); `result.json` is there when it is finished, checkpoints until then. A run that
    was stopped goes on from its last checkpoint, bit for bit.

    Args:
      grid: what to train; runs that share compiled functions next to each other.
      train: called as `train(config, job)` for those without a result.
      out: the folder of the folders.
      console: for the bars.

    Returns:
      `{"config": settings, **what train gave}` per config.

    Raises:
      SystemExit: a folder holds a run with other settings; before anything is trained.
    """
    settings = [ga.values.to_json(config) for config in grid]
    results = [finished(out / c.name, s) for c, s in zip(grid, settings, strict=True)]
    missing = [i for i, result in enumerate(results) if result is None]
    with bars(console) as progress:
        done = len(grid) - len(missing)
        overall = progress.add_task("runs", total=len(grid), completed=done)
        current = progress.add_task("", total=None, visible=False)
        for count, i in enumerate(missing, done):
            name, folder, start = grid[i].name, out / grid[i].name, time.perf_counter()
            progress.reset(current, total=None, completed=0, description=name, visible=True)
            progress.update(overall, completed=count)
            _write(folder / "config.json", settings[i])
            _write(folder / "environment.json", _environment())
            job = Job(name, folder, _Bar(progress, current, overall, count))
            results[i] = {"config": settings[i], **train(grid[i], job)}
            _write(folder / "result.json", results[i])
            shutil.rmtree(folder / "checkpoints", ignore_errors=True)
            if not console.is_terminal:
                console.print(f"{name}: {time.perf_counter() - start:.0f} s", markup=False)
        progress.update(overall, completed=len(grid))
        progress.update(current, visible=False)
    return results  # pyright: ignore[reportReturnType]


def finished(folder: Path, settings: dict[str, Any]) -> dict[str, Any] | None:
    """The result that a folder holds, None as long as it holds none.

    Raises:
      SystemExit: the run in the folder, finished or not, has other settings.
    """
    config, result = folder / "config.json", folder / "result.json"
    if config.exists():
        stored = json.loads(config.read_text())
        if stored != settings:
            raise SystemExit(
                f"{folder} holds a run with other settings: {'; '.join(_differences(stored, settings))}. "
                "Fix: another --out, or remove that folder."
            )
    return json.loads(result.read_text()) if result.exists() else None


class Job:
    """A run on its way: its folder, and its line on the screen."""

    def __init__(self, name: str, folder: Path, bar: _Bar):
        self.folder = folder
        self._name, self._bar = name, bar

    def say(self, text: str) -> None:
        """What the run does now."""
        self._bar.say(f"{self._name}: {text}")

    def fit(
        self,
        model: Model,
        seed: int,
        batches: ga.training.DataIterator,
        *,
        num_steps: int,
        evaluate: Callable[..., dict[str, float]],
        early_stopping: ga.training.EarlyStopping,
        **options: Any,
    ) -> ga.training.FitResult:
        """`ga.training.fit` with checkpoints, a log and a bar; the best parameters go to `network.npz`."""
        checkpoints = _Checkpoints(self.folder / "checkpoints")
        first = step = max(checkpoints.steps(), default=0)
        self._bar.start(first, num_steps)
        self.say("compiling ..." if not first else f"compiling, then on from step {first} ...")
        evaluated = False

        def train_step(state: Any, batch: Any) -> Any:
            nonlocal step
            new = model.train_step(state, batch)  # returns when it is compiled
            step += 1
            if step == first + 1:
                self.say("training")
            self._bar.move(step)
            return new

        def evaluated_params(*variables: Any) -> dict[str, float]:
            nonlocal evaluated
            if not evaluated:
                self.say("compiling the evaluation ...")
            evaluated = True
            return evaluate(*variables)

        names = early_stopping.monitor
        shown = ("loss", *((names,) if isinstance(names, str) else names))

        def show(step: int, record: dict[str, float]) -> None:
            self.say(", ".join(f"{name} {record[name]:.3g}" for name in shown))

        fitted = ga.training.fit(
            model.init(seed),
            train_step,
            batches,
            num_steps=num_steps,
            evaluate=evaluated_params,
            early_stopping=early_stopping,
            checkpointer=checkpoints,
            logger=ga.training.JsonlLogger(self.folder / "metrics.jsonl"),
            callbacks=[show],
            **options,
        )
        best = fitted.best_state
        ga.models.save(self.folder / "network.npz", model.network, best.params, best.model_state)
        self._bar.move(num_steps)
        self.say("testing")
        return fitted


class _Checkpoints(ga.training.Checkpointer):
    """By the clock, whatever a step takes."""

    def __init__(self, directory: Path):
        super().__init__(directory)
        self._last = time.monotonic()

    @property
    def every(self) -> int:
        """`fit` asks at every step; it also saves at its end, and when it is stopped."""
        return 1 if time.monotonic() - self._last >= CHECKPOINT_SECONDS else sys.maxsize

    @every.setter
    def every(self, _: int) -> None:
        pass

    def save(self, step: int, tree: Any, extra: dict[str, Any] | None = None) -> None:
        super().save(step, tree, extra)
        self._last = time.monotonic()


@functools.cache
def _environment() -> dict[str, Any]:
    return ga.training.environment()


def _write(path: Path, content: Any) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(content, indent=2))
    temporary.replace(path)


def _differences(there: Any, here: Any, path: str = "") -> Iterable[str]:
    """What differs between two settings, by its path."""
    if isinstance(there, dict) and isinstance(here, dict):
        for name in dict.fromkeys([*there, *here]):
            below = f"{path}.{name}" if path else name
            yield from _differences(there.get(name), here.get(name), below)
    elif there != here:
        yield f"{path} is {json.dumps(there)} there and {json.dumps(here)} here"


# --- the screen ---------------------------------------------------------------------------------------------


def bars(console: Console) -> Progress:
    """Progress bars as all experiments show them."""
    columns = (
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}", markup=False),
    )
    return Progress(*columns, console=console, speed_estimate_period=600)


class _Bar:
    """The bar of the current run, which moves that of all runs along."""

    def __init__(self, progress: Progress, current: Any, overall: Any, done: int):
        self._progress, self._current, self._overall = progress, current, overall
        self._done, self._first, self._total = done, 0, 1

    def say(self, text: str) -> None:
        self._progress.update(self._current, description=text)

    def start(self, step: int, total: int) -> None:
        """At `step`, where a run that was stopped goes on."""
        self._first, self._total = step, total
        self._progress.reset(self._current, total=total, completed=step)
        self.move(step)

    def move(self, step: int) -> None:
        self._progress.update(self._current, completed=step)
        self._progress.update(self._overall, completed=self._done + step / self._total)
