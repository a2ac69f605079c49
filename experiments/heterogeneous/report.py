"""The tables and the picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from experiments._report import figure, spread
from experiments.heterogeneous.configs import ROWS
from experiments.heterogeneous.train import Problem, label_propagation, majority

Results = list[dict[str, Any]]


def _groups(results: Results) -> dict[tuple[str, int, float], Results]:
    """Runs by row and size."""
    found: dict[tuple[str, int, float], Results] = {}
    for result in results:
        config = result["config"]
        found.setdefault((config["row"], config["width"], config["dropout"]), []).append(result)
    return found


def rows(results: Results, problem: Problem, *, tune: bool) -> list[list[str]]:
    """Accuracies in percent, mean ± standard deviation over seeds; the header first."""
    part = "held-out accuracy" if tune else "test accuracy"
    header = ["network", "width", "dropout", "parameters", "seeds", part, "train", "ms per step"]
    found = [header]
    if not tune:
        for name, baseline in (("majority", majority), ("label propagation", label_propagation)):
            values = [100 * baseline(problem, split) for split in problem.splits]
            found.append([name, "", "", "", str(len(values)), spread(values, 1), "", ""])
    for (name, width, dropout), runs in _groups(results).items():
        scores = [spread([100 * run[key] for run in runs], 1) for key in ("test", "train")]
        step = f"{1e3 * np.median([run['step_seconds'] for run in runs]):.0f}"
        size = [str(width), f"{dropout:g}", f"{runs[0]['parameters']:,}", str(len(runs))]
        found.append([ROWS[name].label, *size, *scores, step])
    return found


def best_sizes(results: Results) -> dict[str, tuple[int, float]]:
    """By row, the width and dropout of the best mean."""
    means = {key: np.mean([run["val"] for run in runs]) for key, runs in _groups(results).items()}
    return {
        row: max((key[1:] for key in means if key[0] == row), key=lambda size: means[row, *size])
        for row in dict.fromkeys(key[0] for key in means)
    }


def plot(results: Results, problem: Problem, path: Path) -> None:
    """A point per run, a bar per mean, and the baselines as lines."""
    groups = _groups(results)
    labels = [ROWS[name].label for name, *_ in groups]
    with figure(path, 1, 1, (7, 0.42 * len(groups) + 1)) as (_, ((axis,),)):
        for y, runs in enumerate(groups.values()):
            scores = [100 * run["test"] for run in runs]
            axis.plot(scores, [y] * len(scores), "o", color="C0", alpha=0.35, markersize=5)
            axis.plot([np.mean(scores)] * 2, [y - 0.3, y + 0.3], color="C0", linewidth=2)
        for name, baseline, style in (
            ("majority", majority, ":"),
            ("label propagation", label_propagation, "--"),
        ):
            value = np.mean([100 * baseline(problem, split) for split in problem.splits])
            axis.axvline(value, color="0.4", linestyle=style, label=name)
        axis.set_yticks(range(len(labels)), labels)
        axis.set_ylim(len(labels) - 0.4, -0.6)
        axis.set(xlabel="test accuracy (%), a point per seed")
        axis.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
