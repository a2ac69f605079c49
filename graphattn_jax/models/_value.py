"""How the values of this package print."""

from __future__ import annotations

from graphattn_jax.nn._layer import short_repr


class Value:
    """A frozen dataclass that prints as the call that makes it."""

    def __repr__(self) -> str:
        return short_repr(self)
