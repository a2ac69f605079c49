"""What is compared, and the training protocol of each data set."""

from __future__ import annotations

from dataclasses import dataclass, replace

from graphattn_jax.models import AttentionSpec

MAX_DEGREE_DIFFERENCE = 3
"""Degree classes (log2 of the degree) further apart than this share a bucket."""

LAYERS = ("gat", "gatv2", "graph_transformer")

TREATMENTS: dict[str, dict] = {
    # The survey's table ...
    "standard": {},
    "shared": {"score": "shared"},
    "positions": {"relative_buckets": MAX_DEGREE_DIFFERENCE + 1},
    "post_hoc": {"normalizer": "post_hoc"},
    # ... and ours.
    "cosine": {"score": "cosine", "temperature": 0.25},
    "symmetric": {"normalizer": "symmetric"},
    "sinkhorn": {"normalizer": "sinkhorn"},
    # On request: `--treatments all`. The first is symmetric at the first step only.
    "symmetric_init": {"symmetric_init": True},
    "directional": {"relative_buckets": 2 * MAX_DEGREE_DIFFERENCE + 1},
    "bilinear": {"score": "symmetrized"},
    "pairwise": {"score": "pairwise"},
    "shared_sinkhorn": {"score": "shared", "normalizer": "sinkhorn"},
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


@dataclass(frozen=True)
class Protocol:
    """How a network is trained on one data set; the same for every layer and treatment.

    `network` is "plain" (the GAT paper's) or "residual" (Platonov et al.). `width` counts all heads together.
    `row_normalize` scales the features of a node to sum to one. `patience` counts evaluations without improvement of
    accuracy or loss on the validation nodes; None trains for all `steps`.
    """

    network: str
    width: int
    heads: int
    num_layers: int
    dropout: float
    learning_rate: float
    weight_decay: float
    steps: int
    patience: int | None
    eval_every: int
    row_normalize: bool = False

    def __post_init__(self) -> None:
        if self.network not in ("plain", "residual"):
            raise ValueError(f"network must be 'plain' or 'residual', got {self.network!r}.")
        if self.width % self.heads:
            raise ValueError(
                f"width must be divisible by heads, got {self.width} and {self.heads}."
            )


PROTOCOLS = {
    # 2 x 64, no download: the default.
    "digits": Protocol("plain", 64, 8, 2, 0.3, 1e-2, 5e-4, 40, None, 2),
    # Veličković et al. 2018, section 3.3.
    "cora": Protocol("plain", 64, 8, 2, 0.6, 5e-3, 5e-4, 1000, 100, 1, row_normalize=True),
    # Platonov et al. 2023 in small: they use 5 layers, width 512, 1,000 steps at 3e-5.
    "minesweeper": Protocol("residual", 32, 4, 2, 0.2, 5e-3, 0.0, 150, None, 10),
    # Deeper and longer: half a minute to two minutes a run on 2 cores.
    "minesweeper-long": Protocol("residual", 32, 4, 3, 0.2, 5e-3, 0.0, 250, None, 10),
    # The published size of the same, for an accelerator.
    "minesweeper-full": Protocol("residual", 512, 8, 5, 0.2, 3e-5, 0.0, 1000, None, 10),
}


@dataclass(frozen=True)
class RunConfig:
    """One training run."""

    dataset: str
    layer: str
    treatment: str
    seed: int
    protocol: Protocol

    @property
    def name(self) -> str:
        return f"{self.layer}-{self.treatment}-{self.seed}"

    @property
    def spec(self) -> AttentionSpec:
        return AttentionSpec(self.layer, **TREATMENTS[self.treatment])

    @property
    def directional(self) -> bool:
        return self.treatment == "directional"

    @property
    def data_name(self) -> str:
        return self.dataset.partition("-")[0]


def grid(
    dataset: str,
    layers: tuple[str, ...],
    treatments: tuple[str, ...],
    seeds: int,
    steps: int | None = None,
) -> list[RunConfig]:
    """All runs of a table, the seeds of one row together."""
    protocol = PROTOCOLS[dataset]
    if steps is not None:
        protocol = replace(protocol, steps=steps)
    return [
        RunConfig(dataset, layer, treatment, seed, protocol)
        for layer in layers
        for treatment in treatments
        for seed in range(seeds)
    ]
