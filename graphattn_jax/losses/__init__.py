"""Losses as `(sum, count)` pairs, so that batches and devices merge exactly before one division."""

from graphattn_jax.losses._contrast import contrast
from graphattn_jax.losses._cross_entropy import (
    sigmoid_binary_cross_entropy,
    softmax_cross_entropy,
)
from graphattn_jax.losses._errors import l1_loss, l2_loss
from graphattn_jax.losses._frequency_weights import frequency_weights
from graphattn_jax.losses._negatives import margin_ranking, negative_sampling
from graphattn_jax.losses._scaled_cosine import scaled_cosine_error

__all__ = [
    "contrast",
    "frequency_weights",
    "l1_loss",
    "l2_loss",
    "margin_ranking",
    "negative_sampling",
    "scaled_cosine_error",
    "sigmoid_binary_cross_entropy",
    "softmax_cross_entropy",
]
