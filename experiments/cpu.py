"""What an experiment calls on a CPU before its first array."""

from __future__ import annotations

from contextlib import suppress

import graphattn_jax as ga


def prepare_cpu(*, one_pool: bool) -> None:
    """Keep freed memory, and have the C++ kernels where there is a compiler; without one "xla" computes attention."""
    ga.ops.keep_freed_memory(one_pool=one_pool)
    with suppress(RuntimeError):
        ga.ops.build_cpp()
