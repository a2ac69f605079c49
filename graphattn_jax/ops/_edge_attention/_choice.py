"""Which implementation computes sparse attention."""

from __future__ import annotations

import math

from graphattn_jax.ops._edge_attention import _block_dense, _cpp, _reference, _triton, _xla
from graphattn_jax.ops._edge_attention._scores import AdditiveScore, DotScore, GATv2Score, Score
from graphattn_jax.ops._platform import on_cpu, on_recent_nvidia_gpu
from graphattn_jax.typing import ArrayLike

__all__ = ["IMPLEMENTATIONS", "MODULES", "candidates", "is_narrow"]

MODULES = {
    "triton": _triton,
    "cpp": _cpp,
    "xla": _xla,
    "block_dense": _block_dense,
    "reference": _reference,
}

IMPLEMENTATIONS = tuple(MODULES)
"""The valid names of `implementation=`."""


# Channels of all heads together from which on "cpp" is the faster of the two, forward and backward, by
# `experiments.benchmarks.crossover`: 2,700 to 50,000 nodes with 5 to 15 edges each.
_WIDE = {DotScore: 32, GATv2Score: 64, AdditiveScore: 128}


def candidates(score: Score | None = None, value: ArrayLike | None = None) -> tuple[str, ...]:
    """In order of preference on this platform, of attention with this score and value if those are given: the first
    that supports the arguments is taken.

    The order is that of the sweeps over nodes, edges, degrees, heads, channels and dtypes in `experiments/benchmarks`,
    on two cores of a CPU and on an H200: "triton" was the fastest or within a tenth of it wherever computing took
    longer than handing out the work, "cpp" wherever attention was not narrow.
    """
    fused = ("cpp",) if on_cpu() else ("triton",) if on_recent_nvidia_gpu() else ()
    if value is not None and is_narrow(score, value):
        return ("xla", *fused, "reference")
    return (*fused, "xla", "reference")


def is_narrow(score: Score | None, value: ArrayLike) -> bool:
    """Whether attention on the CPU takes "xla" first, up to three times faster than "cpp" with few channels."""
    score = DotScore() if score is None else score
    if not on_cpu() or math.prod(value.shape[1:]) >= _WIDE.get(type(score), 0):
        return False
    # "xla" has no vectors on edges
    return isinstance(score, AdditiveScore) or getattr(score, "edge", None) is None
