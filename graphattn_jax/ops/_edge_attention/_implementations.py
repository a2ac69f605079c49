"""Which implementations of sparse attention there are, and in which order they are asked."""

from __future__ import annotations

import math

from graphattn_jax.ops._edge_attention._block_dense import BlockDense
from graphattn_jax.ops._edge_attention._call import Call, EdgeImplementation
from graphattn_jax.ops._edge_attention._cpp import CPP
from graphattn_jax.ops._edge_attention._reference import Reference
from graphattn_jax.ops._edge_attention._scores import AdditiveScore, DotScore, GATv2Score
from graphattn_jax.ops._edge_attention._triton import Triton
from graphattn_jax.ops._edge_attention._xla import XLA
from graphattn_jax.ops._platform import on_cpu, on_recent_nvidia_gpu

__all__ = ["IMPLEMENTATIONS", "order"]

IMPLEMENTATIONS: dict[str, EdgeImplementation] = {
    implementation.name: implementation
    for implementation in (Triton(), CPP(), XLA(), BlockDense(), Reference())
}
"""By the valid names of `implementation=` of attention on edges."""

# Channels of all heads together from which on "cpp" is the faster of the two, forward and backward, by
# `experiments.benchmarks.crossover`: 2,700 to 50,000 nodes with 5 to 15 edges each.
_WIDE = {DotScore: 32, GATv2Score: 64, AdditiveScore: 128}


def order(call: Call) -> tuple[str, ...]:
    """In order of preference on this platform: the first that supports the call is taken.

    It is that of the sweeps over nodes, edges, degrees, heads, channels and dtypes in `experiments/benchmarks`, on two
    cores of a CPU and on an H100: "triton" was the fastest or within a tenth of it wherever computing took longer than
    handing out the work, "cpp" wherever attention was not narrow.
    """
    if on_cpu():
        return ("xla", "cpp", "reference") if _is_narrow(call) else ("cpp", "xla", "reference")
    return (*(("triton",) if on_recent_nvidia_gpu() else ()), "xla", "reference")


def _is_narrow(call: Call) -> bool:
    """Whether "xla" is up to three times faster on the CPU than "cpp": attention with few channels, but for vectors on
    the edges, which "xla" gathers.
    """
    if call.op != "attention" or math.prod(call.arrays[-1].shape[1:]) >= _WIDE.get(
        type(call.score), 0
    ):
        return False
    return isinstance(call.score, AdditiveScore) or getattr(call.score, "edge", None) is None
