"""What is compared, and how a network is trained on each data set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from graphattn_jax import attention, models, nn, ops

MAX_DEGREE_DIFFERENCE = 3
"""Degree classes (log2 of the degree) further apart than this share a bucket."""
SYMMETRIC_BUCKETS, DIRECTIONAL_BUCKETS = MAX_DEGREE_DIFFERENCE + 1, 2 * MAX_DEGREE_DIFFERENCE + 1

LAYERS: dict[str, type[attention.AttentionLayer]] = {
    "gat": attention.GAT,
    "gatv2": attention.GATv2,
    "graph_transformer": attention.GraphTransformer,
}

Treatment = Callable[[Any], nn.Layer]
"""Makes the treated layer of the published one."""


def _with(**choices: Any) -> Treatment:
    return lambda layer: replace(layer, **choices)


TREATMENTS: dict[str, Treatment] = {
    # The survey's table ...
    "standard": _with(),
    "shared": _with(score=attention.Shared()),
    "positions": partial(attention.RelativeBias, num_buckets=SYMMETRIC_BUCKETS),
    "post_hoc": _with(normalizer=ops.PostHoc()),
    # ... and ours.
    "cosine": _with(score=attention.Cosine(temperature=0.25)),
    "symmetric": _with(normalizer=ops.Symmetric()),
    "sinkhorn": _with(normalizer=ops.Sinkhorn()),
    # On request: `--treatments all`. The first is symmetric at the first step only.
    "symmetric_init": _with(symmetric_init=True),
    "directional": partial(attention.RelativeBias, num_buckets=DIRECTIONAL_BUCKETS),
    "bilinear": _with(score=attention.Symmetrized()),
    "pairwise": _with(score=attention.Pairwise()),
    "shared_sinkhorn": _with(score=attention.Shared(), normalizer=ops.Sinkhorn()),
}
DEFAULT_TREATMENTS = tuple(TREATMENTS)[:7]

LABELS = {
    "standard": "standard",
    "shared": "shared Q and K",
    "positions": "symmetric positions",
    "post_hoc": "post hoc (A+Aᵀ)/2",
    "cosine": "cosine, shared",
    "symmetric": "D^-½ E D^-½",
    "sinkhorn": "Sinkhorn",
    "symmetric_init": "symmetric init",
    "directional": "directional positions",
    "bilinear": "symmetric bilinear",
    "pairwise": "pairwise coefficients",
    "shared_sinkhorn": "shared + Sinkhorn",
}


def plain(
    layer: str,
    treatment: str,
    in_features: int,
    out_features: int,
    *,
    dropout: float,
    channels: int = 8,
    heads: int = 8,
    num_layers: int = 2,
) -> models.PlainNetwork:
    """The GAT paper's network with a treated layer."""
    treated, kind = TREATMENTS[treatment], LAYERS[layer]
    hidden = treated(kind(channels, heads, dropout=dropout))
    last = treated(kind(out_features, dropout=dropout))
    layers = (hidden,) * (num_layers - 1) + (last,)
    return models.PlainNetwork(in_features, layers, dropout=dropout)


def residual(
    layer: str,
    treatment: str,
    in_features: int,
    out_features: int,
    *,
    width: int,
    heads: int,
    num_layers: int,
    dropout: float = 0.2,
) -> models.ResidualNetwork:
    """The network of Platonov et al. with a treated layer."""
    output: dict[str, Any] = {"output": True} if layer == "graph_transformer" else {}
    treated = TREATMENTS[treatment](LAYERS[layer](heads=heads, **output))
    return models.ResidualNetwork(in_features, out_features, treated, width, num_layers, dropout)


@dataclass(frozen=True)
class Training:
    """`patience` counts evaluations without improvement of accuracy or loss on the validation nodes; None trains for
    all `steps`.
    """

    learning_rate: float
    weight_decay: float
    steps: int
    patience: int | None
    eval_every: int


@dataclass(frozen=True)
class Protocol:
    """A network and how it is trained on one data set, the same for every layer and treatment.

    `row_normalize` scales the features of a node to sum to one.
    """

    network: Callable[..., models.Network]
    training: Training
    row_normalize: bool = False


_MINESWEEPER = partial(residual, width=32, heads=4)

PROTOCOLS = {
    # 2 x 64, no download: the default.
    "digits": Protocol(partial(plain, dropout=0.3), Training(1e-2, 5e-4, 40, None, 2)),
    # Veličković et al. 2018, section 3.3.
    "cora": Protocol(
        partial(plain, dropout=0.6), Training(5e-3, 5e-4, 1000, 100, 1), row_normalize=True
    ),
    # Platonov et al. 2023 in small: they use 5 layers, width 512, 1,000 steps at 3e-5.
    "minesweeper": Protocol(
        partial(_MINESWEEPER, num_layers=2), Training(5e-3, 0.0, 150, None, 10)
    ),
    # Deeper and longer: half a minute to two minutes a run on 2 cores.
    "minesweeper-long": Protocol(
        partial(_MINESWEEPER, num_layers=3), Training(5e-3, 0.0, 250, None, 10)
    ),
    # The published size of the same, for an accelerator.
    "minesweeper-full": Protocol(
        partial(residual, width=512, heads=8, num_layers=5), Training(3e-5, 0.0, 1000, None, 10)
    ),
}


@dataclass(frozen=True)
class RunConfig:
    """One training run; seed i uses split i."""

    dataset: str
    layer: str
    treatment: str
    seed: int
    network: models.Network
    training: Training

    @property
    def name(self) -> str:
        return f"{self.layer}-{self.treatment}-{self.seed}"


def data_name(dataset: str) -> str:
    """The data set of a protocol."""
    return dataset.partition("-")[0]


def grid(
    dataset: str,
    in_features: int,
    out_features: int,
    *,
    layers: tuple[str, ...] = tuple(LAYERS),
    treatments: tuple[str, ...] = DEFAULT_TREATMENTS,
    seeds: int = 5,
    steps: int | None = None,
) -> list[RunConfig]:
    """All runs of a table, the seeds of one row together."""
    protocol = PROTOCOLS[dataset]
    training = protocol.training if steps is None else replace(protocol.training, steps=steps)
    configs = []
    for layer in layers:
        for treatment in treatments:
            network = protocol.network(layer, treatment, in_features, out_features)
            configs += [
                RunConfig(dataset, layer, treatment, seed, network, training)
                for seed in range(seeds)
            ]
    return configs
