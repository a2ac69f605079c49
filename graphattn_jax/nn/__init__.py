"""Linear maps, multilayer perceptrons, embeddings and norms: parameters and arrays, no graphs."""

from graphattn_jax.nn._embedding import EmbeddingParams, embedding, init_embedding
from graphattn_jax.nn._initializers import Initializer, initializer
from graphattn_jax.nn._linear import (
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
from graphattn_jax.nn._stack import stack, unstack
from graphattn_jax.ops import dropout

__all__ = [
    "BatchNormParams",
    "BatchNormState",
    "EmbeddingParams",
    "GraphNormParams",
    "Initializer",
    "LayerNormParams",
    "LinearParams",
    "MLPParams",
    "activation",
    "batch_norm",
    "dropout",
    "embedding",
    "graph_layer_norm",
    "graph_norm",
    "init_batch_norm",
    "init_embedding",
    "init_graph_norm",
    "init_layer_norm",
    "init_linear",
    "init_mlp",
    "initializer",
    "layer_norm",
    "linear",
    "mlp",
    "stack",
    "unstack",
]
