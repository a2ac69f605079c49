"""Tables and pictures of costs and qualities."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from experiments._report import figure, spread
from experiments.encodings.encoders import ENCODINGS

TITLES = {
    "csl": "CSL, accuracy %",
    "spectrum": "spectrum, MAE",
    "zinc": "ZINC, MAE",
    "wordnet": "WordNet, accuracy %",
}


def _scores(results: list[dict[str, Any]], encoding: str, task: str) -> np.ndarray:
    """Test scores of the runs of one cell, in the unit of the title."""
    wanted = task, encoding
    scores = [
        r["test"] for r in results if (r["config"]["task"], r["config"]["encoding"]) == wanted
    ]
    return (100 if "%" in TITLES[task] else 1) * np.array(scores)


def _measured(results: list[dict[str, Any]], field: str, names: Iterable[str]) -> list[str]:
    """Those that occur in the results, in their order."""
    return [name for name in names if any(r["config"][field] == name for r in results)]


def quality_rows(results: list[dict[str, Any]]) -> list[list[str]]:
    """Test scores, mean ± standard deviation over runs; rows are encodings, columns tasks; the header first."""
    tasks = _measured(results, "task", TITLES)
    rows = [["encoding", *(TITLES[task] for task in tasks)]]
    for name in _measured(results, "encoding", ENCODINGS):
        scores = [(_scores(results, name, task), 1 if "%" in TITLES[task] else 3) for task in tasks]
        cells = [spread(values, digits) if len(values) else "" for values, digits in scores]
        rows.append([ENCODINGS[name].label, *cells])
    return rows


def cost_rows(reports: list[dict[str, Any]]) -> list[list[str]]:
    """Seconds and MiB; rows are encodings, columns graphs; the header first."""
    graphs = list(dict.fromkeys(r["graph"] for r in reports))
    by_cell = {(r["encoding"], r["graph"]): r for r in reports}
    header = [f"N = {int(g):,}" if g.isdigit() else g for g in graphs]
    rows = [["encoding", *header, "error"]]
    for name in dict.fromkeys(r["encoding"] for r in reports):
        cells = [by_cell.get((name, graph), {}) for graph in graphs]
        errors = [c["error"] for c in cells if c.get("error") is not None]
        worst = "random" if name in ("random_features", "pearl") else "exact"
        if errors:
            worst = f"{max(errors):.0e}"
        rows.append([name, *map(_cost, cells), worst])
    return rows


def _cost(report: dict[str, Any]) -> str:
    if "seconds" not in report:
        return "–"
    seconds, mib = report["seconds"], report["memory_bytes"] / 2**20
    return f"{seconds:.2g} s, {mib:.0f} MiB" if seconds < 100 else f"{seconds:.0f} s, {mib:.0f} MiB"


def plot_cost(reports: list[dict[str, Any]], path: Path) -> None:
    """Seconds and memory against the number of nodes of the synthetic graphs."""
    measured = [r for r in reports if r["graph"].isdigit() and "seconds" in r]
    names = list(dict.fromkeys(r["encoding"] for r in reports))
    colors = plt.get_cmap("tab20")(np.arange(len(names)) % 20)
    with figure(path, 1, 2, (6, 4.4), margin=(0, 1)) as (drawn, (axes,)):
        for axis, field, scale, least, label in (
            (axes[0], "seconds", 1, 1e-5, "seconds"),
            (axes[1], "memory_bytes", 2**20, 0.5, "memory, MiB (less than 0.5 as 0.5)"),
        ):
            for color, name in zip(colors, names, strict=True):
                rows = [r for r in measured if r["encoding"] == name]
                x, y = [r["num_nodes"] for r in rows], [max(r[field] / scale, least) for r in rows]
                axis.plot(x, y, "o-", color=color, label=name, lw=1.6, ms=4)
            axis.set(xscale="log", yscale="log", xlabel="nodes (mean degree 8)", ylabel=label)
        handles, labels = axes[0].get_legend_handles_labels()
        drawn.legend(handles, labels, loc="outside lower center", ncol=6, frameon=False)


def plot_quality(results: list[dict[str, Any]], path: Path) -> None:
    """Test scores of every encoding, a panel per task; one dot per run, a bar at their mean."""
    tasks = _measured(results, "task", TITLES)
    names = _measured(results, "encoding", ENCODINGS)
    panel = 2.9, 0.42 * len(names)
    with figure(path, 1, len(tasks), panel, margin=(2.6, 0.8), sharey=True) as (_, (axes,)):
        for axis, task in zip(axes, tasks, strict=True):
            for row, name in enumerate(names):
                scores = _scores(results, name, task)
                if len(scores):
                    axis.plot(scores, [row] * len(scores), "o", color="tab:blue", alpha=0.45, ms=5)
                    axis.plot(scores.mean(), row, "|", color="black", ms=14, mew=2)
            none = _scores(results, "none", task)
            if len(none):
                axis.axvline(none.mean(), color="0.7", lw=1, ls=":")
            axis.set_title(TITLES[task], fontsize=10)
            axis.grid(visible=False, axis="y")
        axes[0].set_yticks(range(len(names)), [ENCODINGS[name].label for name in names])
        axes[0].set_ylim(len(names) - 0.5, -0.5)  # from top to bottom, with room for the outer rows
