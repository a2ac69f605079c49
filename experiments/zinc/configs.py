"""The networks with their published settings, and the whole and the shortened schedule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

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


class Network(NamedTuple):
    """A network of the table.

    prepare(graphs) gives the graphs with all that the network reads; init(key) parameters and model state;
    apply(params, model_state, batch, **options) predictions `[G, 1]` and the renewed state. `published` is its MAE on
    ZINC as its authors report it.
    """

    label: str
    published: str
    protocol: Protocol
    prepare: Callable[[ga.graphs.GraphsTuple], ga.graphs.GraphsTuple]
    init: Callable[[jax.Array], tuple[Any, Any]]
    apply: Callable[..., tuple[jax.Array, Any]]


def _gps() -> Network:
    config = ga.models.GPSConfig.zinc()

    def prepare(graphs: ga.graphs.GraphsTuple) -> ga.graphs.GraphsTuple:
        walks = partial(ga.encodings.rwse, k=config.inputs.encoding)
        return ga.encodings.precompute(graphs, {"encoding": walks}, progress=False)

    def apply(params, model_state, batch, **options):
        return ga.models.gps_network(
            params, model_state, batch.graph, config=config, layout=batch.layout, **options
        )

    return Network(
        label="GraphGPS (GINE, RWSE)",
        published="0.070 ± 0.004",
        protocol=Protocol(epochs=2000, warmup_epochs=50),
        prepare=prepare,
        init=partial(ga.models.init_gps_network, config=config),
        apply=apply,
    )


def _grit() -> Network:
    config = ga.models.GRITConfig.zinc()

    def apply(params, model_state, batch, **options):
        return ga.models.grit_network(
            params, model_state, batch.graph, config=config, layout=batch.layout, **options
        )

    return Network(
        label="GRIT",
        published="0.059 ± 0.002",
        protocol=Protocol(epochs=2000, warmup_epochs=50),
        prepare=partial(ga.models.prepare_grit, walks=config.walks),
        init=partial(ga.models.init_grit_network, config=config),
        apply=apply,
    )


def _graphormer() -> Network:
    config = ga.models.GraphormerConfig.zinc_slim()

    def apply(params, model_state, batch, **options):
        y = ga.models.graphormer_network(
            params, batch.graph, config=config, layout=batch.layout, **options
        )
        return y, model_state

    # 400,000 updates with batches of 64, 60,000 of them warm-up.
    protocol = Protocol(
        epochs=2548,
        warmup_epochs=382,
        batch_size=64,
        learning_rate=2e-4,
        weight_decay=0.01,
        clip_norm=5.0,
        schedule="linear",
    )
    return Network(
        label="Graphormer-slim",
        published="0.122 ± 0.006",
        protocol=protocol,
        prepare=partial(ga.models.prepare_graphormer, max_distance=config.max_distance),
        init=lambda key: (ga.models.init_graphormer_network(key, config), ()),
        apply=apply,
    )


NETWORKS: dict[str, Callable[[], Network]] = {
    "gps": _gps,
    "grit": _grit,
    "graphormer": _graphormer,
}


def zinc(limit: int | None = None) -> tuple[ga.data.GraphDataset, tuple[np.ndarray, ...]]:
    """The data set, and the molecules to train, validate and test on; `limit` cuts each part, for a try."""
    data = ga.data.load("zinc")
    return data, tuple(ids[:limit] for ids in data.splits[0])
