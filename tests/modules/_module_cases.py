"""A value of every kind, of this package and of one's own, with the arguments of its call."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import numpy as np

from graphattn_jax import attention, graphs, linear_attention, message_passing, models, nn, ops

WIDTH, EDGE_WIDTH = 4, 3

rng = np.random.default_rng(0)
GRAPH = graphs.from_edge_list(
    [0, 1, 1, 2, 2, 3, 0],
    [1, 0, 2, 1, 3, 2, 0],
    nodes=rng.normal(size=(4, WIDTH)).astype(np.float32),
    edges=rng.normal(size=(7, EDGE_WIDTH)).astype(np.float32),
)
PLAIN = GRAPH._replace(edges=None)
BIAS = rng.normal(size=(7, 2)).astype(np.float32)
BUCKETS = PLAIN._replace(edges=nn.EdgeInputs(buckets=np.array([0, 1, 2, 0, 1, 2, 0])))
PAIRS = GRAPH._replace(edges=nn.EdgeInputs(GRAPH.edges, real=np.arange(7) % 2 > 0))
BIPARTITE = graphs.bipartite(
    np.array([0, 1, 2]),
    np.array([0, 0, 1]),
    sender_nodes=np.ones((3, 5), np.float32),
    receiver_nodes=np.ones((2, WIDTH), np.float32),
)
TYPED = graphs.prepare(
    graphs.from_types(
        {"a": np.ones((2, WIDTH), np.float32), "b": np.eye(3, WIDTH, dtype=np.float32)},
        {("a", "to", "b"): ([0, 1, 1], [0, 1, 2]), ("b", "by", "b"): ([0, 1], [1, 2])},
    )
)
SCHEMA = graphs.schema_of(TYPED)
GPS = models.GPS(
    models.Inputs(nodes=WIDTH, edges=EDGE_WIDTH),
    width=WIDTH,
    num_layers=1,
    local=message_passing.GatedGCN(),
    attention=attention.GlobalAttention(heads=2, output=True, dropout=0.3),
)
LAYER_NORM = models.GPS(
    models.Inputs(nodes=WIDTH),
    width=WIDTH,
    num_layers=1,
    attention=attention.GlobalAttention(heads=2, output=True, dropout=0.3),
    norm="layer",
)


@dataclass(frozen=True)
class Mean(nn.Layer):
    """A layer of one's own, whose parameters are a dict."""

    features: int

    def init(self, key, in_features, edge_features=None):
        return {"map": nn.init_linear(key, in_features, self.features)}

    def apply(self, params, graph, *, training=False, key=None):
        mean = ops.segment_mean(graph.nodes[graph.senders], graph.receivers, len(graph.nodes))
        return nn.LayerOutput(graph._replace(nodes=nn.linear(params["map"], mean)))


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Scale:
    weight: Any


@dataclass(frozen=True)
class Scaled(nn.Layer):
    """A layer of one's own for one width, whose parameters are a tree of any kind."""

    kind: str

    def init(self, key, in_features, edge_features=None):
        assert in_features == WIDTH
        weight = jax.random.normal(key, (in_features,))
        return {
            "array": weight,
            "nothing": None,
            "list": [weight, {"items": weight + 1, "keys": (weight - 1, None)}],
            "dataclass": Scale(weight),
        }[self.kind]

    def apply(self, params, graph, *, training=False, key=None):
        nodes = graph.nodes
        for weight in jax.tree.leaves(params):
            nodes = nodes * weight[None]
        return nn.LayerOutput(graph._replace(nodes=nodes))


class Case(NamedTuple):
    """A layer with what NNX has to be told, or a network, and the arguments of the call."""

    value: Any
    widths: tuple[Any, ...] = (WIDTH,)
    graph: Any = PLAIN
    call: Any = MappingProxyType({})

    @property
    def is_network(self):
        return isinstance(self.value, models.Network)

    def init(self, key):
        return self.value.init(key, *(() if self.is_network else self.widths))

    def apply(self, made):
        if self.is_network:
            return self.value.apply(*made, self.graph, **self.call).prediction
        return self.value.apply(made, self.graph, **self.call)


EDGES = (WIDTH, EDGE_WIDTH)
CASES = {
    "GAT": Case(
        attention.GAT(3, 2, score=attention.Shared(), normalizer=ops.Sigmoid(), concat=False),
        EDGES,
        GRAPH,
        {"bias": BIAS},
    ),
    "GATv2": Case(attention.GATv2(3, 2, normalizer=ops.Sinkhorn(3), dropout=0.5)),
    "bipartite": Case(attention.GATv2(3, 2), ((5, WIDTH),), BIPARTITE),
    "GraphTransformer": Case(attention.GraphTransformer(3, 2, output=5, separate=True), EDGES, GRAPH),
    "GlobalAttention": Case(attention.GlobalAttention(3, 2, output=True)),
    "Exphormer": Case(attention.Exphormer(3, 2), EDGES, GRAPH),
    "SAN": Case(attention.SAN(3, 2, gamma=0.1), EDGES, PAIRS),
    "GRIT": Case(attention.GRIT(3, 2), EDGES, GRAPH),
    "Performer": Case(linear_attention.Performer(3, 2, features=4, output=5)),
    "PolynormerAttention": Case(linear_attention.PolynormerAttention(3, 2)),
    "NodeFormerAttention": Case(linear_attention.NodeFormerAttention(3, 2, features=4)),
    "RelativeBias": Case(attention.RelativeBias(attention.GAT(3, 2), 3), graph=BUCKETS),
    "RelativeBias of the input's width": Case(
        attention.RelativeBias(attention.GATv2(heads=4), 3), graph=BUCKETS
    ),
    "HGT": Case(attention.HGT(heads=2, schema=SCHEMA), graph=TYPED),
    "HAN": Case(attention.HAN(3, 2, schema=SCHEMA), graph=TYPED),
    "RGCN": Case(message_passing.RGCN(3, schema=SCHEMA, fusion=nn.Routing()), graph=TYPED),
    "GCN": Case(message_passing.GCN(5)),
    "SAGE": Case(message_passing.SAGE(5)),
    "GINE": Case(message_passing.GINE(5, edge_map=True), EDGES, GRAPH),
    "GatedGCN": Case(message_passing.GatedGCN(5), EDGES, GRAPH),
    "PNA": Case(message_passing.PNA(6, log_degree_mean=1.2), EDGES, GRAPH),
    "own": Case(Mean(5)),
    **{f"own {kind}": Case(Scaled(kind)) for kind in ("array", "nothing", "list", "dataclass")},
    "PlainNetwork": Case(models.PlainNetwork.gat(WIDTH, 3, dropout=0.5)),
    "GPS": Case(GPS, graph=GRAPH),
    "layer norm": Case(LAYER_NORM),
}  # fmt: skip
