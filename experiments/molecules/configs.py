"""The sets of molecules, how they are split, and how a network is trained on each."""

from __future__ import annotations

from dataclasses import dataclass, replace

import graphattn_jax as ga

WALKS = 16
"""Steps of the random-walk encoding."""

OWN_SPLITS = {"bbbp": "scaffold", "hiv": "scaffold"}
"""The kind of split that comes with a set; random where it is not listed."""

SPLITS = ("random", "scaffold")

NETWORK = ga.models.GPS(
    # Atoms and bonds as OGB describes them, walks as positions.
    ga.models.Inputs(
        ga.chem.ATOM_SIZES["ogb"], ga.chem.BOND_SIZES["ogb"], encoding=WALKS, encoding_width=16
    ),
    width=64,
    num_layers=3,
    local=ga.message_passing.GINE(),
    attention=ga.attention.GlobalAttention(heads=4, output=True, dropout=0.1),
    dropout=0.1,
    pool="mean",
)


@dataclass(frozen=True)
class Protocol:
    """How a network is trained on one set; it gets as many outputs as the set has targets.

    `epochs` is the whole cosine schedule, `warmup_epochs` its linear start.
    """

    epochs: int
    warmup_epochs: int = 5
    batch_size: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 1e-5
    network: ga.models.GPS = NETWORK


PROTOCOLS = {
    "esol": Protocol(epochs=60, learning_rate=2e-3, network=replace(NETWORK, pool="sum")),
    "freesolv": Protocol(epochs=60, learning_rate=2e-3, network=replace(NETWORK, pool="sum")),
    "bbbp": Protocol(epochs=40, network=replace(NETWORK, dropout=0.2)),
    "tox21": Protocol(epochs=20, batch_size=64),
    "hiv": Protocol(epochs=5, warmup_epochs=1, batch_size=64),
    "freewilson": Protocol(epochs=30, learning_rate=2e-3),
}


@dataclass(frozen=True)
class RunConfig:
    """One training run: seed i uses split i, where a set has several."""

    dataset: str
    split: str
    seed: int
    protocol: Protocol

    @property
    def name(self) -> str:
        return f"{self.dataset}-{self.split}-{self.seed}"


def grid(
    datasets: tuple[str, ...], splits: tuple[str, ...], seeds: int, epochs: int | None = None
) -> list[RunConfig]:
    """All runs, those of a set together; `epochs` is a schedule of another length."""
    configs = []
    for dataset in datasets:
        protocol = PROTOCOLS[dataset]
        if epochs is not None:
            warmup = min(protocol.warmup_epochs, epochs - 1)
            protocol = replace(protocol, epochs=epochs, warmup_epochs=warmup)
        configs += [
            RunConfig(dataset, split, seed, protocol) for split in splits for seed in range(seeds)
        ]
    return configs
