"""Batches made and sent to the device in the background, while the device computes."""

from __future__ import annotations

import queue
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Any

import jax

from graphattn_jax import _checks
from graphattn_jax.training._batches import DataIterator

__all__ = ["Prefetched", "prefetch"]

_POLL = 0.1  # seconds until a thread that waits looks whether it is still wanted


class Prefetched:
    """An iterator over batches that stand ready on the device; made by `prefetch`."""

    def __init__(self, batches: DataIterator, size: int, device: Any):
        self._batches, self._size, self._device = batches, size, device
        self._position = batches.state_dict()
        self._stop: weakref.finalize | None = None
        self._waited, self._since = 0.0, time.perf_counter()

    @property
    def is_endless(self) -> bool:
        """Whether the batches have no end."""
        return bool(getattr(self._batches, "is_endless", False))

    def __len__(self) -> int:
        """Batches per epoch."""
        return len(self._batches)  # pyright: ignore[reportArgumentType]

    def __iter__(self) -> Iterator[Any]:
        if not self.is_endless:
            self.close()
            iter(self._batches)
            self._position = self._batches.state_dict()
        return self

    def _start(self) -> None:
        # What an earlier thread had made ahead is made again.
        self._batches.load_state_dict(self._position)
        self._ready: queue.Queue[tuple[str, Any, Any]] = queue.Queue(self._size)
        wanted = threading.Event()
        wanted.set()
        self._thread = threading.Thread(
            target=_fill,
            args=(self._batches, self._device, self._ready, wanted),
            name="prefetch",
            daemon=True,
        )
        self._stop = weakref.finalize(self, wanted.clear)
        self._thread.start()

    def __next__(self) -> Any:
        if self._stop is None:
            self._start()
        begin = time.perf_counter()
        kind, result, position = self._take()
        self._waited += time.perf_counter() - begin
        if kind == "batch":
            self._position = position
            return result
        self.close()
        if kind == "end":
            raise StopIteration
        raise result

    def _take(self) -> tuple[str, Any, Any]:
        while True:
            alive = self._thread.is_alive()
            try:
                return self._ready.get(timeout=_POLL)
            except queue.Empty:
                if not alive:
                    self.close()
                    raise RuntimeError("the thread that makes batches is gone.") from None

    def metrics(self) -> dict[str, float]:
        """`waiting`: the share of the time since the last call in which the next batch was not ready."""
        now = time.perf_counter()
        share = self._waited / max(now - self._since, 1e-9)
        self._waited, self._since = 0.0, now
        return {"waiting": share}

    def state_dict(self) -> dict[str, Any]:
        """The position behind the last batch that was taken, whatever is ready beyond it."""
        return self._position

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to a saved position; what stands ready is given up."""
        self.close()
        self._batches.load_state_dict(state)
        self._position = state

    def close(self) -> None:
        """End the thread; the next batch starts another. It also ends when nobody holds the iterator any more."""
        if self._stop is not None:
            self._stop()
            self._stop = None
            self._thread.join()

    def __enter__(self) -> Prefetched:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def _fill(
    batches: DataIterator, device: Any, ready: queue.Queue[Any], wanted: threading.Event
) -> None:
    """What the thread does; it holds nothing of the iterator, so that one that is dropped can end it."""
    while wanted.is_set():
        try:
            batch = next(batches)
            item = ("batch", jax.device_put(batch, device), batches.state_dict())
        except StopIteration:
            item = ("end", None, None)
        except BaseException as error:
            item = ("error", error, None)
        while wanted.is_set():
            try:
                ready.put(item, timeout=_POLL)
                break
            except queue.Full:
                pass
        if item[0] != "batch":
            return


def prefetch(batches: DataIterator, size: int = 2, *, device: Any = None) -> Prefetched:
    """Make batches ahead in a thread, and send them to the device, so that the device need not wait for them.

    It is a `DataIterator` like the one inside, with the same batches in the same order: a saved position is the one
    behind the last batch taken, and a run goes on from it bit for bit. An error in the thread is raised where the batch
    is taken.

    Args:
      batches: a `DataIterator`, such as `EpochBatches`, `GraphBatches` or `ShuffledBatches`; the thread's alone from
        now on.
      size: batches that stand ready.
      device: as `jax.device_put` takes it, also a sharding; None = the default device.

    Returns:
      An iterator with `close()`, also a context manager; without either its thread ends with the iterator. `fit` adds
      its `metrics()` to every record: `waiting`, the share of the time that the loop waited for a batch.

    Raises:
      ValueError: something without a position, a size that is not a positive integer.

    Cost: one thread, and at most `size + 2` batches in memory.

    Example:
      >>> import graphattn_jax as ga
      >>> with ga.training.prefetch(ga.training.ShuffledBatches([1.0, 2.0, 3.0], seed=0)) as batches:
      ...     sorted(float(next(batches)) for _ in range(3))
      [1.0, 2.0, 3.0]
    """
    if not isinstance(batches, DataIterator):
        raise ValueError(
            f"batches must be a DataIterator, whose position can be saved, got {_checks.describe(batches)}. "
            "Fix: ga.training.EpochBatches(sampler, seed), or ShuffledBatches(list_of_batches, seed)."
        )
    _checks.positive("size", size)
    return Prefetched(batches, size, device)
