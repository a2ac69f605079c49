"""Which implementation computes sparse attention."""

from __future__ import annotations

from graphattn_jax.ops._edge_attention import _block_dense, _cpp, _reference, _triton, _xla
from graphattn_jax.ops._platform import on_cpu, on_recent_nvidia_gpu

__all__ = ["IMPLEMENTATIONS", "MODULES", "candidates"]

MODULES = {
    "triton": _triton,
    "cpp": _cpp,
    "xla": _xla,
    "block_dense": _block_dense,
    "reference": _reference,
}

IMPLEMENTATIONS = tuple(MODULES)
"""The valid names of `implementation=`."""


def candidates() -> tuple[str, ...]:
    """In order of preference on this platform: the first that supports the arguments is taken.

    The order is that of the sweeps over nodes, edges, degrees, heads, channels and dtypes in `experiments/benchmarks`,
    on two cores of a CPU and on an H200: "cpp" and "triton" were the fastest or within a tenth of it wherever computing
    took longer than handing out the work, so that sizes do not enter.
    """
    fused = ("cpp",) if on_cpu() else ("triton",) if on_recent_nvidia_gpu() else ()
    return (*fused, "xla", "reference")
