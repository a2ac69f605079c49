"""Tables and pictures of costs and qualities."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from experiments.encodings.encoders import ENCODINGS

TITLES = {
    "csl": "CSL, accuracy %",
    "spectrum": "spectrum, MAE",
    "zinc": "ZINC, MAE",
    "wordnet": "WordNet, accuracy %",
}


def quality_table(results: list[dict[str, Any]]) -> str:
    """Test scores, mean ± standard deviation over runs; rows are encodings, columns tasks."""
    tasks = [t for t in TITLES if any(r["task"] == t for r in results)]
    lines = [["encoding", *(TITLES[t] for t in tasks)], ["---"] * (1 + len(tasks))]
    for name in ENCODINGS:
        cells = [
            _score([r["test"] for r in results if (r["encoding"], r["task"]) == (name, t)], t)
            for t in tasks
        ]
        if any(cells):
            lines.append([ENCODINGS[name].label, *cells])
    return _markdown(lines)


def _score(scores: list[float], task: str) -> str:
    if not scores:
        return ""
    percent = "%" in TITLES[task]
    values = 100 * np.array(scores) if percent else np.array(scores)
    digits = 1 if percent else 3
    spread = f" ± {values.std(ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{values.mean():.{digits}f}{spread}"


def cost_table(reports: list[dict[str, Any]]) -> str:
    """Seconds and MiB; rows are encodings, columns graphs."""
    graphs = list(dict.fromkeys(r["graph"] for r in reports))
    names = list(dict.fromkeys(r["encoding"] for r in reports))
    by_cell = {(r["encoding"], r["graph"]): r for r in reports}
    header = [f"N = {int(g):,}" if g.isdigit() else g for g in graphs]
    lines = [["encoding", *header, "error"], ["---"] * (2 + len(graphs))]
    for name in names:
        cells = [by_cell.get((name, graph), {}) for graph in graphs]
        errors = [c["error"] for c in cells if c.get("error") is not None]
        worst = "random" if name in ("random_features", "pearl") else "exact"
        if errors:
            worst = f"{max(errors):.0e}"
        lines.append([name, *map(_cost, cells), worst])
    return _markdown(lines)


def _cost(report: dict[str, Any]) -> str:
    if "seconds" not in report:
        return "–"
    seconds, mib = report["seconds"], report["memory_bytes"] / 2**20
    return f"{seconds:.2g} s, {mib:.0f} MiB" if seconds < 100 else f"{seconds:.0f} s, {mib:.0f} MiB"


def _markdown(lines: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def plot_cost(reports: list[dict[str, Any]], path: Path) -> None:
    """Seconds and memory against the number of nodes of the synthetic graphs."""
    measured = [r for r in reports if r["graph"].isdigit() and "seconds" in r]
    figure, axes = plt.subplots(1, 2, figsize=(12, 5.4))
    names = list(dict.fromkeys(r["encoding"] for r in reports))
    colors = plt.get_cmap("tab20")(np.arange(len(names)) % 20)
    for axis, field, scale, label in (
        (axes[0], "seconds", 1, "seconds"),
        (axes[1], "memory_bytes", 2**20, "memory, MiB"),
    ):
        for color, name in zip(colors, names, strict=True):
            rows = [r for r in measured if r["encoding"] == name]
            x, y = [r["num_nodes"] for r in rows], [max(r[field] / scale, 1e-5) for r in rows]
            axis.plot(x, y, "o-", color=color, label=name, lw=1.6, ms=4)
        axis.set(xscale="log", yscale="log", xlabel="nodes (mean degree 8)", ylabel=label)
        axis.grid(color="0.92")
        axis.spines[["top", "right"]].set_visible(False)
    axes[1].set_ylim(bottom=0.5)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="lower center", ncol=6, frameon=False)
    figure.tight_layout(rect=(0, 0.14, 1, 1))
    figure.savefig(path, dpi=120)
    plt.close(figure)


def plot_quality(results: list[dict[str, Any]], path: Path) -> None:
    """Test scores of every encoding, a panel per task; one dot per run."""
    tasks = [t for t in TITLES if any(r["task"] == t for r in results)]
    names = [n for n in ENCODINGS if any(r["encoding"] == n for r in results)]
    figure, axes = plt.subplots(
        1,
        len(tasks),
        figsize=(2.4 + 2.9 * len(tasks), 0.42 * len(names) + 1.4),
        sharey=True,
        squeeze=False,
    )
    for axis, task in zip(axes[0], tasks, strict=True):
        scale = 100 if "%" in TITLES[task] else 1
        for row, name in enumerate(names):
            scores = [
                scale * r["test"] for r in results if (r["encoding"], r["task"]) == (name, task)
            ]
            if scores:
                axis.plot(scores, [row] * len(scores), "o", color="tab:blue", alpha=0.45, ms=5)
                axis.plot(np.mean(scores), row, "|", color="black", ms=14, mew=2)
        none = [scale * r["test"] for r in results if (r["encoding"], r["task"]) == ("none", task)]
        if none:
            axis.axvline(np.mean(none), color="0.7", lw=1, ls=":")
        axis.set_title(TITLES[task], fontsize=10)
        axis.grid(axis="x", color="0.92")
        axis.spines[["top", "right"]].set_visible(False)
    axes[0, 0].set_yticks(range(len(names)), [ENCODINGS[n].label for n in names])
    axes[0, 0].invert_yaxis()
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)
