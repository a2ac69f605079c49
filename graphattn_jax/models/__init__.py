"""Whole networks, losses and metrics."""

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

__all__ = [
    "accuracy",
    "l1_loss",
    "l2_loss",
    "mean_absolute_error",
    "mean_from_sums",
    "roc_auc",
    "sigmoid_binary_cross_entropy",
    "softmax_cross_entropy",
    "squared_error",
]
