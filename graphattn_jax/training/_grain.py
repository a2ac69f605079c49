"""Batches through grain, for worker processes: a source that it reads, and its iterators in `fit`."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any

from graphattn_jax import _checks
from graphattn_jax.training._epoch_batches import BatchSource

__all__ = ["BatchSequence", "GrainBatches"]


class BatchSequence:
    """The batches of a source, epoch after epoch, as one sequence: what engines with random access read.

    `grain.MapDataset.source(sequence).to_iter_dataset().mp_prefetch(...)` makes them in worker processes, in this
    order. The order within an epoch and the share of a host are the source's own, so let the engine neither shuffle nor
    shard.

    Args:
      source: as `EpochBatches` takes it; it is sent to the processes, so it has to pickle, as samplers do.
      seed: non-negative integer, or None = in order.
      num_epochs: epochs in the sequence.

    Raises:
      ValueError: a number of epochs that is not a positive integer.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> path = ga.graphs.from_edge_list([0, 1], [1, 2], nodes=np.eye(3, dtype=np.float32))
      >>> sampler = ga.sampling.Sampler(path, ga.sampling.Neighbours((None,)), seeds=[0, 1, 2], batch_size=2)
      >>> sequence = ga.training.BatchSequence(sampler, seed=0, num_epochs=10)
      >>> len(sequence), sequence[19].seed_mask.tolist()
      (20, [True, False])
    """

    def __init__(self, source: BatchSource, seed: int | None, num_epochs: int):
        _checks.positive("num_epochs", num_epochs)
        self._source, self._seed, self._num_epochs = source, seed, num_epochs

    def __len__(self) -> int:
        """Batches of all epochs."""
        return self._num_epochs * len(self._source)

    def __getitem__(self, place: Any) -> Any:
        place = operator.index(place)
        if not 0 <= place < len(self):
            raise IndexError(f"batch {place} of {len(self)}")
        return self._source(self._seed, *divmod(place, len(self._source)))

    def __repr__(self) -> str:
        return f"BatchSequence({self._source!r}, seed={self._seed}, num_epochs={self._num_epochs})"


class GrainBatches:
    """A grain dataset as a `DataIterator`: `fit` saves its state and goes on from it.

    Args:
      dataset: a `grain.IterDataset` or `grain.DataLoader`, whose iterators have `get_state` and `set_state`.

    Raises:
      ValueError: something else.

    Example:
      >>> import graphattn_jax as ga
      >>> dataset = grain.MapDataset.source(sequence).to_iter_dataset()  # doctest: +SKIP
      >>> batches = ga.training.GrainBatches(dataset)  # doctest: +SKIP
    """

    def __init__(self, dataset: Any):
        self._iterator = iter(dataset)
        if not all(hasattr(self._iterator, name) for name in ("get_state", "set_state")):
            raise ValueError(
                f"dataset must be one of grain, whose iterators have a state, got {_checks.describe(dataset)}. "
                "Fix: grain.MapDataset.source(ga.training.BatchSequence(...)).to_iter_dataset()."
            )

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return next(self._iterator)

    def state_dict(self) -> dict[str, Any]:
        """The state of grain's iterator."""
        state = self._iterator.get_state()
        return {"grain": state.decode() if isinstance(state, bytes) else state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to a saved state."""
        saved = state["grain"]
        is_bytes = isinstance(self._iterator.get_state(), bytes)
        self._iterator.set_state(saved.encode() if is_bytes else saved)
