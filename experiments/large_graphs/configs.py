"""The rows of the table: how the batches of a training step are made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import graphattn_jax as ga

BATCH = 1024
"""Seeds of a step; parts and walks are chosen so that a step sees about as many training nodes."""


class Row(NamedTuple):
    """sampler(graph, seeds, labels of the seeds); None = the whole graph at every step."""

    label: str
    sampler: Callable[[Any, Any, Any], Any] | None


def _neighbours(graph: Any, seeds: Any, labels: Any) -> Any:
    method = ga.sampling.Neighbours((10, 5))
    return ga.sampling.Sampler(graph, method, seeds, BATCH, targets=labels)


def _clusters(graph: Any, seeds: Any, labels: Any) -> Any:
    parts = ga.sampling.partition(graph, 700)
    return ga.sampling.ClusterSampler(graph, parts, 10, seeds=seeds, targets=labels)


def _saint(graph: Any, seeds: Any, labels: Any) -> Any:
    walks = ga.sampling.SaintWalks(roots=700, length=2)
    return ga.sampling.SaintSampler(graph, walks, seeds=seeds, targets=labels)


ROWS = {
    "full": Row("whole graph", None),
    "neighbours": Row("neighbours, 10 and 5", _neighbours),
    "clusters": Row("parts, 10 of 700", _clusters),
    "saint": Row("walks, 700 of length 2", _saint),
}


@dataclass(frozen=True)
class RunConfig:
    """One run. The network is two layers of GATv2."""

    row: str
    seed: int
    steps: int
    channels: int = 16
    heads: int = 4
    dropout: float = 0.3
    learning_rate: float = 5e-3

    @property
    def name(self) -> str:
        """The name of its folder."""
        return f"{self.row}-{self.seed}"
