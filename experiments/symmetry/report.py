"""The table and the pictures of a set of runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

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
    """Mean and standard deviation over seeds, one entry per layer and treatment."""
    rows: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for result in results:
        rows.setdefault((result["config"]["layer"], result["config"]["treatment"]), []).append(
            result
        )
    summary = []
    for (layer, treatment), runs in rows.items():
        entry: dict[str, Any] = {"layer": layer, "treatment": treatment, "seeds": len(runs)}
        for column in COLUMNS:
            values = np.array([run[column] for run in runs])
            entry[column] = float(np.median(values) if column == "step_seconds" else values.mean())
            entry[column + "_std"] = float(values.std(ddof=1)) if len(runs) > 1 else 0.0
        summary.append(entry)
    return summary


def headers(metric: str) -> list[str]:
    score = "AUC %" if metric == "roc_auc" else "accuracy %"
    return ["layer", "treatment", score, "e", "e_off", "diag", "row err", "ms"]


def cells(entry: dict[str, Any]) -> list[str]:
    return [
        entry["layer"],
        LABELS[entry["treatment"]],
        f"{100 * entry['test_score']:.1f} ± {100 * entry['test_score_std']:.1f}",
        f"{entry['error']:.3f}" if entry["error"] > 5e-4 else f"{entry['error']:.0e}",
        f"{entry['off_diagonal_error']:.3f}"
        if entry["off_diagonal_error"] > 5e-4
        else f"{entry['off_diagonal_error']:.0e}",
        f"{entry['diagonal_mass']:.2f}",
        f"{entry['row_sum_error']:.3f}"
        if entry["row_sum_error"] > 5e-4
        else f"{entry['row_sum_error']:.0e}",
        f"{1e3 * entry['step_seconds']:.1f}",
    ]


def markdown(summary: list[dict[str, Any]], metric: str) -> str:
    lines = [headers(metric), ["---"] * 8, *map(cells, summary)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def plot_training(configs: list[RunConfig], workdir: Path, path: Path) -> None:
    """Asymmetry over training: one column per layer; e above, e without the diagonal below."""
    layers = list(dict.fromkeys(c.layer for c in configs))
    figure, axes = plt.subplots(
        2, len(layers), figsize=(4.6 * len(layers), 6.2), sharex=True, sharey="row", squeeze=False
    )
    treatments = list(dict.fromkeys(c.treatment for c in configs))
    colors = dict(zip(treatments, plt.get_cmap("tab10").colors + plt.get_cmap("Dark2").colors))
    for column, layer in enumerate(layers):
        for treatment in treatments:
            runs = [c for c in configs if (c.layer, c.treatment) == (layer, treatment)]
            histories = [_history(workdir / c.name / "metrics.jsonl") for c in runs]
            shortest = min(len(h["step"]) for h in histories)
            steps = histories[0]["step"][:shortest]
            for row, name in enumerate(("error", "off_diagonal_error")):
                values = np.stack([h[name][:shortest] for h in histories])
                mean, std = values.mean(0), values.std(0)
                axis = axes[row, column]
                axis.plot(steps, mean, color=colors[treatment], label=LABELS[treatment], lw=1.6)
                axis.fill_between(
                    steps, mean - std, mean + std, color=colors[treatment], alpha=0.15, lw=0
                )
        axes[0, column].set_title(layer)
        axes[1, column].set_xlabel("training step")
    axes[0, 0].set_ylabel("symmetry error e")
    axes[1, 0].set_ylabel("e off the diagonal")
    for axis in axes.ravel():
        axis.set_ylim(-0.05, 1.5)
        axis.axhline(np.sqrt(2), color="0.7", lw=0.8, ls=":")
        axis.spines[["top", "right"]].set_visible(False)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncol=min(len(labels), 4), frameon=False)
    rows = -(-len(labels) // 4)
    figure.tight_layout(rect=(0, 0.035 + 0.035 * rows, 1, 1))
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _history(path: Path) -> dict[str, np.ndarray]:
    records = [json.loads(line) for line in path.read_text().splitlines()]
    return {
        name: np.array([r[name] for r in records], float)
        for name in ("step", "error", "off_diagonal_error")
    }


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
    num_nodes: int = 48,
) -> None:
    """Attention of the first layer inside one neighbourhood, before and after training."""
    nodes = _neighbourhood(senders, receivers, labels, num_nodes)
    position = np.full(len(labels), -1)
    position[nodes] = np.arange(len(nodes))
    inside = (position[senders] >= 0) & (position[receivers] >= 0)
    figure, axes = plt.subplots(
        2,
        len(treatments),
        figsize=(3.3 * len(treatments), 6.6),
        squeeze=False,
        layout="constrained",
    )
    for column, treatment in enumerate(treatments):
        config = next(c for c in configs if (c.layer, c.treatment) == (layer, treatment))
        with np.load(workdir / config.name / "attention.npz") as stored:
            maps = (stored["before"], stored["after"])
        for row, weights in enumerate(maps):
            matrix = np.zeros((len(nodes), len(nodes)))
            np.add.at(
                matrix,
                (position[receivers[inside]], position[senders[inside]]),
                weights[inside].mean(1),
            )
            axis = axes[row, column]
            asymmetry = np.linalg.norm(matrix - matrix.T) / np.linalg.norm(matrix)
            axis.set_xlabel(f"e = {asymmetry:.2f}")
            image = axis.imshow(
                np.where(matrix > 0, matrix, np.nan), cmap="viridis_r", vmin=0, vmax=0.3
            )
            axis.set_xticks([])
            axis.set_yticks([])
        axes[0, column].set_title(LABELS[treatment])
    axes[0, 0].set_ylabel("before training\nreceiver i")
    axes[1, 0].set_ylabel("after training\nreceiver i")
    figure.supxlabel("sender j   (e = ‖A − Aᵀ‖/‖A‖ of the part shown)", fontsize=10)
    figure.colorbar(
        image,
        ax=axes,
        shrink=0.6,
        extend="max",
        label=f"attention A[i, j] ({layer}, first layer, mean over heads)",
    )
    figure.savefig(path, dpi=120)
    plt.close(figure)


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
