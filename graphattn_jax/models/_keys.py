"""Whether a network trains, and the keys of what is then random in it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import jax

from graphattn_jax import _checks, nn, ops
from graphattn_jax.typing import Array


class Mode:
    """Training with a key, training without one, or evaluation.

    Each place of a network has a key of its own, made when it is first used: what is not random makes none.
    """

    def __init__(self, training: bool, make_key: Callable[[], Array | None]):
        self.training = training
        self._make_key = make_key

    @classmethod
    def of(cls, training: bool, key: Array | None) -> Mode:
        """What `apply` of a network was called with."""
        if not training:
            return cls(False, lambda: None)
        if key is not None:
            _checks.typed_key("key", key)
        return cls(True, lambda: key)

    @cached_property
    def key(self) -> Array | None:
        """None in evaluation."""
        return self._make_key()

    def at(self, place: int) -> Mode:
        """The mode of one part of the network."""

        def make_key() -> Array | None:
            return None if self.key is None else jax.random.fold_in(self.key, place)

        return Mode(self.training, make_key)

    def dropout(self, x: Any, rate: float, place: int) -> Any:
        """Dropout in training."""
        how = self._dropout(rate, place)
        return x if how is None else ops.dropout(x, how.rate, how.key)

    def mlp(
        self, params: nn.MLPParams, x: Array, rate: float, place: int, activation: str = "relu"
    ) -> Array:
        """`ga.nn.mlp` with dropout in training."""
        return nn.mlp(params, x, activation=activation, dropout=self._dropout(rate, place))

    def layer(
        self, layer: nn.Layer, params: Any, graph: Any, place: int, **arrays: Any
    ) -> nn.LayerOutput:
        """A layer in this mode."""
        key = self.at(place).key
        return layer.apply(params, graph, training=self.training, key=key, **arrays)

    def _dropout(self, rate: float, place: int) -> ops.Dropout | None:
        if not self.training or rate == 0:
            return None
        return nn.training_dropout(rate, self.training, self.at(place).key)
