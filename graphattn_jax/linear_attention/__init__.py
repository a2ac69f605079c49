"""Attention of all nodes of a graph in linear time: weights are products of features, so no pair is ever formed.

Every layer is a value of `ga.nn.Layer`: `layer.init(key, in_features)` makes its parameters, and
`layer.apply(params, graph)` gives the new graph. Sums run over the real nodes of each graph of a batch. Norms,
dropout and residual connections around a layer belong to the network.
"""

from graphattn_jax.linear_attention._cluster_attention import (
    ClusterAttention,
    ClusterAttentionParams,
)
from graphattn_jax.linear_attention._difformer import DIFFormerAttention
from graphattn_jax.linear_attention._diffusion_energy import diffusion_energy
from graphattn_jax.linear_attention._layer import LinearAttentionLayer, QueryKeyValue
from graphattn_jax.linear_attention._nodeformer import (
    NodeFormerAttention,
    NodeFormerAttentionParams,
    edge_regularization,
)
from graphattn_jax.linear_attention._performer import Performer, PerformerParams
from graphattn_jax.linear_attention._polynormer import (
    PolynormerAttention,
    PolynormerAttentionParams,
)
from graphattn_jax.linear_attention._random_features import orthogonal_projection
from graphattn_jax.linear_attention._sgformer import SGFormerAttention

__all__ = [
    "ClusterAttention",
    "ClusterAttentionParams",
    "DIFFormerAttention",
    "LinearAttentionLayer",
    "NodeFormerAttention",
    "NodeFormerAttentionParams",
    "Performer",
    "PerformerParams",
    "PolynormerAttention",
    "PolynormerAttentionParams",
    "QueryKeyValue",
    "SGFormerAttention",
    "diffusion_energy",
    "edge_regularization",
    "orthogonal_projection",
]
