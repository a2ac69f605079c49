"""Networks of typed graphs: an input map by type, layers one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks, nn
from graphattn_jax._dtypes import accumulation_dtype
from graphattn_jax.models._depth import in_one_program
from graphattn_jax.models._keys import Mode
from graphattn_jax.models._network import Network, Output, check_layer
from graphattn_jax.models._typed_inputs import TypedInputParams, TypedInputs
from graphattn_jax.models._widths import Widths, nodes_of, widths_after
from graphattn_jax.typing import Array, PRNGKey

__all__ = ["TypedNetwork", "TypedNetworkParams"]


class TypedNetworkParams(NamedTuple):
    """Inputs, a tuple with those of each layer, and the output map or None."""

    inputs: TypedInputParams
    layers: tuple[Any, ...]
    output: nn.LinearParams | None


@dataclass(frozen=True, repr=False)
class TypedNetwork(Network):
    """Layers on a typed graph, for predictions of nodes.

        x = inputs(graph),    x ← σ( layer( dropout(x) ) )  for all layers but the last without an output map
        y = W_out x,  or the last x;   divided by its length with `unit_output`

    Typed layers and others mix: an ordinary layer looks at all nodes and edges alike.

    Args:
      inputs: of the types of the graph, `TypedInputs.of(graph)`.
      layers: each gets the width that the one before it gives. None, `()`, leaves the inputs: vectors of the nodes.
      width: D, of the nodes after the inputs.
      out_features: classes or targets; None = the last layer gives them.
      activation: σ; "identity" for layers that have one, such as HGT.
      dropout: on the inputs of the layers. Their own is theirs.
      unit_output: predictions of length 1, as Simple-HGN has them.

    Raises:
      ValueError: something else than layers, sizes.

    Cost: that of its layers, and N D for vectors of nodes.
    Padding: exact on real nodes.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_types(
      ...     {"author": 2, "paper": np.ones((3, 8), np.float32)},
      ...     {("author", "writes", "paper"): ([0, 1, 1], [0, 1, 2])}, reverse=True)
      >>> layer = ga.attention.HGT(heads=2, schema=ga.graphs.schema_of(graph))
      >>> inputs = ga.models.TypedInputs.of(graph)
      >>> network = ga.models.TypedNetwork(inputs, (layer, layer), width=16, out_features=3, activation="identity")
      >>> params, state = network.init(jax.random.key(0))
      >>> jax.jit(network.apply)(params, state, ga.graphs.prepare(graph)).prediction.shape
      (5, 3)

    Source: of `unit_output` Lv et al., KDD 2021, arXiv:2112.14936, section 5.3; the rest is every textbook's.
    """

    inputs: TypedInputs
    layers: tuple[nn.Layer, ...]
    width: int = 64
    out_features: int | None = None
    activation: str = "relu"
    dropout: float = 0.0
    unit_output: bool = False

    def __post_init__(self) -> None:
        _checks.switches(self)
        if not isinstance(self.inputs, TypedInputs):
            raise ValueError(
                f"inputs must be ga.models.TypedInputs, got {_checks.describe(self.inputs)}. "
                "Fix: ga.models.TypedInputs.of(graph)."
            )
        if not isinstance(self.layers, tuple):
            raise ValueError(
                f"layers must be a tuple of layers, got {_checks.describe(self.layers)}."
            )
        for index, layer in enumerate(self.layers):
            check_layer(f"layers[{index}]", layer, "ga.attention.HGT(heads=4, schema=schema)")
        _checks.positive("width", self.width)
        if self.out_features is not None:
            _checks.positive("out_features", self.out_features)
        nn.activation(self.activation)
        _checks.rate("dropout", self.dropout)

    @in_one_program
    def init(self, key: PRNGKey) -> tuple[TypedNetworkParams, None]:
        """Parameters, and no statistics; see `Network.init`."""
        k_inputs, k_output, *keys = jax.random.split(key, len(self.layers) + 2)
        widths, params = Widths(self.width, None), []
        for layer, layer_key in zip(self.layers, keys):
            params.append(layer.init(layer_key, widths.nodes))
            widths = widths_after(layer, widths)
        output = None
        if self.out_features is not None:
            output = nn.init_linear(k_output, widths.nodes, self.out_features)
        inputs = self.inputs.init(k_inputs, self.width)
        return TypedNetworkParams(inputs, tuple(params), output), None

    def apply(
        self,
        params: TypedNetworkParams,
        state: None,
        graph: Any,
        *,
        training: bool = False,
        key: Array | None = None,
    ) -> Output:
        """The network.

        Args:
          params, state: from `init`.
          graph: typed, of the schema of the inputs.
          training: whether there is dropout.
          key: typed key, required in training when a rate is positive.

        Returns:
          Predictions `[N, T]` of all nodes, and how every layer attended.

        Raises:
          ValueError: as the layers, another schema, dropout without a key.
        """
        _checks.params(params, TypedNetworkParams, self)
        mode, attention = Mode.of(training, key), []
        activation = nn.activation(self.activation)
        graph = nn.with_nodes(graph, self.inputs.apply(params.inputs, graph))
        for index, (layer, layer_params) in enumerate(zip(self.layers, params.layers, strict=True)):
            here = mode.at(index)
            graph = nn.with_nodes(graph, here.dropout(nodes_of(graph), self.dropout, 0))
            out = here.layer(layer, layer_params, graph, 1)
            graph = out.graph
            if index < len(self.layers) - 1 or params.output is not None:
                graph = nn.with_nodes(graph, activation(nodes_of(graph)))
            attention.append(out.attention)
        y = nodes_of(graph)
        if params.output is not None:
            y = nn.linear(params.output, y)
        return Output(_unit(y) if self.unit_output else y, None, tuple(attention))


def _unit(y: Array) -> Array:
    """Of length 1; its derivative at 0 is finite."""
    wide = y.astype(accumulation_dtype(y.dtype))
    square = jnp.sum(jnp.square(wide), axis=1, keepdims=True)
    return (wide * jax.lax.rsqrt(jnp.maximum(square, 1e-24))).astype(y.dtype)
