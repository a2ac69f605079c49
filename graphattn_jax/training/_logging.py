"""Where the records of a run go: a file, a progress bar, a description of the environment."""

from __future__ import annotations

import importlib.metadata
import json
import math
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import jax

from graphattn_jax.training._files import replacing

_PACKAGES = ("graphattn-jax", "jax", "jaxlib", "flax", "optax", "jraph", "numpy", "scipy")


class Logger(Protocol):
    """Takes the records of `fit`; adapters to experiment trackers implement this one method."""

    def log(self, step: int, metrics: dict[str, float]) -> None:
        """One record. Steps ascend within a run."""
        ...


class JsonlLogger:
    """Appends one JSON object per record to a file, so that it can be read while the run goes on.

    The first record of a run removes the lines of its own and later steps, left by an earlier
    run that was killed after its last checkpoint: a resumed run has each step once, and a new
    run in the same place starts a new file. Non-finite numbers are written as null.

    Args:
      path: the file, e.g. `run/metrics.jsonl`; its folder is created.

    Raises:
      ValueError: (at the first record) the file holds a line that is not such a record, other
        than a last line cut short.

    Example:
      >>> import graphattn_jax as ga, pathlib, tempfile
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     path = pathlib.Path(folder, "metrics.jsonl")
      ...     logger = ga.training.JsonlLogger(path)
      ...     logger.log(1, {"loss": 0.5})
      ...     logger.log(2, {"loss": float("nan")})
      ...     print(path.read_text())
      {"step": 1, "loss": 0.5}
      {"step": 2, "loss": null}
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = Path(path)
        self._started = False

    def log(self, step: int, metrics: dict[str, float]) -> None:
        """Append one record and flush it."""
        if not self._started:
            self._drop_from(step)
            self._started = True
        values = {name: float(value) for name, value in metrics.items()}
        record = {"step": step} | {k: v if math.isfinite(v) else None for k, v in values.items()}
        with self.path.open("a") as file:
            file.write(json.dumps(record) + "\n")

    def _drop_from(self, step: int) -> None:
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        kept = [line for i, line in enumerate(lines, 1) if self._step(i, line, len(lines)) < step]
        with replacing(self.path) as file:
            file.write("".join(f"{line}\n" for line in kept).encode())

    def _step(self, number: int, line: str, num_lines: int) -> float:
        try:
            return float(json.loads(line)["step"])
        except (ValueError, TypeError, KeyError):
            if number == num_lines:  # cut short when the earlier run was killed
                return math.inf
            raise ValueError(
                f"{self.path} line {number} must be a JSON object with a step, got {line[:80]!r}. "
                "Fix: log to another file."
            ) from None


@contextmanager
def progress_bar(
    total: int, description: str = "training"
) -> Iterator[Callable[[int, dict[str, float]], None]]:
    """A progress bar on the terminal as a callback for `fit`.

    Silent when the output is not a terminal. Without the package rich it prints one line that
    says so.

    Args:
      total: number of steps of the run.
      description: text before the bar.

    Returns:
      A context manager giving `callback(step, metrics)`, which moves the bar to `step` and shows
      the metrics beside it.

    Example:
      >>> import graphattn_jax as ga
      >>> with ga.training.progress_bar(10, "demo") as show:
      ...     show(5, {"loss": 0.25})
    """
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
        from rich.progress import TimeRemainingColumn as Remaining
    except ImportError:
        print("No progress bar: install rich to see one (pip install rich).", file=sys.stderr)
        yield lambda step, metrics: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Remaining())
    values = TextColumn("{task.fields[metrics]}")
    console = Console(stderr=True)
    with Progress(*columns, values, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(description, total=total, metrics="")

        def show(step: int, metrics: dict[str, float]) -> None:
            text = "  ".join(f"{name} {value:.4g}" for name, value in metrics.items())
            bar.update(task, completed=step, metrics=text)

        yield show


def environment() -> dict[str, Any]:
    """What a run should record of the software and hardware it ran on.

    Returns:
      A dict that JSON can hold: `python`, `platform`, `packages` (name -> version or None),
      `backend`, `device` (kind of the first one), `num_devices`, and `git_commit` of the current
      folder (with "+changes" when tracked files differ from it; None outside a repository).

    Example:
      >>> import graphattn_jax as ga
      >>> sorted(ga.training.environment())
      ['backend', 'device', 'git_commit', 'num_devices', 'packages', 'platform', 'python']
    """
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "backend": jax.default_backend(),
        "device": jax.devices()[0].device_kind,
        "num_devices": jax.device_count(),
        "git_commit": _git_commit(),
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _git_commit() -> str | None:
    try:
        commit = _git("rev-parse", "HEAD")
        changes = _git("status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return commit + ("+changes" if changes else "")


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], capture_output=True, text=True, check=True, timeout=10
    )
    return done.stdout.strip()
