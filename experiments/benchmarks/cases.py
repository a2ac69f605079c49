"""What is measured: one entry per row of the table. Imported by both sides, so numpy and the standard library only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, TypeAlias

OPERANDS = {
    "dot": ("query", "key", "value"),
    "additive": ("value", "receiver_vector", "sender_vector"),
    "gatv2": ("query", "value", "vector"),
}
"""Arguments of each attention op, all of them differentiated: `[N, H, C]`, vectors `[H, C]`."""


@dataclass(frozen=True)
class Operator:
    """One attention op on a power-law graph: forward, or forward and backward with respect to its operands."""

    score: str
    heads: int
    channels: int
    gradient: bool = False
    num_nodes: int = 50_000
    num_edges: int = 750_000
    peers: ClassVar = ("ops", "conv")


@dataclass(frozen=True)
class GATTraining:
    """A training step of the two-layer GAT as published for Cora (Veličković et al. 2018, section 3.3)."""

    num_nodes: int = 2_708
    num_edges: int = 13_264
    num_features: int = 1_433
    num_classes: int = 7
    heads: int = 8
    channels: int = 8
    dropout: float = 0.6
    learning_rate: float = 5e-3
    weight_decay: float = 5e-4
    peers: ClassVar = ("conv",)


@dataclass(frozen=True)
class TransformerTraining:
    """A full-graph training step of a two-layer graph transformer at the size of WordNet."""

    num_nodes: int = 117_659
    num_edges: int = 485_000
    num_features: int = 128
    num_classes: int = 45
    heads: int = 8
    channels: int = 16
    learning_rate: float = 1e-3
    peers: ClassVar = ("conv",)


@dataclass(frozen=True)
class GPSTraining:
    """An epoch of GraphGPS on molecules: ZINC's network (GINE and attention in each of ten layers), batches of 32.

    A step is an epoch, shuffled and batched anew. No dropout on either side.
    """

    num_graphs: int = 10_000
    batch_size: int = 32
    width: int = 64
    num_layers: int = 10
    heads: int = 4
    atoms: int = 28
    bonds: int = 4
    walks: int = 20
    walk_width: int = 28
    learning_rate: float = 1e-3
    weight_decay: float = 1e-5
    peers: ClassVar = ("conv",)


Case: TypeAlias = Operator | GATTraining | TransformerTraining | GPSTraining
"""`num_edges` counts directed edges, self-loops included; `peers` names the ways in which the peer is measured."""

CASES: dict[str, Case] = {
    "edge_attention_8x16": Operator("dot", 8, 16),
    "edge_attention_8x16_grad": Operator("dot", 8, 16, gradient=True),
    "edge_attention_4x64": Operator("dot", 4, 64),
    "edge_attention_4x64_grad": Operator("dot", 4, 64, gradient=True),
    "gat_op": Operator("additive", 8, 16),
    "gat_op_grad": Operator("additive", 8, 16, gradient=True),
    "gatv2_op": Operator("gatv2", 8, 16),
    "gatv2_op_grad": Operator("gatv2", 8, 16, gradient=True),
    "gat_cora": GATTraining(),
    "transformer_wordnet": TransformerTraining(),
    "gps_zinc": GPSTraining(),
}


def scaled(case: Case, scale: float) -> Case:
    """The case on a graph of `scale` times its nodes and edges, or on that share of its graphs."""
    if isinstance(case, GPSTraining):
        return replace(case, num_graphs=max(round(case.num_graphs * scale), 2))
    return replace(
        case,
        num_nodes=max(round(case.num_nodes * scale), 2),
        num_edges=max(round(case.num_edges * scale), 4),
    )
