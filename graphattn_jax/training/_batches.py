"""Endless streams of batches whose position can be saved and restored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import jax
import numpy as np

from graphattn_jax import _checks


@runtime_checkable
class DataIterator(Protocol):
    """An iterator over batches with a position that a checkpoint can hold.

    `state_dict` returns what JSON can hold, taken between two batches; `load_state_dict` on an
    iterator built with the same arguments continues with the very next batch. One that never ends
    has `is_endless = True`, and one that knows epochs has their number of batches as its length.
    """

    def __iter__(self) -> DataIterator: ...
    def __next__(self) -> Any: ...

    def state_dict(self) -> dict[str, Any]:
        """The position, as JSON can hold it."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to a position that `state_dict` gave."""
        ...


class Repeat:
    """The same batch at every step: full-graph training. Its arrays go to the device once.

    Args:
      batch: any pytree of arrays.

    Example:
      >>> import graphattn_jax as ga, numpy as np
      >>> batches = ga.training.Repeat({"x": np.ones(2)})
      >>> next(batches)["x"] is next(batches)["x"]
      True
    """

    is_endless = True

    def __init__(self, batch: Any):
        self._batch = jax.device_put(batch)

    def __iter__(self) -> Repeat:
        return self

    def __len__(self) -> int:
        """Every step is an epoch."""
        return 1

    def __next__(self) -> Any:
        return self._batch

    def state_dict(self) -> dict[str, Any]:
        """Nothing to remember."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to restore."""


class ShuffledBatches:
    """Batches in a new random order each epoch, without end.

    The order of an epoch depends on `seed` and the epoch's number alone, so that a saved
    position is two integers.

    Args:
      batches: at least one batch, e.g. padded batches of graphs; kept as they are.
      seed: non-negative integer.

    Raises:
      ValueError: no batches, or a negative seed.

    Example:
      >>> import graphattn_jax as ga
      >>> batches = ga.training.ShuffledBatches(["a", "b", "c"], seed=0)
      >>> epochs = [[next(batches) for _ in range(3)] for _ in range(2)]
      >>> [sorted(epoch) for epoch in epochs]
      [['a', 'b', 'c'], ['a', 'b', 'c']]
    """

    is_endless = True

    def __init__(self, batches: Sequence[Any], seed: int):
        if not isinstance(batches, Sequence):
            raise ValueError(
                f"batches must be a list of batches, got {_checks.describe(batches)}. Fix: list(batches)."
            )
        if not len(batches):
            raise ValueError("batches must hold at least one batch, got none.")
        if not isinstance(seed, (int, np.integer)) or seed < 0:
            raise ValueError(f"seed must be a non-negative integer, got {_checks.describe(seed)}.")
        self._batches = batches
        self._seed = int(seed)
        self._start(epoch=0, position=0)

    def _start(self, epoch: int, position: int) -> None:
        self._epoch, self._position = epoch, position
        self._order = np.random.default_rng([self._seed, epoch]).permutation(len(self))

    def __iter__(self) -> ShuffledBatches:
        return self

    def __len__(self) -> int:
        """Batches per epoch."""
        return len(self._batches)

    def __next__(self) -> Any:
        if self._position == len(self):
            self._start(self._epoch + 1, position=0)
        batch = self._batches[self._order[self._position]]
        self._position += 1
        return batch

    def state_dict(self) -> dict[str, Any]:
        """The position, with the arguments that give it its meaning."""
        return {
            "seed": self._seed,
            "num_batches": len(self),
            "epoch": self._epoch,
            "position": self._position,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to a saved position of an iterator with the same seed and number of batches.

        Raises:
          ValueError: the seed or the number of batches differ, so that no position is the same.
        """
        _checks.same_meaning(state, {"seed": self._seed, "num_batches": len(self)})
        self._start(state["epoch"], state["position"])
