"""Attention layers on graphs: the pipeline's seams, and the named layers composed from them.

    sender j ──message──▶ receiver i        softmax runs over the incoming edges of each receiver

Every layer is a frozen value, `layer = GATv2(channels=8, heads=4, score=..., normalizer=...)`, with two pure functions:
`params = layer.init(key, in_features)` and `layer.apply(params, graph)`, which gives the graph and how it attended.
"""

from graphattn_jax.attention._degree_scaler import DegreeScaler, DegreeScalerParams
from graphattn_jax.attention._edge_modulated import EdgeModulatedParams
from graphattn_jax.attention._exphormer import Exphormer, ExphormerParams
from graphattn_jax.attention._gat import GAT, GATParams
from graphattn_jax.attention._gated_edges import GatedEdges, GatedEdgesParams
from graphattn_jax.attention._gatv2 import GATv2, GATv2Params
from graphattn_jax.attention._global_attention import GlobalAttention
from graphattn_jax.attention._graph_transformer import GraphTransformer, GraphTransformerParams
from graphattn_jax.attention._grit import GRIT, GRITParams
from graphattn_jax.attention._han import HAN, HANParams
from graphattn_jax.attention._hgt import HGT, HGTParams
from graphattn_jax.attention._pipeline import AttentionLayer, combine_heads, project
from graphattn_jax.attention._relative import (
    RelativeBias,
    RelativeBiasParams,
    relative_bias,
    relative_buckets,
    shaw_features,
)
from graphattn_jax.attention._rgat import RGAT, RGATParams
from graphattn_jax.attention._san import SAN, SANParams
from graphattn_jax.attention._scores import (
    Cosine,
    Pairwise,
    Score,
    Shared,
    Standard,
    Symmetrized,
)
from graphattn_jax.attention._simple_hgn import SimpleHGN, SimpleHGNParams
from graphattn_jax.attention._top_k_attention import TopKAttention, TopKAttentionParams

__all__ = [
    "GAT",
    "GRIT",
    "HAN",
    "HGT",
    "RGAT",
    "SAN",
    "AttentionLayer",
    "Cosine",
    "DegreeScaler",
    "DegreeScalerParams",
    "EdgeModulatedParams",
    "Exphormer",
    "ExphormerParams",
    "GATParams",
    "GATv2",
    "GATv2Params",
    "GRITParams",
    "GatedEdges",
    "GatedEdgesParams",
    "GlobalAttention",
    "GraphTransformer",
    "GraphTransformerParams",
    "HANParams",
    "HGTParams",
    "Pairwise",
    "RGATParams",
    "RelativeBias",
    "RelativeBiasParams",
    "SANParams",
    "Score",
    "Shared",
    "SimpleHGN",
    "SimpleHGNParams",
    "Standard",
    "Symmetrized",
    "TopKAttention",
    "TopKAttentionParams",
    "combine_heads",
    "project",
    "relative_bias",
    "relative_buckets",
    "shaw_features",
]
