"""The sets of molecules, how they are split, and how a network is trained on each."""

from __future__ import annotations

from dataclasses import dataclass

import graphattn_jax as ga

WALKS = 16
"""Steps of the random-walk encoding."""

OWN_SPLITS = {"bbbp": "scaffold", "hiv": "scaffold"}
"""The kind of split that comes with a set; random where it is not listed."""

SPLITS = ("random", "scaffold")


@dataclass(frozen=True)
class Protocol:
    """How a GraphGPS network is trained on one set.

    `dropout` is on the outputs of message passing, attention and feed-forward maps, `attention_dropout` on the weights.
    `epochs` is the whole cosine schedule, `warmup_epochs` its linear start.
    """

    epochs: int
    warmup_epochs: int = 5
    batch_size: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 1e-5
    local: str = "gine"
    width: int = 64
    num_layers: int = 3
    heads: int = 4
    pool: str = "mean"
    dropout: float = 0.1
    attention_dropout: float = 0.1

    def network(self, out_features: int) -> ga.models.GPSConfig:
        """The network: atoms and bonds as OGB describes them, walks as positions."""
        atoms, bonds = (tuple(s["ogb"]) for s in (ga.chem.ATOM_SIZES, ga.chem.BOND_SIZES))
        return ga.models.GPSConfig(
            ga.models.InputSpec(atoms, bonds, encoding=WALKS, encoding_width=16),
            out_features=out_features,
            width=self.width,
            num_layers=self.num_layers,
            heads=self.heads,
            local=self.local,
            pool=self.pool,
            dropout=self.dropout,
            attention_dropout=self.attention_dropout,
        )


PROTOCOLS = {
    "esol": Protocol(epochs=60, learning_rate=2e-3, pool="sum"),
    "freesolv": Protocol(epochs=60, learning_rate=2e-3, pool="sum"),
    "bbbp": Protocol(epochs=40, dropout=0.2),
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
