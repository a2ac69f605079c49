"""Which implementation computes sparse attention."""

from __future__ import annotations

from graphattn_jax.ops._edge_attention import _block_dense, _reference, _triton, _xla
from graphattn_jax.ops._pallas import on_recent_nvidia_gpu

__all__ = ["IMPLEMENTATIONS", "candidates"]

MODULES = {"triton": _triton, "xla": _xla, "block_dense": _block_dense, "reference": _reference}

IMPLEMENTATIONS = tuple(MODULES)
"""The valid names of `implementation=`."""


def candidates() -> tuple[str, ...]:
    """In order of preference: the first that supports the arguments is taken."""
    return ("triton", "xla", "reference") if on_recent_nvidia_gpu() else ("xla", "reference")
