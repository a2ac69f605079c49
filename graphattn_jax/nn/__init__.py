"""What layers are made of: linear maps, perceptrons, embeddings, norms; and what a layer is."""

from graphattn_jax.nn._arrays import real_edges, real_nodes
from graphattn_jax.nn._embedding import EmbeddingParams, embedding, init_embedding
from graphattn_jax.nn._fusion import (
    Fused,
    Fusion,
    SemanticAttention,
    SemanticAttentionParams,
    Shares,
    check_fusion,
)
from graphattn_jax.nn._implementation import with_implementation
from graphattn_jax.nn._initializers import Initializer, initializer
from graphattn_jax.nn._layer import EdgeInputs, Layer, LayerOutput, training_dropout
from graphattn_jax.nn._linear import (
    Activation,
    LinearParams,
    MLPParams,
    activation,
    init_linear,
    init_mlp,
    linear,
    mlp,
)
from graphattn_jax.nn._norms import (
    BatchNormParams,
    BatchNormState,
    GraphNormParams,
    LayerNormParams,
    batch_norm,
    graph_layer_norm,
    graph_norm,
    init_batch_norm,
    init_graph_norm,
    init_layer_norm,
    layer_norm,
)
from graphattn_jax.nn._routing import Routing, RoutingParams, load_balance
from graphattn_jax.nn._sharing import (
    Basis,
    BasisParams,
    BlockDiagonal,
    Clusters,
    Full,
    LowRank,
    LowRankParams,
    Sharing,
)
from graphattn_jax.nn._stack import stack, unstack
from graphattn_jax.nn._token_attention import (
    TokenAttentionParams,
    TransformerFusion,
    TransformerFusionParams,
)
from graphattn_jax.nn._typed_linear import TypedLinearParams, init_typed_linear, typed_linear

__all__ = [
    "Activation",
    "Basis",
    "BasisParams",
    "BatchNormParams",
    "BatchNormState",
    "BlockDiagonal",
    "Clusters",
    "EdgeInputs",
    "EmbeddingParams",
    "Full",
    "Fused",
    "Fusion",
    "GraphNormParams",
    "Initializer",
    "Layer",
    "LayerNormParams",
    "LayerOutput",
    "LinearParams",
    "LowRank",
    "LowRankParams",
    "MLPParams",
    "Routing",
    "RoutingParams",
    "SemanticAttention",
    "SemanticAttentionParams",
    "Shares",
    "Sharing",
    "TokenAttentionParams",
    "TransformerFusion",
    "TransformerFusionParams",
    "TypedLinearParams",
    "activation",
    "batch_norm",
    "check_fusion",
    "embedding",
    "graph_layer_norm",
    "graph_norm",
    "init_batch_norm",
    "init_embedding",
    "init_graph_norm",
    "init_layer_norm",
    "init_linear",
    "init_mlp",
    "init_typed_linear",
    "initializer",
    "layer_norm",
    "linear",
    "load_balance",
    "mlp",
    "real_edges",
    "real_nodes",
    "stack",
    "training_dropout",
    "typed_linear",
    "unstack",
    "with_implementation",
]
