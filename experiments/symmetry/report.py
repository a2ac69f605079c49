"""The table and the pictures of a set of runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from experiments._report import figure, spread
from experiments.symmetry.configs import LABELS, RunConfig

COLUMNS = (
    "test_score",
    "error",
    "off_diagonal_error",
    "diagonal_mass",
    "row_sum_error",
    "step_seconds",
)


def summarize(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One entry per layer and treatment: every number's mean and standard deviation over seeds, and the test scores."""
    rows: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for result in results:
        row = result["config"]["layer"], result["config"]["treatment"]
        rows.setdefault(row, []).append(result)
    summary = []
    for (layer, treatment), runs in rows.items():
        entry: dict[str, Any] = {"layer": layer, "treatment": treatment, "seeds": len(runs)}
        entry["test_scores"] = [run["test_score"] for run in runs]
        for column in COLUMNS:
            values = np.array([run[column] for run in runs])
            entry[column] = float(np.median(values) if column == "step_seconds" else values.mean())
            entry[column + "_std"] = float(values.std(ddof=1)) if len(runs) > 1 else 0.0
        summary.append(entry)
    return summary


def rows(summary: list[dict[str, Any]], metric: str) -> list[list[str]]:
    """The table, its header first."""
    score = "AUC %" if metric == "roc_auc" else "accuracy %"
    header = ["layer", "treatment", score, "e", "e_off", "diag", "row err", "ms"]
    return [header, *map(_cells, summary)]


def _cells(entry: dict[str, Any]) -> list[str]:
    return [
        entry["layer"],
        LABELS[entry["treatment"]],
        spread(100 * np.array(entry["test_scores"]), 1),
        _error(entry["error"]),
        _error(entry["off_diagonal_error"]),
        f"{entry['diagonal_mass']:.2f}",
        _error(entry["row_sum_error"]),
        f"{1e3 * entry['step_seconds']:.1f}",
    ]


def _error(value: float) -> str:
    return f"{value:.3f}" if value > 5e-4 else f"{value:.0e}"


def plot_training(configs: list[RunConfig], workdir: Path, path: Path) -> None:
    """Asymmetry over training, a column per layer and a strip per treatment, so that none hides another."""
    layers = list(dict.fromkeys(c.layer for c in configs))
    treatments = list(dict.fromkeys(c.treatment for c in configs))
    curves = {
        row: _curves([c for c in configs if (c.layer, c.treatment) == row], workdir)
        for row in dict.fromkeys((c.layer, c.treatment) for c in configs)
    }
    options = {"sharex": True, "sharey": True}
    with figure(path, len(treatments), len(layers), (3.2, 1.15), margin=(1.7, 1.1), **options) as (
        drawn,
        axes,
    ):
        for column, layer in enumerate(layers):
            for row, treatment in enumerate(treatments):
                axis = axes[row, column]
                if row:
                    steps, means, _ = curves[layer, treatments[0]]
                    name = f"e, {LABELS[treatments[0]]}"
                    axis.plot(steps, means["error"], color="0.6", lw=1, ls=":", label=name)
                steps, means, deviations = curves[layer, treatment]
                for field, name, color, style in (
                    ("error", "e", "tab:blue", "-"),
                    ("off_diagonal_error", "e off the diagonal", "tab:orange", "--"),
                ):
                    mean, std = means[field], deviations[field]
                    axis.plot(steps, mean, style, color=color, label=name, lw=1.8)
                    axis.fill_between(steps, mean - std, mean + std, color=color, alpha=0.2, lw=0)
                axis.axhline(np.sqrt(2), color="0.75", lw=0.8, label="√2, one-directional")
                axis.set_ylim(-0.15, 1.6)
                axis.set_yticks([0, 1])
            axes[0, column].set_title(layer)
            axes[-1, column].set_xlabel("training step")
        for axis, treatment in zip(axes[:, 0], treatments):
            axis.set_ylabel(LABELS[treatment], rotation=0, ha="right", va="center")
        handles, labels = axes[-1, 0].get_legend_handles_labels()
        drawn.legend(handles, labels, loc="outside lower center", ncol=4, frameon=False)


FIELDS = ("error", "off_diagonal_error")


def _curves(configs: list[RunConfig], workdir: Path) -> tuple[list[int], dict, dict]:
    """The steps, and means and standard deviations over the seeds, as far as all of them went."""
    histories = []
    for config in configs:
        lines = (workdir / config.name / "metrics.jsonl").read_text().splitlines()
        histories.append([json.loads(line) for line in lines])
    shortest = min(map(len, histories))
    steps = [record["step"] for record in histories[0][:shortest]]
    values = {
        field: np.array([[r[field] for r in history[:shortest]] for history in histories])
        for field in FIELDS
    }
    return (
        steps,
        {field: value.mean(0) for field, value in values.items()},
        {field: value.std(0) for field, value in values.items()},
    )


def plot_heat_maps(
    configs: list[RunConfig],
    senders: np.ndarray,
    receivers: np.ndarray,
    labels: np.ndarray,
    workdir: Path,
    path: Path,
    *,
    layer: str,
    treatments: tuple[str, ...],
    num_nodes: int = 40,
) -> None:
    """Attention of the first layer inside one neighbourhood, before and after training."""
    nodes = _neighbourhood(senders, receivers, labels, num_nodes)
    position = np.full(len(labels), -1)
    position[nodes] = np.arange(len(nodes))
    inside = (position[senders] >= 0) & (position[receivers] >= 0)
    with figure(path, 2, len(treatments), (3.0, 3.1), margin=(1.4, 0.4)) as (drawn, axes):
        image = None
        for column, treatment in enumerate(treatments):
            config = next(c for c in configs if (c.layer, c.treatment) == (layer, treatment))
            with np.load(workdir / config.name / "attention.npz") as stored:
                maps = (stored["before"], stored["after"])
            for axis, weights in zip(axes[:, column], maps, strict=True):
                matrix = np.zeros((len(nodes), len(nodes)))
                place = position[receivers[inside]], position[senders[inside]]
                np.add.at(matrix, place, weights[inside].mean(1))
                asymmetry = np.linalg.norm(matrix - matrix.T) / np.linalg.norm(matrix)
                shown = np.where(matrix > 0, matrix, np.nan)
                image = axis.imshow(shown, cmap="viridis_r", vmin=0, vmax=0.3)
                axis.spines[:].set_visible(True)
                axis.set(xlabel=f"e = {asymmetry:.2f}", xticks=[], yticks=[])
            axes[0, column].set_title(LABELS[treatment])
        for axis, when in zip(axes[:, 0], ("before", "after"), strict=True):
            axis.set_ylabel(f"{when} training\nreceiver i")
        drawn.supxlabel("sender j   (e = ‖A − Aᵀ‖/‖A‖ of the part shown)", fontsize=10)
        label = f"attention A[i, j]\n({layer}, first layer, mean over heads)"
        drawn.colorbar(image, ax=axes, shrink=0.6, extend="max", label=label)


def _neighbourhood(senders, receivers, labels, num_nodes: int) -> np.ndarray:
    """Nodes nearest to the one of highest degree, ordered by class."""
    frontier = [int(np.bincount(receivers).argmax())]
    chosen = dict.fromkeys(frontier)
    while frontier and len(chosen) < num_nodes:
        reached = np.unique(senders[np.isin(receivers, frontier)])
        frontier = [n for n in reached.tolist() if n not in chosen]
        chosen.update(dict.fromkeys(frontier[: num_nodes - len(chosen)]))
    nodes = np.array(list(chosen))
    return nodes[np.argsort(labels[nodes], kind="stable")]
