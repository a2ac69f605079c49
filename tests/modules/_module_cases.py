"""Every module with options off their defaults, and the same call written with the function."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from graphattn_jax import attention, graphs, message_passing, models, ops

WIDTH, EDGE_WIDTH = 4, 3

rng = np.random.default_rng(0)
GRAPH = graphs.from_edge_list(
    [0, 1, 1, 2, 2, 3, 0],
    [1, 0, 2, 1, 3, 2, 0],
    nodes=rng.normal(size=(4, WIDTH)).astype(np.float32),
    edges=rng.normal(size=(7, EDGE_WIDTH)).astype(np.float32),
)
BIAS = rng.normal(size=(7, 2)).astype(np.float32)
SPEC = models.AttentionSpec("graph_transformer", score="cosine", relative_buckets=3)
BUCKETS = np.array([0, 1, 2, 0, 1, 2, 0])
GPS = models.GPSConfig(
    models.InputSpec(nodes=WIDTH, edges=EDGE_WIDTH),
    width=WIDTH,
    heads=2,
    num_layers=1,
    local="gated_gcn",
    attention_dropout=0.3,
)
LAYER_NORM = models.GPSConfig(models.InputSpec(nodes=WIDTH), width=WIDTH, heads=2, norm="layer")
SMALL = {"width": 8, "heads": 2, "num_layers": 1}
GRIT = models.GRITConfig(nodes=WIDTH, edges=EDGE_WIDTH, walks=4, norm="layer", **SMALL)
GRAPHORMER = models.GraphormerConfig(nodes=WIDTH, feed_forward=8, max_distance=3, **SMALL)


class Case(NamedTuple):
    """options: of both constructors, widths left out. init(key) and apply(params, [state], ...): the functions.

    widths: of the inputs, for NNX. call: arrays of the call.
    """

    options: dict[str, Any]
    init: Callable[..., Any]
    apply: Callable[..., Any]
    widths: dict[str, int]
    call: dict[str, Any]
    inputs: tuple[Any, ...]


def case(init, apply, made, used, *, widths=("in_features",), call=None, inputs=(GRAPH,), **both):
    """`made`, `used`, `both`: options of init, of apply, of the two."""
    sizes = {name: EDGE_WIDTH if name == "edge_features" else WIDTH for name in widths}
    options = {("use_bias" if name == "bias" else name): value for name, value in made.items()}
    return Case(
        options=options | used | both,
        init=partial(init, **sizes, **made, **both),
        apply=partial(apply, **used, **both),
        widths=sizes,
        call=call or {},
        inputs=inputs,
    )


HEADS = {"channels": 3, "heads": 2}
OUT = {"out_features": 5}
ALL = ("in_features", "edge_features")

CASES = {
    "GAT": case(
        attention.init_gat,
        attention.gat,
        HEADS | {"edge_features": 3},
        {"normalizer": "sigmoid", "negative_slope": 0.5},
        score="shared",
        concat=False,
        call={"bias": BIAS},
    ),
    "GATv2": case(
        attention.init_gatv2,
        attention.gatv2,
        HEADS | {"bias": False},
        {"normalizer": ops.Sinkhorn(iterations=3)},
        score="symmetrized",
    ),
    "GraphTransformer": case(
        attention.init_graph_transformer,
        attention.graph_transformer,
        HEADS | {"separate": True, **OUT},
        {"temperature": 0.5},
        score="cosine",
        call={"return_attention": True},
    ),
    "GlobalAttention": case(
        attention.init_graph_transformer,
        attention.global_attention,
        HEADS,
        {"concat": False},
        score="shared",
    ),
    "Exphormer": case(
        attention.init_exphormer,
        attention.exphormer,
        HEADS | {"bias": True, **OUT},
        {"clamp": 0.1},
        score="shared",
        widths=ALL,
    ),
    "SAN": case(
        attention.init_san,
        attention.san,
        HEADS,
        {"gamma": 0.5},
        widths=ALL,
        call={"real": np.arange(7) < 4},
    ),
    "GRIT": case(
        attention.init_grit,
        attention.grit,
        HEADS,
        {"activation": "gelu", "clamp": None},
        score="pairwise",
        widths=ALL,
    ),
    "DegreeScaler": case(
        attention.init_degree_scaler,
        attention.degree_scaler,
        {},
        {},
        widths=("width",),
        inputs=(GRAPH.nodes, GRAPH.nodes[:, 0]),
    ),
    "GCN": case(
        message_passing.init_gcn,
        message_passing.gcn,
        OUT | {"bias": False},
        {},
        call={"edge_weight": np.linspace(0.5, 1.5, 7, dtype=np.float32)},
    ),
    "SAGE": case(message_passing.init_sage, message_passing.sage, OUT, {}),
    "GINE": case(
        message_passing.init_gine,
        message_passing.gine,
        OUT | {"hidden_features": 6, "edge_features": 3},
        {"activation": "gelu"},
    ),
    "GatedGCN": case(
        message_passing.init_gated_gcn, message_passing.gated_gcn, OUT, {"normalize": False}
    ),
    "PNA": case(
        message_passing.init_pna,
        message_passing.pna,
        {"out_features": 6, "towers": 2},
        {"log_degree_mean": 0.7},
    ),
    "PlainNetwork": case(
        models.init_plain_network,
        models.plain_network,
        HEADS | OUT | {"num_layers": 2},
        {},
        spec=SPEC,
        call={"buckets": BUCKETS},
    ),
    "ResidualNetwork": case(
        models.init_residual_network,
        models.residual_network,
        OUT | {"width": 6, "heads": 2, "num_layers": 2},
        {},
        spec=SPEC,
        call={"buckets": BUCKETS, "bias": BIAS},
    ),
    "GPSLayer": case(
        models.init_gps_layer,
        models.gps_layer,
        {},
        {},
        config=LAYER_NORM,
        widths=(),
    ),
    "GPSNetwork": case(models.init_gps_network, models.gps_network, {}, {}, config=GPS, widths=()),
    "GRITNetwork": case(
        models.init_grit_network,
        models.grit_network,
        {},
        {},
        config=GRIT,
        widths=(),
        inputs=(models.prepare_grit(GRAPH, 4),),
    ),
    "GraphormerNetwork": case(
        models.init_graphormer_network,
        models.graphormer_network,
        {},
        {},
        config=GRAPHORMER,
        widths=(),
        inputs=(models.prepare_graphormer(GRAPH._replace(edges=None), 3),),
    ),
    "AttentionPool": case(
        models.init_attention_pool,
        models.attention_pool,
        {"heads": 2},
        {},
        widths=("width",),
        call={"where": np.arange(4) < 3},
    ),
    "Readout": case(
        models.init_readout,
        models.readout,
        OUT | {"halvings": 1},
        {"method": "max"},
        widths=("width",),
    ),
}
STATEFUL = ("GPSLayer", "GPSNetwork", "GRITNetwork")
