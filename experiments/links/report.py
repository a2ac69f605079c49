"""The table and the picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from experiments._report import figure, spread
from experiments.links.configs import ROWS
from experiments.links.train import HITS

Results = list[dict[str, Any]]


def _by_row(results: Results) -> dict[str, Results]:
    found: dict[str, Results] = {}
    for result in results:
        found.setdefault(result["config"]["row"], []).append(result)
    return found


def rows(results: Results) -> list[list[str]]:
    """MRR and Hits@k of test in percent, mean ± standard deviation over seeds; the header first."""
    measures = ["mrr", *(f"hits@{k}" for k in HITS)]
    found = [["network", "parameters", "seeds", "MRR", *(f"Hits@{k}" for k in HITS)]]
    for row, runs in _by_row(results).items():
        scores = [spread([100 * run["test"][m] for run in runs], 1) for m in measures]
        found.append([ROWS[row].label, f"{runs[0]['parameters']:,}", str(len(runs)), *scores])
    return found


def plot(results: Results, path: Path) -> None:
    """A point per run and a bar per mean, of MRR and of Hits@10."""
    found = _by_row(results)
    labels = [ROWS[row].label for row in found]
    with figure(path, 1, 2, (3.6, 0.45 * len(found) + 0.7), margin=(1.2, 0), sharey=True) as (
        _,
        ((left, right),),
    ):
        for axis, name, title in (
            (left, "mrr", "filtered MRR (%)"),
            (right, "hits@10", "Hits@10 (%)"),
        ):
            for y, runs in enumerate(found.values()):
                scores = [100 * run["test"][name] for run in runs]
                axis.plot(scores, [y] * len(scores), "o", color="C0", alpha=0.35, markersize=5)
                axis.plot([np.mean(scores)] * 2, [y - 0.3, y + 0.3], color="C0", linewidth=2)
            axis.set(xlabel=title)
            axis.set_ylim(len(found) - 0.4, -0.6)
        left.set_yticks(range(len(labels)), labels)
