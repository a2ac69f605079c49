"""What is measured: one entry per row of the table. Imported by both sides, so numpy and the standard library only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal, TypeAlias

OPERANDS = {
    "dot": ("query", "key", "value"),
    "additive": ("value", "receiver_vector", "sender_vector"),
    "gatv2": ("query", "value", "vector"),
}
"""Arguments of each attention op, all of them differentiated: `[N, H, C]`, vectors `[H, C]`."""


@dataclass(frozen=True)
class Operator:
    """One attention op on a random graph: forward, or forward and backward with respect to its operands.

    `padding` adds a quarter of the edges and an eighth of the nodes as padding: its edges are self-loops of one padding
    node, or spread over all of them.
    """

    score: str
    heads: int
    channels: int
    gradient: bool = False
    num_nodes: int = 50_000
    num_edges: int = 750_000
    degrees: Literal["power law", "uniform", "hub"] = "power law"
    dtype: Literal["float32", "bfloat16"] = "float32"
    padding: Literal["one node", "spread"] | None = None
    peers: ClassVar = ("ops", "conv")


@dataclass(frozen=True)
class GATTraining:
    """A training step of the two-layer GAT as published for Cora (Veličković et al. 2018, section 3.3).

    `sparse` is our side with `ga.ops.SparseFeatures`; the peer keeps its dense ones, as in its own examples.
    """

    num_nodes: int = 2_708
    num_edges: int = 13_264
    num_features: int = 1_433
    num_classes: int = 7
    heads: int = 8
    channels: int = 8
    dropout: float = 0.6
    learning_rate: float = 5e-3
    weight_decay: float = 5e-4
    sparse: bool = False
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
class TypedTraining:
    """A full-graph training step of two layers of HGT or R-GCN on nodes of four types, with eight relations.

    Every relation leads from one type to another, at random; features are as wide as the layers.
    """

    layer: Literal["hgt", "rgcn"]
    num_nodes: int = 100_000
    num_edges: int = 1_000_000
    num_types: int = 4
    num_relations: int = 8
    num_features: int = 64
    heads: int = 4
    num_classes: int = 16
    learning_rate: float = 1e-3
    peers: ClassVar = ("conv",)

    @property
    def types(self) -> list[str]:
        """Names, of equally many nodes each."""
        return [f"type{i}" for i in range(self.num_types)]

    @property
    def relations(self) -> list[tuple[str, str, str]]:
        """Names, of equally many edges each."""
        kinds, steps = self.types, self.num_relations // self.num_types
        return [
            (source, f"step{step}", kinds[(i + step) % self.num_types])
            for step in range(1, steps + 1)
            for i, source in enumerate(kinds)
        ]


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


@dataclass(frozen=True)
class Preprocessing:
    """Molecules from SMILES to batches: parse, random walks, and an epoch of padded batches (of PyG's loader there)."""

    num_graphs: int = 10_000
    batch_size: int = 32
    walks: int = 20
    peers: ClassVar = ("conv",)


@dataclass(frozen=True)
class Sampling:
    """Batches of sampled neighbours of a graph of the size of WordNet, on the host: an epoch of some of its nodes.

    Ours are padded and prepared for `jax.jit`. PyG's `NeighborLoader` needs pyg-lib or torch-sparse.
    """

    num_nodes: int = 117_659
    num_edges: int = 485_000
    num_features: int = 128
    num_classes: int = 45
    batch_size: int = 1024
    fanouts: tuple[int, ...] = (15, 10)
    batches: int = 20
    peers: ClassVar = ("conv",)


@dataclass(frozen=True)
class SegmentSum:
    """Rows scattered in random order into segments: the fewer there are, the more of them meet."""

    num_segments: int
    num_rows: int = 1_000_000
    width: int = 16
    peers: ClassVar = ("ops",)


@dataclass(frozen=True)
class Copy:
    """x + 1 of a large array in place: what the memory can do, by which the ops are judged."""

    num_bytes: int = 2**30
    peers: ClassVar = ()


Case: TypeAlias = (
    Operator
    | GATTraining
    | TransformerTraining
    | TypedTraining
    | GPSTraining
    | Preprocessing
    | Sampling
    | SegmentSum
    | Copy
)
"""`num_edges` counts directed edges, self-loops included; `peers` names the ways in which the peer is measured."""

TABLE: dict[str, Case] = {
    "edge_attention_8x16": Operator("dot", 8, 16),
    "edge_attention_8x16_grad": Operator("dot", 8, 16, gradient=True),
    "edge_attention_4x64": Operator("dot", 4, 64),
    "edge_attention_4x64_grad": Operator("dot", 4, 64, gradient=True),
    "gat_op": Operator("additive", 8, 16),
    "gat_op_grad": Operator("additive", 8, 16, gradient=True),
    "gatv2_op": Operator("gatv2", 8, 16),
    "gatv2_op_grad": Operator("gatv2", 8, 16, gradient=True),
    "gat_cora": GATTraining(),
    "gat_cora_sparse": GATTraining(sparse=True),
    "transformer_wordnet": TransformerTraining(),
    "gps_zinc": GPSTraining(),
    "hgt": TypedTraining("hgt"),
    "rgcn": TypedTraining("rgcn"),
}
"""Measured by default."""

QUESTIONS: dict[str, Case] = {
    "segment_sum_16": SegmentSum(16),
    "segment_sum_65536": SegmentSum(65_536),
    "padding_on_one_node": Operator("dot", 8, 16, gradient=True, padding="one node"),
    "padding_spread": Operator("dot", 8, 16, gradient=True, padding="spread"),
}
"""Measured by default on a GPU, where scatters contend."""

_WIDE = Operator("dot", 2, 256, gradient=True, num_nodes=2_000, num_edges=20_000)

COMPILATION: dict[str, Case] = {f"{s}_2x256_grad": replace(_WIDE, score=s) for s in OPERANDS}
"""Many channels on a small graph: the first call compiles, and nearly all of it is that."""

HOST: dict[str, Case] = {"molecules_preprocessing": Preprocessing(), "sampling": Sampling()}
"""What makes batches."""

CASES = TABLE | QUESTIONS | COMPILATION | HOST


_BASE = Operator("dot", 4, 16, gradient=True, num_nodes=10_000, num_edges=160_000)

SWEEPS: dict[str, dict[str, Operator]] = {
    "nodes": {
        f"{n:,}": replace(_BASE, num_nodes=n, num_edges=16 * n) for n in (500, 2_000, 8_000, 32_000)
    },
    "edges": {f"{e:,}": replace(_BASE, num_edges=e) for e in (20_000, 80_000, 320_000, 640_000)},
    "degree": {
        f"{law} {mean}": replace(_BASE, degrees=law, num_edges=mean * _BASE.num_nodes)
        for law, mean in (
            ("uniform", 4),
            ("uniform", 16),
            ("uniform", 64),
            ("power law", 16),
            ("hub", 16),
        )
    },
    "heads": {str(h): replace(_BASE, heads=h) for h in (1, 2, 4, 8, 16)},
    "width": {str(c): replace(_BASE, channels=c) for c in (8, 16, 32, 64)},
    "dtype": {dtype: replace(_BASE, dtype=dtype) for dtype in ("float32", "bfloat16")},
}
"""Attention by dot product, forward and backward, with one thing varied at a time."""

COPY = "copy"

ALL: dict[str, Case] = (
    CASES
    | {
        f"{sweep}/{point}": case
        for sweep, points in SWEEPS.items()
        for point, case in points.items()
    }
    | {COPY: Copy()}
)
"""By the name that a worker is given."""


def forward_bytes(case: Operator, num_nodes: int, num_edges: int) -> int:
    """What a fused forward must move at least: keys and values per edge, queries and results per node, ids once.

    Nothing that a gather reads is counted as cached. The vectors of a score are.
    """
    key = {"dot": case.channels, "additive": 1, "gatv2": 0}[
        case.score
    ]  # GATv2's keys are its values
    query = {"dot": case.channels, "additive": 1, "gatv2": case.channels}[case.score]
    size = {"float32": 4, "bfloat16": 2}[case.dtype]
    gathered = num_edges * case.heads * (key + case.channels) * size
    streamed = num_nodes * case.heads * (query + case.channels) * size
    ids = 4 * (num_edges + num_nodes + 1)  # senders, and where the edges of each receiver begin
    return gathered + streamed + ids


def scaled(case: Case, scale: float) -> Case:
    """The case on a graph of `scale` times its nodes and edges, or on that share of its graphs."""
    if isinstance(case, GPSTraining | Preprocessing):
        return replace(case, num_graphs=max(round(case.num_graphs * scale), 2))
    if isinstance(case, SegmentSum):
        return replace(case, num_rows=max(round(case.num_rows * scale), 1))
    return replace(
        case,
        num_nodes=max(round(case.num_nodes * scale), 2),
        num_edges=max(round(case.num_edges * scale), 4),
    )
