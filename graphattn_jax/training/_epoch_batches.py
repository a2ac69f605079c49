"""Batches that are made by a function of their place, one after the other."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any, Protocol

from graphattn_jax import _checks

__all__ = ["BatchSource", "EpochBatches"]


class BatchSource(Protocol):
    """What makes any batch of any epoch alone: `source(seed, epoch, index)`, with `len(source)` batches an epoch."""

    def __len__(self) -> int:
        """Batches per epoch."""
        ...

    def __call__(self, seed: int | None, epoch: int, index: int) -> Any:
        """Batch `index` of an epoch; `seed=None` = in order."""
        ...


class EpochBatches:
    """The batches of a source, epoch after epoch, as `ga.training.fit` takes them.

    With a seed the iterator has no end. In order (`seed=None`, for evaluation) `iter` begins anew and ends with the
    epoch. The position is two integers, the epoch and the index.

    Args:
      source: a sampler (`ga.sampling.Sampler`), or any function `(seed, epoch, index) -> batch` with a length.
      seed: non-negative integer; None = in order.

    Raises:
      ValueError: no source, an epoch without batches, a negative seed.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> path = ga.graphs.from_edge_list([0, 1], [1, 2], nodes=np.eye(3, dtype=np.float32))
      >>> sampler = ga.sampling.Sampler(path, ga.sampling.Neighbours((None,)), seeds=[0, 1, 2], batch_size=2)
      >>> [sample.seed_mask.tolist() for sample in ga.training.EpochBatches(sampler, seed=None)]
      [[True, True], [True, False]]
    """

    def __init__(self, source: BatchSource, seed: int | None):
        if not callable(source) or not hasattr(source, "__len__"):
            raise ValueError(
                f"source must be a function (seed, epoch, index) with a length, got {_checks.describe(source)}. "
                "Fix: ga.sampling.Sampler(...), or ga.training.ShuffledBatches for a list of batches."
            )
        if not len(source):
            raise ValueError("source must have at least one batch an epoch, got none.")
        if seed is not None and (not hasattr(seed, "__index__") or operator.index(seed) < 0):
            raise ValueError(
                f"seed must be a non-negative integer or None, got {_checks.describe(seed)}."
            )
        self._source, self._seed = source, None if seed is None else operator.index(seed)
        self._epoch = self._index = 0

    @property
    def is_endless(self) -> bool:
        """Whether it goes on with the next epoch."""
        return self._seed is not None

    def __len__(self) -> int:
        """Batches per epoch."""
        return len(self._source)

    def __iter__(self) -> Iterator[Any]:
        if self._seed is None:
            self._epoch = self._index = 0
        return self

    def __next__(self) -> Any:
        if self._index == len(self):
            if self._seed is None:
                raise StopIteration
            self._epoch, self._index = self._epoch + 1, 0
        batch = self._source(self._seed, self._epoch, self._index)
        self._index += 1
        return batch

    def state_dict(self) -> dict[str, Any]:
        """The position, with what gives it its meaning."""
        return {**self._meaning(), "epoch": self._epoch, "index": self._index}

    def _meaning(self) -> dict[str, Any]:
        return {"seed": self._seed, "num_batches": len(self)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to a saved position of an iterator with the same seed and as many batches.

        Raises:
          ValueError: they differ, so that no position is the same.
        """
        _checks.same_meaning(state, self._meaning())
        self._epoch, self._index = state["epoch"], state["index"]
