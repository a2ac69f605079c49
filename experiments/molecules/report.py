"""Table and learning curves of the molecules experiment."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator

from experiments._report import figure, spread

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


def _groups(results: list[dict[str, Any]]) -> list[tuple[str, str, list[dict[str, Any]]]]:
    """Runs by set and split."""
    by_row = groupby(results, key=lambda r: (r["config"]["dataset"], r["config"]["split"]))
    return [(dataset, split, list(runs)) for (dataset, split), runs in by_row]


def rows(results: list[dict[str, Any]]) -> list[list[str]]:
    """Mean ± standard deviation over seeds, beside published numbers; the header first."""
    found = [["set", "split", "metric", "validation", "test", "runs", "published"]]
    for dataset, split, runs in _groups(results):
        scores = [spread([run[part] for run in runs]) for part in ("val", "test")]
        published = PUBLISHED.get((dataset, split), "")
        metric = METRICS[runs[0]["metric"]]
        found.append([TITLES[dataset], split, metric, *scores, str(len(runs)), published])
    return found


def plot_curves(results: list[dict[str, Any]], path: Path) -> None:
    """Validation score by epoch: a panel per set and split, a line per seed, a dot at the epoch that is tested."""
    groups = _groups(results)
    columns = min(len(groups), 3)
    with figure(path, -(-len(groups) // columns), columns, (4.2, 3.2)) as (_, axes):
        for axis, (dataset, split, runs) in zip(axes.flat, groups, strict=False):
            for color, run in zip(plt.get_cmap("tab10").colors, runs, strict=False):
                values = np.array([record["val"] for record in run["curve"]])
                epochs, best = np.arange(1, len(values) + 1), run["best_epoch"]
                label = f"seed {run['config']['seed']}"
                axis.plot(epochs, values, lw=1.2, color=color, label=label)
                axis.plot(best, values[best - 1], "o", ms=5, color=color)
            _limit(axis, [record["val"] for run in runs for record in run["curve"]])
            axis.set_xlim(0.5, max(len(run["curve"]) for run in runs) + 0.5)
            axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            metric = METRICS[runs[0]["metric"]]
            axis.set(
                title=f"{TITLES[dataset]}, {split}", xlabel="epoch", ylabel=f"validation {metric}"
            )
        for axis in axes.flat[len(groups) :]:
            axis.axis("off")
        axes[0, 0].legend(frameon=False, fontsize=9)


def _limit(axis: Any, values: list[float]) -> None:
    """The first epochs may be far off: they do not set the scale."""
    low, high = np.quantile(values, [0.02, 0.95])
    margin = 0.1 * max(high - low, 1e-3)
    axis.set_ylim(low - margin, high + margin)
