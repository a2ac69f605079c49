"""Memory that stays with the process: large arrays on the CPU without page faults."""

from __future__ import annotations

import ctypes

__all__ = ["keep_freed_memory"]

# Parameters of glibc's mallopt (malloc.h).
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_LARGEST = 2**31 - 1


def keep_freed_memory(*, one_pool: bool = True) -> bool:
    """Let the C library keep freed memory for the next arrays, instead of giving it back to the system.

    On the CPU every result of a jitted function is a new buffer. glibc asks the system for large ones and returns them
    at once, so that each step pays a page fault per 4 kB it writes. After this call freed buffers stay with the
    process and are used again, after some ten steps without any fault. Its memory stays at the highest mark, which is
    somewhat higher than before.

    Call it once, before the first JAX computation: threads that have allocated before keep their own pools. The
    environment variables `MALLOC_MMAP_THRESHOLD_=2147483647`, `MALLOC_TRIM_THRESHOLD_=2147483647` and, for one pool,
    `MALLOC_ARENA_MAX=1` do the same for any program.

    Args:
      one_pool: whether all threads share one pool. True for large graphs: a pool of a thread holds arrays of up to
        64 MB, and what is larger is mapped anew. False for batches of small graphs, where a step is many small
        operations and the search in one large pool takes longer than the faults: a step of GraphGPS on molecules took
        28 ms instead of 39, one of a graph transformer on WordNet 1,080 instead of 865.

    Returns:
      Whether it took effect: True with glibc (most of Linux), False elsewhere. Accelerators are not affected.

    Cost: none.

    Example:
      >>> import graphattn_jax as ga
      >>> ga.ops.keep_freed_memory() in (True, False)
      True
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = [(_MMAP_THRESHOLD, _LARGEST), (_TRIM_THRESHOLD, _LARGEST)]
    settings += [(_ARENA_MAX, 1)] if one_pool else []
    return all([mallopt(parameter, value) == 1 for parameter, value in settings])
