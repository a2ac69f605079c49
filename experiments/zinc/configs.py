"""The networks with their published settings, and the whole and the shortened schedule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import graphattn_jax as ga


@dataclass(frozen=True)
class Protocol:
    """A training schedule: AdamW, linear warm-up, then half a cosine (or a line) down to zero."""

    epochs: int
    warmup_epochs: float
    batch_size: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 1e-5
    clip_norm: float = 1.0
    schedule: str = "cosine"

    def of_length(self, epochs: int) -> Protocol:
        """Shorter or longer with the same shape: warm-up and decay shrink with it."""
        share = epochs / self.epochs
        return replace(self, epochs=epochs, warmup_epochs=max(share * self.warmup_epochs, 1))


class Row(NamedTuple):
    """A row of the table.

    prepare(graphs) gives the graphs with all that the network reads. published: its MAE as its authors report it.
    """

    label: str
    published: str
    network: ga.models.Network
    prepare: Callable[[ga.graphs.GraphsTuple], ga.graphs.GraphsTuple]
    protocol: Protocol


def _with_walks(graphs: ga.graphs.GraphsTuple, steps: int) -> ga.graphs.GraphsTuple:
    walks = {"encoding": partial(ga.encodings.rwse, k=steps)}
    return ga.encodings.precompute(graphs, walks, progress=False)


_GPS = ga.models.GPS.zinc()
_GRIT = ga.models.GRITNetwork.zinc()
_GRAPHORMER = ga.models.Graphormer.zinc_slim()

ROWS = {
    "gps": Row(
        "GraphGPS (GINE, RWSE)",
        "0.070 ± 0.004",
        _GPS,
        partial(_with_walks, steps=_GPS.inputs.encoding),
        Protocol(epochs=2000, warmup_epochs=50),
    ),
    "grit": Row(
        "GRIT",
        "0.059 ± 0.002",
        _GRIT,
        partial(ga.models.prepare_grit, walks=_GRIT.walks),
        Protocol(epochs=2000, warmup_epochs=50),
    ),
    "graphormer": Row(
        "Graphormer-slim",
        "0.122 ± 0.006",
        _GRAPHORMER,
        partial(ga.models.prepare_graphormer, max_distance=_GRAPHORMER.max_distance),
        # 400,000 updates with batches of 64, 60,000 of them warm-up.
        Protocol(
            epochs=2548,
            warmup_epochs=382,
            batch_size=64,
            learning_rate=2e-4,
            weight_decay=0.01,
            clip_norm=5.0,
            schedule="linear",
        ),
    ),
}


@dataclass(frozen=True)
class RunConfig:
    """One training run; `molecules` is the most that are taken of each part of the data, None = all."""

    row: str
    seed: int
    molecules: int | None
    network: ga.models.Network
    protocol: Protocol

    @property
    def name(self) -> str:
        return f"{self.row}-{self.seed}"


def grid(
    rows: tuple[str, ...],
    seeds: int = 1,
    *,
    epochs: int | None = None,
    molecules: int | None = None,
) -> list[RunConfig]:
    """All runs, the seeds of a network together; `epochs=None` is the published schedule."""
    configs = []
    for name in rows:
        network, protocol = ROWS[name].network, ROWS[name].protocol
        protocol = protocol if epochs is None else protocol.of_length(epochs)
        configs += [RunConfig(name, seed, molecules, network, protocol) for seed in range(seeds)]
    return configs
