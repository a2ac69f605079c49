"""The rows of the table: networks of equal size with typed layers, and with layers that see no types."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import graphattn_jax as ga
from graphattn_jax import attention, message_passing

HEADS = 4


@dataclass(frozen=True)
class Protocol:
    """How long and how a data set is learned: Adam, all nodes at once.

    has_validation: whether the split has one, which then chooses the step; else the last step counts.
    """

    steps: int
    has_validation: bool
    learning_rate: float = 0.01
    eval_every: int = 5


PROTOCOLS = {
    "aifb": Protocol(steps=100, has_validation=False),
    "wordnet": Protocol(steps=150, has_validation=True),
}


class Size(NamedTuple):
    """What was tuned, over the same values for each row: width of the nodes, dropout on the inputs of layers."""

    width: int
    dropout: float


SIZES = tuple(Size(width, dropout) for width in (16, 64) for dropout in (0.0, 0.4))


class Row(NamedTuple):
    """layers(schema, width, classes) are two layers; output says whether a linear map follows. activation: between."""

    label: str
    layers: Callable[[Any, int, int], tuple[Any, Any]]
    output: bool = False
    activation: str = "relu"


def _gat(_: Any, width: int, classes: int) -> tuple[Any, Any]:
    return attention.GAT(width // HEADS, HEADS), attention.GAT(classes)


def _transformer(_: Any, width: int, classes: int) -> tuple[Any, Any]:
    layer = attention.GraphTransformer(heads=HEADS, output=True, separate=True)
    return layer, layer


def _rgcn(schema: Any, width: int, classes: int) -> tuple[Any, Any]:
    layer = message_passing.RGCN
    return layer(width, schema=schema), layer(classes, schema=schema)


def _rgat(schema: Any, width: int, classes: int) -> tuple[Any, Any]:
    layer = attention.RGAT
    return layer(width // HEADS, HEADS, schema=schema), layer(classes, schema=schema)


def _han(schema: Any, width: int, classes: int) -> tuple[Any, Any]:
    layer = attention.HAN(heads=HEADS, schema=schema)
    return layer, layer


def _simple_hgn(schema: Any, width: int, classes: int) -> tuple[Any, Any]:
    layer = attention.SimpleHGN(heads=HEADS, schema=schema)
    return layer, layer


def _hgt(schema: Any, width: int, classes: int) -> tuple[Any, Any]:
    layer = attention.HGT(heads=HEADS, schema=schema)
    return layer, layer


ROWS = {
    "gat": Row("GAT, no types", _gat, activation="elu"),
    "graph_transformer": Row("graph transformer, no types", _transformer, output=True),
    "rgcn": Row("R-GCN", _rgcn),
    "rgat": Row("R-GAT", _rgat),
    "han": Row("HAN, relations for metapaths", _han, output=True, activation="identity"),
    "simple_hgn": Row("Simple-HGN", _simple_hgn, output=True, activation="elu"),
    "hgt": Row("HGT", _hgt, output=True, activation="identity"),
}

CHOSEN = {
    "aifb": {
        "gat": Size(16, 0.4),
        "graph_transformer": Size(16, 0.4),
        "rgcn": Size(64, 0.4),
        "rgat": Size(16, 0.4),
        "han": Size(64, 0.4),
        "simple_hgn": Size(16, 0.4),
        "hgt": Size(64, 0.4),
    }
}
"""By data set and row, what `--tune` found best."""


def network(row: str, size: Size, inputs: ga.models.TypedInputs, classes: int) -> Any:
    """The network of a row."""
    chosen = ROWS[row]
    return ga.models.TypedNetwork(
        inputs,
        chosen.layers(inputs.schema, size.width, classes),
        width=size.width,
        out_features=classes if chosen.output else None,
        activation=chosen.activation,
        dropout=size.dropout,
    )


@dataclass(frozen=True)
class RunConfig:
    """One run. held_out: a fifth of the nodes to learn from is kept back to tune on; the test nodes are not read."""

    dataset: str
    row: str
    width: int
    dropout: float
    seed: int
    held_out: bool
    protocol: Protocol

    @property
    def name(self) -> str:
        """Its folder."""
        part = "tune" if self.held_out else "test"
        return f"{part}-{self.row}-{self.width}-{self.dropout:g}-{self.seed}"


def grid(
    dataset: str, rows: tuple[str, ...], seeds: int, *, tune: bool, steps: int | None = None
) -> list[RunConfig]:
    """Every size of every row to tune, or the chosen ones to test."""
    protocol = PROTOCOLS[dataset]
    if steps is not None:
        protocol = Protocol(steps, protocol.has_validation)
    found = []
    for row in rows:
        sizes = SIZES if tune else (CHOSEN.get(dataset, {}).get(row, SIZES[-1]),)
        for size in sizes:
            found += [
                RunConfig(dataset, row, *size, seed, held_out=tune, protocol=protocol)
                for seed in range(seeds)
            ]
    return found
