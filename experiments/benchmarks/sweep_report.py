"""From the points of a sweep to a table and a plot in which crossovers can be read off."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from experiments.benchmarks import report


def write(results: dict[str, Any], out: Path) -> None:
    """`sweep.json`, `sweep.md` and `sweep.png`."""
    (out / "sweep.json").write_text(json.dumps(results, indent=2))
    (out / "sweep.md").write_text(markdown(results))
    plot(results, out / "sweep.png")


def markdown(results: dict[str, Any]) -> str:
    """Milliseconds by point and contender, the fastest in bold."""
    labels = list(results["versions"])
    rows = [["point", "nodes", "edges", *(f"{label}, ms" for label in labels)]]
    rows.append(["---"] * len(rows[0]))
    for point in results["points"]:
        times = _milliseconds(point)
        best = min(times.values())
        cells = [
            "–" if label not in times else report.bold(f"{times[label]:.3g}", times[label] == best)
            for label in labels
        ]
        rows.append([point["case"], f"{point['num_nodes']:,}", f"{point['num_edges']:,}", *cells])
    return (
        report.table(rows)
        + "\n\n"
        + report.bullets([*report.conditions(results), *report.left_out_lines(results["points"])])
    )


def _milliseconds(point: dict[str, Any]) -> dict[str, float]:
    return {label: 1e3 * reports[0]["median"] for label, reports in point["runs"].items()}


def plot(results: dict[str, Any], path: Path) -> None:
    """A panel per sweep, a line per contender."""
    panels: dict[str, list[dict[str, Any]]] = {}
    for point in results["points"]:
        panels.setdefault(point["case"].partition("/")[0], []).append(point)
    columns = min(len(panels), 3)
    rows = -(-len(panels) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(4.2 * columns, 3.4 * rows), layout="constrained", squeeze=False
    )
    for axis in axes.flat[len(panels) :]:
        axis.remove()
    for axis, (sweep, points) in zip(axes.flat, panels.items()):
        for index, label in enumerate(results["versions"]):
            times = [_milliseconds(point).get(label, float("nan")) for point in points]
            axis.plot(times, "o-", color=f"C{index}", label=label, markersize=4)
        axis.set_xticks(
            range(len(points)),
            [point["case"].partition("/")[2] for point in points],
            rotation=30,
            ha="right",
            fontsize=8,
        )
        axis.set_yscale("log")
        axis.set_title(sweep)
        axis.spines[["top", "right"]].set_visible(False)
    for axis in axes[:, 0]:
        axis.set_ylabel("ms, forward and backward")
    axes.flat[0].legend(fontsize=7)
    figure.savefig(path, dpi=120)
    plt.close(figure)
