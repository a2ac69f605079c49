"""What layers are made of: linear maps, perceptrons, embeddings, norms; and what a layer is."""

from graphattn_jax.nn._embedding import EmbeddingParams, embedding, init_embedding
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
from graphattn_jax.nn._stack import stack, unstack

__all__ = [
    "Activation",
    "BatchNormParams",
    "BatchNormState",
    "EdgeInputs",
    "EmbeddingParams",
    "GraphNormParams",
    "Initializer",
    "Layer",
    "LayerNormParams",
    "LayerOutput",
    "LinearParams",
    "MLPParams",
    "activation",
    "batch_norm",
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
    "training_dropout",
    "unstack",
]
