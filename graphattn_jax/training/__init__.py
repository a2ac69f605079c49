"""Training: steps, the loop, early stopping, optimisers, checkpoints and logging."""

from graphattn_jax.training._batches import DataIterator, Repeat, ShuffledBatches
from graphattn_jax.training._checkpoint import Checkpointer, load_params, save_params
from graphattn_jax.training._devices import device_mesh, stack_batches
from graphattn_jax.training._early_stopping import EarlyStopping, Patience
from graphattn_jax.training._epoch_batches import BatchSource, EpochBatches
from graphattn_jax.training._evaluation import evaluate, make_eval_step
from graphattn_jax.training._grain import BatchSequence, GrainBatches
from graphattn_jax.training._graph_batches import GraphBatches, batch_budgets
from graphattn_jax.training._logging import JsonlLogger, Logger, environment, progress_bar
from graphattn_jax.training._loop import FitResult, fit
from graphattn_jax.training._optimizers import make_optimizer
from graphattn_jax.training._prefetch import Prefetched, prefetch
from graphattn_jax.training._progress import restore_params
from graphattn_jax.training._steps import (
    LossScale,
    TrainState,
    init_train_state,
    make_train_step,
)

__all__ = [
    "BatchSequence",
    "BatchSource",
    "Checkpointer",
    "DataIterator",
    "EarlyStopping",
    "EpochBatches",
    "FitResult",
    "GrainBatches",
    "GraphBatches",
    "JsonlLogger",
    "Logger",
    "LossScale",
    "Patience",
    "Prefetched",
    "Repeat",
    "ShuffledBatches",
    "TrainState",
    "batch_budgets",
    "device_mesh",
    "environment",
    "evaluate",
    "fit",
    "init_train_state",
    "load_params",
    "make_eval_step",
    "make_optimizer",
    "make_train_step",
    "prefetch",
    "progress_bar",
    "restore_params",
    "save_params",
    "stack_batches",
]
