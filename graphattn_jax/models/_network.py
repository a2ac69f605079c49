"""What a network is, and what it takes and gives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

from graphattn_jax import _checks, nn
from graphattn_jax.ops import Attention
from graphattn_jax.typing import Array, PRNGKey
from graphattn_jax.values import Value

__all__ = ["Network", "Output"]


class Output(NamedTuple):
    """What a network gives.

    prediction: `[G, T]` for graphs, `[N, T]` for nodes. state: the renewed statistics, None for a network without any.
    attention: of every layer, None for one that does not attend; computed when it is read or leaves a transformation.
    """

    prediction: Array
    state: Any = None
    attention: tuple[Attention | None, ...] = ()


class Network(Value, ABC):
    """A network: a frozen value with two pure functions. Subclass it, as a frozen dataclass, for one of your own.

    Choices and sizes are its fields, its layers among them, arrays are parameters, statistics or arguments. So it can
    be hashed, compared, printed, taken to JSON and back (`ga.values`), saved with its arrays (`ga.models.save`), and
    `jax.jit(network.apply)` needs no static names.

    Example:
      >>> from dataclasses import dataclass
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> @dataclass(frozen=True, repr=False)
      ... class OneLayer(ga.models.Network):
      ...   in_features: int
      ...   layer: ga.nn.Layer
      ...   def init(self, key):
      ...     return self.layer.init(key, self.in_features), None
      ...   def apply(self, params, state, graph, *, training=False, key=None):
      ...     out = self.layer.apply(params, graph, training=training, key=key)
      ...     return ga.models.Output(ga.models.pool(out.graph), state, (out.attention,))
      >>> network = OneLayer(2, ga.attention.GATv2(heads=2))
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 0], nodes=np.eye(2, dtype=np.float32))
      >>> params, state = network.init(jax.random.key(0))
      >>> jax.jit(network.apply)(params, state, graph).prediction.shape
      (1, 2)
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        _checks.checked_calls(cls)

    @abstractmethod
    def init(self, key: PRNGKey) -> tuple[Any, Any]:
        """Parameters and running statistics, pytrees of arrays; the statistics are None where there are none.

        Args:
          key: typed PRNG key.
        """

    @abstractmethod
    def apply(
        self,
        params: Any,
        state: Any,
        graph: Any,
        *,
        training: bool = False,
        key: Array | None = None,
    ) -> Output:
        """The network.

        Args:
          params, state: from `init`, or as training left them.
          graph: a `GraphsTuple`, prepared (`ga.graphs.prepare`) or plain.
          training: whether there is dropout, and statistics are those of this batch.
          key: typed key, required in training when something is random.
        """

    def check(self, graph: Any) -> None:
        """On the host: refuse categories, buckets and types out of range, which a jitted `apply` cannot look at.

        There their rows are NaN, so that a training step fails, without a word about the reason. Once over a whole data
        set, before it is cut into batches, it costs a few comparisons per node.

        Args:
          graph: a graph or batch as `apply` takes it, with concrete arrays; padding is not looked at.

        Raises:
          ValueError: names the column, the value and its row.
        """
        _checks.parts(self, graph)


def check_arrays(network: Any, params: Any, wanted: type, state: Any, wanted_state: type) -> None:
    """Parameters and statistics of the network that they are given to."""
    _checks.params(params, wanted, network)
    if not isinstance(state, wanted_state):
        raise ValueError(
            f"state must be the {wanted_state.__name__} of {network}, got {type(state).__name__}. Fix: params, state = "
            "network.init(key), and from then on the state of each output."
        )


def check_layer(name: str, layer: Any, example: str) -> None:
    """A value of a seam."""
    if not isinstance(layer, nn.Layer):
        got = _checks.describe(layer)
        raise ValueError(f"{name} must be a layer such as {example}, got {got}.")
    try:
        hash(layer)
    except TypeError as error:
        raise ValueError(
            f"{name} must be a value that can be hashed, got {layer!r}: {error}. Fix: @dataclass(frozen=True), with "
            "tuples for lists."
        ) from error
