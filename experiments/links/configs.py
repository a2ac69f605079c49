"""The rows of the table: decoders on a vector per node, and on the states of typed layers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import graphattn_jax as ga
from graphattn_jax import attention, links, message_passing


@dataclass(frozen=True)
class Protocol:
    """How all rows learn: Adam, softmax over all nodes at both ends of each link; validation chooses the step."""

    steps: int = 300
    batch_size: int = 1024
    learning_rate: float = 0.01
    eval_every: int = 25


class Row(NamedTuple):
    """layers(schema) are those of the encoder. hide: the share of the links that an epoch predicts from all others."""

    label: str
    decoder: Callable[[int], links.Decoder]
    layers: Callable[[Any], tuple[Any, ...]] = lambda schema: ()
    hide: float = 1.0


ROWS = {
    "distmult": Row("DistMult, a vector per node", links.DistMult),
    "complex": Row("ComplEx, a vector per node", links.ComplEx),
    "rgcn": Row(
        "R-GCN + DistMult",
        links.DistMult,
        lambda schema: (message_passing.RGCN(schema=schema, sharing=ga.nn.Basis(16)),),
        hide=0.5,
    ),
    "hgt": Row(
        "HGT + DistMult",
        links.DistMult,
        lambda schema: (attention.HGT(heads=4, schema=schema, sharing=ga.nn.Basis(16)),),
        hide=0.5,
    ),
}


class Size(NamedTuple):
    """Width of the states, and dropout on them."""

    width: int = 128
    dropout: float = 0.5


def network(row: str, size: Size, inputs: ga.models.TypedInputs) -> ga.models.LinkNetwork:
    """The network of a row."""
    chosen = ROWS[row]
    encoder = ga.models.TypedNetwork(
        inputs, chosen.layers(inputs.schema), size.width, activation="identity"
    )
    # Each relation comes with its reverse, for the messages; links are scored in the forward direction.
    decoder = chosen.decoder(len(inputs.schema.relations) // 2)
    return ga.models.LinkNetwork(encoder, decoder, size.width, size.dropout)


@dataclass(frozen=True)
class RunConfig:
    """One run."""

    row: str
    width: int
    dropout: float
    seed: int
    protocol: Protocol

    @property
    def name(self) -> str:
        """Its folder."""
        return f"{self.row}-{self.width}-{self.dropout:g}-{self.seed}"


def grid(rows: tuple[str, ...], seeds: int, *, steps: int | None = None) -> list[RunConfig]:
    """Every seed of every row, all of one size."""
    protocol = Protocol() if steps is None else Protocol(steps)
    return [RunConfig(row, *Size(), seed, protocol) for row in rows for seed in range(seeds)]
