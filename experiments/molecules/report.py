"""Table and learning curves of the molecules experiment."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

TITLES = {
    "esol": "ESOL",
    "freesolv": "FreeSolv",
    "bbbp": "BBBP",
    "tox21": "Tox21",
    "hiv": "HIV",
    "freewilson": "Free-Wilson series",
}
METRICS = {"rmse": "RMSE", "roc_auc": "ROC-AUC"}
PUBLISHED = {
    ("esol", "random"): "0.58 (MPNN)",
    ("freesolv", "random"): "1.15 (MPNN)",
    ("hiv", "scaffold"): "0.788 ± 0.010 (GPS, ogbg-molhiv)",
}
"""Wu et al. 2018, arXiv:1703.00564 (MPNN); Rampášek et al. 2022, arXiv:2205.12454 (GPS)."""


def _rows(results: list[dict[str, Any]]) -> list[tuple[str, str, list[dict[str, Any]]]]:
    """Runs by set and split."""
    by_row = groupby(results, key=lambda r: (r["config"]["dataset"], r["config"]["split"]))
    return [(dataset, split, list(runs)) for (dataset, split), runs in by_row]


def table(results: list[dict[str, Any]]) -> str:
    """Mean ± standard deviation over seeds, beside published numbers."""
    lines = [
        ["set", "split", "metric", "validation", "test", "runs", "published"],
        ["---"] * 7,
    ]
    for dataset, split, runs in _rows(results):
        metric = METRICS[runs[0]["metric"]]
        scores = [_spread([run[part] for run in runs]) for part in ("val", "test")]
        published = PUBLISHED.get((dataset, split), "")
        row = [TITLES[dataset], split, metric, *scores, str(len(runs)), published]
        lines.append(row)
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _spread(values: list[float]) -> str:
    deviation = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{deviation}"


def plot_curves(results: list[dict[str, Any]], path: Path) -> None:
    """Validation score by epoch: a panel per set and split, a line per seed, a dot at the epoch that is tested."""
    rows = _rows(results)
    columns = min(len(rows), 3)
    height = -(-len(rows) // columns)
    figure, axes = plt.subplots(
        height, columns, figsize=(4.2 * columns, 3.2 * height), squeeze=False, layout="constrained"
    )
    for axis, (dataset, split, runs) in zip(axes.flat, rows, strict=False):
        for color, run in zip(plt.get_cmap("tab10").colors, runs, strict=False):
            values = np.array([record["val"] for record in run["curve"]])
            epochs, best = np.arange(1, len(values) + 1), run["best_epoch"]
            axis.plot(epochs, values, lw=1.2, color=color, label=f"seed {run['config']['seed']}")
            axis.plot(best, values[best - 1], "o", ms=5, color=color)
        _limit(axis, [record["val"] for run in runs for record in run["curve"]])
        metric = METRICS[runs[0]["metric"]]
        axis.set(title=f"{TITLES[dataset]}, {split}", xlabel="epoch", ylabel=f"validation {metric}")
        axis.grid(color="0.92")
        axis.spines[["top", "right"]].set_visible(False)
    for axis in axes.flat[len(rows) :]:
        axis.axis("off")
    axes[0, 0].legend(frameon=False, fontsize=9)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _limit(axis: Any, values: list[float]) -> None:
    """The first epochs may be far off: they do not set the scale."""
    low, high = np.quantile(values, [0.02, 0.95])
    margin = 0.1 * max(high - low, 1e-3)
    axis.set_ylim(low - margin, high + margin)
