"""Threads over pieces of linear algebra, each of which stays in its own."""

from __future__ import annotations

import importlib.util
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


@contextmanager
def thread_pool(threads: int | None = None) -> Iterator[Executor]:
    """A pool, None = one thread per core. Numpy and SciPy release the interpreter's lock where they compute.

    Where threadpoolctl is installed BLAS gets one thread meanwhile: its own would compete with ours for the cores.
    """
    limit = nullcontext()
    if importlib.util.find_spec("threadpoolctl") is not None:
        import threadpoolctl

        limit = threadpoolctl.threadpool_limits(1, user_api="blas")
    with limit, ThreadPoolExecutor(threads or os.cpu_count() or 1) as pool:
        yield pool


def map_ahead(
    pool: Executor, function: Callable[[T], R], items: Iterable[T]
) -> Iterator[tuple[T, R]]:
    """Each item with its result, in order; a few are computed ahead, so that few are held in memory."""
    waiting: deque[tuple[T, Future[R]]] = deque()
    for item in items:
        waiting.append((item, pool.submit(function, item)))
        if len(waiting) > 2 * (os.cpu_count() or 1):
            first, future = waiting.popleft()
            yield first, future.result()
    for item, future in waiting:
        yield item, future.result()
