"""The table and the learning curves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator

from experiments._report import figure, spread
from experiments.zinc.configs import ROWS


def _groups(results: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Runs by the name of their row."""
    found: dict[str, list[dict[str, Any]]] = {}
    for result in results:
        found.setdefault(result["config"]["row"], []).append(result)
    return found


def rows(results: list[dict[str, Any]]) -> list[list[str]]:
    """Mean absolute errors, mean ± standard deviation over seeds, beside the published ones; the header first."""
    header = ["network", "parameters", "epochs", "seeds", "test MAE", "validation MAE"]
    found = [[*header, "published (all epochs)"]]
    for name, runs in _groups(results).items():
        row = ROWS[name]
        epochs = f"{runs[0]['config']['protocol']['epochs']} of {row.protocol.epochs:,}"
        cells = [row.label, f"{runs[0]['parameters']:,}", epochs, str(len(runs))]
        cells += [spread([run[part] for run in runs]) for part in ("test", "val")]
        found.append([*cells, row.published])
    return found


def plot_curves(results: list[dict[str, Any]], path: Path) -> None:
    """Training and validation error by epoch, one colour per network, one line per seed."""
    with figure(path, 1, 1, (7, 4.2)) as (_, ((axis,),)):
        for color, (name, runs) in zip(plt.colormaps["tab10"].colors, _groups(results).items()):
            for run in runs:
                epochs = np.arange(1, len(run["curve"]) + 1)
                for key, style, what in (("loss", ":", "training"), ("val", "-", "validation")):
                    values = [record[key] for record in run["curve"]]
                    label = f"{ROWS[name].label}, {what}" if run is runs[0] else None
                    axis.plot(epochs, values, f".{style}", color=color, label=label)
        longest = max(len(run["curve"]) for run in results)
        axis.set(xlabel="epoch", ylabel="mean absolute error", yscale="log")
        axis.set_xlim(0.5, longest + 0.5)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        for set_formatter in (axis.yaxis.set_major_formatter, axis.yaxis.set_minor_formatter):
            set_formatter(plt.FuncFormatter(lambda value, _: f"{value:g}"))
        axis.grid(color="0.92", which="both")
        axis.legend(frameon=False)
