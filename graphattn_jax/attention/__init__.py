"""Attention layers on graphs: the pipeline's seams, and the named layers composed from them.

    sender j ──message──▶ receiver i        softmax runs over the incoming edges of each receiver

Every layer is `layer(params, graph, *, layout=None, score=, normalizer=, bias=, ...) -> graph`;
`init_layer` makes its parameters.
"""

from graphattn_jax.attention._degree_scaler import (
    DegreeScalerParams,
    degree_scaler,
    init_degree_scaler,
)
from graphattn_jax.attention._edge_modulated import EdgeModulatedParams
from graphattn_jax.attention._exphormer import ExphormerParams, exphormer, init_exphormer
from graphattn_jax.attention._gat import GATParams, gat, init_gat
from graphattn_jax.attention._gatv2 import GATv2Params, gatv2, init_gatv2
from graphattn_jax.attention._global_attention import global_attention
from graphattn_jax.attention._graph_transformer import (
    GraphTransformerParams,
    graph_transformer,
    init_graph_transformer,
)
from graphattn_jax.attention._grit import GRITParams, grit, init_grit
from graphattn_jax.attention._pipeline import (
    Attention,
    attend,
    attend_from_logits,
    combine_heads,
    project,
)
from graphattn_jax.attention._relative import (
    init_relative_bias,
    relative_bias,
    relative_buckets,
    shaw_features,
)
from graphattn_jax.attention._san import SANParams, init_san, san
from graphattn_jax.attention._scores import SCORES

__all__ = [
    "SCORES",
    "Attention",
    "DegreeScalerParams",
    "EdgeModulatedParams",
    "ExphormerParams",
    "GATParams",
    "GATv2Params",
    "GRITParams",
    "GraphTransformerParams",
    "SANParams",
    "attend",
    "attend_from_logits",
    "combine_heads",
    "degree_scaler",
    "exphormer",
    "gat",
    "gatv2",
    "global_attention",
    "graph_transformer",
    "grit",
    "init_degree_scaler",
    "init_exphormer",
    "init_gat",
    "init_gatv2",
    "init_graph_transformer",
    "init_grit",
    "init_relative_bias",
    "init_san",
    "project",
    "relative_bias",
    "relative_buckets",
    "san",
    "shaw_features",
]
