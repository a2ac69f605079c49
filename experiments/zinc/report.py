"""The table and the learning curves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator

from experiments.zinc.configs import Network


def table(results: list[dict[str, Any]], networks: dict[str, Network]) -> str:
    """Mean absolute errors, mean ± standard deviation over seeds, beside the published ones."""
    lines = [
        "| network | parameters | epochs | seeds | test MAE | validation MAE | published (all epochs) |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, network in networks.items():
        runs = [r for r in results if r["settings"]["network"] == name]
        if runs:
            epochs = f"{runs[0]['settings']['epochs']} of {network.protocol.epochs:,}"
            cells = [network.label, f"{runs[0]['parameters']:,}", epochs, str(len(runs))]
            cells += [_mean([r[part] for r in runs]) for part in ("test", "val")]
            lines.append(f"| {' | '.join([*cells, network.published])} |")
    return "\n".join(lines) + "\n"


def _mean(values: list[float]) -> str:
    spread = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{spread}"


def plot_curves(results: list[dict[str, Any]], networks: dict[str, Network], path: Path) -> None:
    """Training and validation error by epoch, one colour per network, one line per seed."""
    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    for color, name in zip(plt.colormaps["tab10"].colors, networks):
        runs = [r for r in results if r["settings"]["network"] == name]
        for index, run in enumerate(runs):
            epochs = np.arange(1, len(run["curve"]) + 1)
            for key, style in (("loss", ":"), ("val", "-")):
                label = f"{networks[name].label}, {'training' if key == 'loss' else 'validation'}"
                axes.plot(
                    epochs,
                    [record[key] for record in run["curve"]],
                    style,
                    color=color,
                    label=None if index else label,
                )
    axes.set(xlabel="epoch", ylabel="mean absolute error", yscale="log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(plt.FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(plt.FuncFormatter(lambda value, _: f"{value:g}"))
    axes.grid(alpha=0.3, which="both")
    axes.legend(frameon=False)
    figure.savefig(path, dpi=130)
    plt.close(figure)
