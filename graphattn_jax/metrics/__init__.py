"""Metrics: means over rows as `(sum, count)` pairs that merge exactly, and what needs all rows together."""

from graphattn_jax.metrics._accuracy import accuracy, balanced_accuracy
from graphattn_jax.metrics._average_precision import average_precision
from graphattn_jax.metrics._errors import mean_absolute_error, squared_error
from graphattn_jax.metrics._mean_from_sums import mean_from_sums
from graphattn_jax.metrics._mean_over_tasks import mean_over_tasks
from graphattn_jax.metrics._ranking import hits_at, ranks, reciprocal_rank
from graphattn_jax.metrics._roc_auc import roc_auc

__all__ = [
    "accuracy",
    "average_precision",
    "balanced_accuracy",
    "hits_at",
    "mean_absolute_error",
    "mean_from_sums",
    "mean_over_tasks",
    "ranks",
    "reciprocal_rank",
    "roc_auc",
    "squared_error",
]
