"""Whole networks, pooling, losses and metrics."""

from graphattn_jax.models._attention_spec import AttentionSpec
from graphattn_jax.models._average_precision import average_precision
from graphattn_jax.models._gps import (
    GPSParams,
    GPSState,
    gps_network,
    init_gps_network,
)
from graphattn_jax.models._gps_layer import (
    GPSConfig,
    GPSLayerParams,
    GPSLayerState,
    gps_layer,
    init_gps_layer,
)
from graphattn_jax.models._graphormer import (
    GraphormerConfig,
    GraphormerParams,
    graphormer_network,
    init_graphormer_network,
    prepare_graphormer,
)
from graphattn_jax.models._grit import (
    GRITConfig,
    GRITNetworkParams,
    GRITNetworkState,
    grit_network,
    init_grit_network,
    prepare_grit,
)
from graphattn_jax.models._inputs import InputParams, InputSpec, encode_inputs, init_inputs
from graphattn_jax.models._losses import (
    l1_loss,
    l2_loss,
    sigmoid_binary_cross_entropy,
    softmax_cross_entropy,
)
from graphattn_jax.models._metrics import (
    accuracy,
    mean_absolute_error,
    mean_from_sums,
    roc_auc,
    squared_error,
)
from graphattn_jax.models._multitask import mean_over_tasks
from graphattn_jax.models._patterns import prepare_exphormer, prepare_san
from graphattn_jax.models._plain_network import (
    PlainNetworkParams,
    init_plain_network,
    plain_network,
)
from graphattn_jax.models._pooling import (
    AttentionPoolParams,
    attention_pool,
    init_attention_pool,
    pool,
)
from graphattn_jax.models._readout import init_readout, readout
from graphattn_jax.models._residual_network import (
    ResidualNetworkParams,
    init_residual_network,
    residual_network,
)

__all__ = [
    "AttentionPoolParams",
    "AttentionSpec",
    "GPSConfig",
    "GPSLayerParams",
    "GPSLayerState",
    "GPSParams",
    "GPSState",
    "GRITConfig",
    "GRITNetworkParams",
    "GRITNetworkState",
    "GraphormerConfig",
    "GraphormerParams",
    "InputParams",
    "InputSpec",
    "PlainNetworkParams",
    "ResidualNetworkParams",
    "accuracy",
    "attention_pool",
    "average_precision",
    "encode_inputs",
    "gps_layer",
    "gps_network",
    "graphormer_network",
    "grit_network",
    "init_attention_pool",
    "init_gps_layer",
    "init_gps_network",
    "init_graphormer_network",
    "init_grit_network",
    "init_inputs",
    "init_plain_network",
    "init_readout",
    "init_residual_network",
    "l1_loss",
    "l2_loss",
    "mean_absolute_error",
    "mean_from_sums",
    "mean_over_tasks",
    "plain_network",
    "pool",
    "prepare_exphormer",
    "prepare_graphormer",
    "prepare_grit",
    "prepare_san",
    "readout",
    "residual_network",
    "roc_auc",
    "sigmoid_binary_cross_entropy",
    "softmax_cross_entropy",
    "squared_error",
]
