"""Which implementation computes sparse attention."""

from __future__ import annotations

import jax

from graphattn_jax.ops._edge_attention import _cpp, _reference, _triton, _xla

__all__ = ["IMPLEMENTATIONS", "MODULES", "candidates"]

MODULES = {"triton": _triton, "cpp": _cpp, "xla": _xla, "reference": _reference}

IMPLEMENTATIONS = tuple(MODULES)
"""The valid names of `implementation=`."""

_BY_PLATFORM = {"cpu": ("cpp", "xla", "reference"), "gpu": ("triton", "xla", "reference")}


def candidates() -> tuple[str, ...]:
    """In order of preference on this platform: the first that supports the arguments is taken."""
    return _BY_PLATFORM.get(jax.default_backend(), ("xla", "reference"))
