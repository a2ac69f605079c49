"""What a layer is, and what it takes and gives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import wraps
from typing import Any, ClassVar, NamedTuple

from graphattn_jax import _checks
from graphattn_jax.graphs import is_shard, with_halo
from graphattn_jax.ops import Attention, Dropout
from graphattn_jax.typing import Array, ArrayLike, PRNGKey
from graphattn_jax.values import Value

__all__ = ["EdgeInputs", "Layer", "LayerOutput", "training_dropout"]


class LayerOutput(NamedTuple):
    """The graph with new features of its nodes (and of its edges, for a layer that has any), and how it attended.

    attention: `ga.ops.Attention`, computed when it is read; None for a layer that does not attend.
    """

    graph: Any
    attention: Attention | None = None


class EdgeInputs(NamedTuple):
    """What a layer may read per edge beside the features `[E, D_e]`; it stands in `graph.edges`.

    real `[E]` bool: which pairs are edges of the graph, for `ga.attention.SAN`.
    buckets `[E]` integers: for `ga.attention.RelativeBias`.
    """

    features: ArrayLike | None = None
    real: ArrayLike | None = None
    buckets: ArrayLike | None = None


class Layer(Value, ABC):
    """A layer: a frozen value with two pure functions. Subclass it, as a frozen dataclass, for a layer of your own.

    Static choices are its fields, arrays are parameters or arguments. So it can be hashed, compared, printed, taken
    to JSON and back (`ga.values`), and `jax.jit(layer.apply)` needs no static names. Any layer fits any network.

    Example:
      >>> from dataclasses import dataclass
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> @dataclass(frozen=True)
      ... class Mean(ga.nn.Layer):
      ...   features: int | None = None
      ...   def init(self, key, in_features, edge_features=None):
      ...     return ga.nn.init_linear(key, in_features, self.features or in_features)
      ...   def apply(self, params, graph, *, training=False, key=None):
      ...     mean = ga.ops.segment_mean(graph.nodes[graph.senders], graph.receivers, len(graph.nodes))
      ...     return ga.nn.LayerOutput(graph._replace(nodes=ga.nn.linear(params, mean)))
      >>> layer, graph = Mean(8), ga.graphs.from_edge_list([0, 1], [1, 0], nodes=np.eye(2, dtype=np.float32))
      >>> jax.jit(layer.apply)(layer.init(jax.random.key(0), 2), graph).graph.nodes.shape
      (2, 8)
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "apply" in vars(cls):
            cls.apply = _over_shards(cls.apply)
        _checks.checked_calls(cls)

    updates_edges: ClassVar[bool] = False
    """Whether it gives new edge features, as wide as those of the nodes, where it was made with `edge_features`."""

    @abstractmethod
    def init(self, key: PRNGKey, in_features: Any, edge_features: int | None = None) -> Any:
        """Parameters, a pytree of arrays.

        Args:
          key: typed PRNG key.
          in_features: width of the node features; (senders, receivers) where a layer takes two node sets.
          edge_features: width of the edge features of the graphs to come, None without. A layer that reads none
            ignores it.
        """

    @abstractmethod
    def apply(
        self, params: Any, graph: Any, *, training: bool = False, key: Array | None = None
    ) -> LayerOutput:
        """The layer.

        Args:
          params: from `init`.
          graph: a `GraphsTuple`, prepared (`ga.graphs.prepare`) or plain.
          training: whether there is dropout.
          key: typed key, required in training when a rate is positive.
        """

    def check(self, graph: Any) -> None:
        """On the host: refuse ids that a jitted `apply` cannot look at, as `ga.models.Network.check`.

        Args:
          graph: as `apply` takes it.

        Raises:
          ValueError: ids out of range.
        """
        _checks.parts(self, graph)


def _over_shards(apply: Callable[..., Any]) -> Callable[..., Any]:
    """On a shard of a graph, `apply` gets all senders of its edges, from other devices too."""

    @wraps(apply)
    def run(self: Layer, *arguments: Any, **options: Any) -> Any:
        graph: Any = arguments[1] if len(arguments) > 1 else options.get("graph")
        if not is_shard(graph):
            return apply(self, *arguments, **options)
        options = dict(zip(("params", "graph"), arguments)) | options
        out = apply(self, **options | {"graph": with_halo(graph)})
        new = graph._replace(nodes=out.graph.nodes.receivers, edges=out.graph.edges)
        return out._replace(graph=new)

    return run


def training_dropout(rate: float, training: bool, key: Array | None) -> Dropout | None:
    """The dropout of a layer with this rate, None in evaluation or for rate 0.

    Args:
      rate: probability in [0, 1).
      training: whether there is dropout at all.
      key: typed key, required in training when the rate is positive.

    Returns:
      `ga.ops.Dropout` or None.

    Raises:
      ValueError: training with a positive rate and no key.

    Example:
      >>> import graphattn_jax as ga
      >>> ga.nn.training_dropout(0.5, False, None) is None
      True
    """
    _checks.rate("dropout", rate)
    if not training or rate == 0:
        return None
    if key is None:
        raise ValueError(
            f"dropout={rate} needs key= in training. Fix: key=jax.random.key(seed), a new one at every step, or "
            "training=False."
        )
    _checks.typed_key("key", key)
    return Dropout(float(rate), key)
