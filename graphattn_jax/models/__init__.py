"""Whole networks, made of layers: what goes in, what comes out, and pooling.

Every network is a frozen value (`Network`): `params, state = network.init(key)`, and
`network.apply(params, state, graph)` gives an `Output` of prediction, renewed statistics and attention. Any layer of
`ga.nn.Layer` fits any of them.
"""

from graphattn_jax.models._centroid_attention import CentroidAttention, CentroidParams
from graphattn_jax.models._difformer import DIFFormer, GlobalNetworkParams, NodeFormer
from graphattn_jax.models._gps import GPS, GPSParams, GPSState
from graphattn_jax.models._gps_layer import (
    GPSLayer,
    GPSLayerOutput,
    GPSLayerParams,
    GPSLayerState,
)
from graphattn_jax.models._graphormer import Graphormer, GraphormerParams
from graphattn_jax.models._grit import GRITNetwork, GRITNetworkParams, GRITNetworkState
from graphattn_jax.models._inputs import InputParams, Inputs, NodeInputs
from graphattn_jax.models._layerwise import apply_layerwise
from graphattn_jax.models._link_network import LinkGraph, LinkNetwork, LinkNetworkParams
from graphattn_jax.models._masked_features import (
    MaskedFeatures,
    MaskedFeaturesParams,
    Reconstruction,
)
from graphattn_jax.models._network import Network, Output
from graphattn_jax.models._patterns import (
    Patterned,
    PatternEdges,
    prepare_exphormer,
    prepare_san,
)
from graphattn_jax.models._plain_network import PlainNetwork, PlainNetworkParams
from graphattn_jax.models._polynormer import Polynormer, PolynormerParams
from graphattn_jax.models._pooling import AttentionPool, AttentionPoolParams, Pooled, pool
from graphattn_jax.models._prepare_graphormer import (
    GraphormerEdges,
    GraphormerNodes,
    prepare_graphormer,
)
from graphattn_jax.models._prepare_grit import GRITEdges, GRITNodes, prepare_grit
from graphattn_jax.models._readout import Readout
from graphattn_jax.models._relgt import RelGT, RelGTParams, RelGTState
from graphattn_jax.models._residual_network import ResidualNetwork, ResidualNetworkParams
from graphattn_jax.models._save import load, save
from graphattn_jax.models._sehgnn import SeHGNN, SeHGNNParams
from graphattn_jax.models._sgformer import SGFormer, SGFormerParams, SGFormerState
from graphattn_jax.models._token_inputs import TokenInputParams, TokenInputs
from graphattn_jax.models._typed_inputs import TypedInputParams, TypedInputs
from graphattn_jax.models._typed_network import TypedNetwork, TypedNetworkParams

__all__ = [
    "GPS",
    "AttentionPool",
    "AttentionPoolParams",
    "CentroidAttention",
    "CentroidParams",
    "DIFFormer",
    "GPSLayer",
    "GPSLayerOutput",
    "GPSLayerParams",
    "GPSLayerState",
    "GPSParams",
    "GPSState",
    "GRITEdges",
    "GRITNetwork",
    "GRITNetworkParams",
    "GRITNetworkState",
    "GRITNodes",
    "GlobalNetworkParams",
    "Graphormer",
    "GraphormerEdges",
    "GraphormerNodes",
    "GraphormerParams",
    "InputParams",
    "Inputs",
    "LinkGraph",
    "LinkNetwork",
    "LinkNetworkParams",
    "MaskedFeatures",
    "MaskedFeaturesParams",
    "Network",
    "NodeFormer",
    "NodeInputs",
    "Output",
    "PatternEdges",
    "Patterned",
    "PlainNetwork",
    "PlainNetworkParams",
    "Polynormer",
    "PolynormerParams",
    "Pooled",
    "Readout",
    "Reconstruction",
    "RelGT",
    "RelGTParams",
    "RelGTState",
    "ResidualNetwork",
    "ResidualNetworkParams",
    "SGFormer",
    "SGFormerParams",
    "SGFormerState",
    "SeHGNN",
    "SeHGNNParams",
    "TokenInputParams",
    "TokenInputs",
    "TypedInputParams",
    "TypedInputs",
    "TypedNetwork",
    "TypedNetworkParams",
    "apply_layerwise",
    "load",
    "pool",
    "prepare_exphormer",
    "prepare_graphormer",
    "prepare_grit",
    "prepare_san",
    "save",
]
