"""Which implementation computes sparse attention."""

from __future__ import annotations

from graphattn_jax.ops._edge_attention import _reference, _xla

__all__ = ["IMPLEMENTATIONS", "candidates"]

MODULES = {"xla": _xla, "reference": _reference}

IMPLEMENTATIONS = tuple(MODULES)
"""The valid names of `implementation=`."""


def candidates() -> tuple[str, ...]:
    """In order of preference: the first that supports the arguments is taken."""
    return ("xla", "reference")
