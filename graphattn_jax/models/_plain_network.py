"""The network of the GAT paper: attention layers with ELU between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax

from graphattn_jax import _checks, nn
from graphattn_jax.attention import GAT
from graphattn_jax.models._keys import Mode
from graphattn_jax.models._network import Network, Output, check_layer
from graphattn_jax.models._widths import Widths, widths_after
from graphattn_jax.typing import Array, PRNGKey

__all__ = ["PlainNetwork", "PlainNetworkParams"]


class PlainNetworkParams(NamedTuple):
    """One entry per layer."""

    layers: tuple[Any, ...]


@dataclass(frozen=True, repr=False)
class PlainNetwork(Network):
    """Layers on top of each other, for nodes.

        x ← σ( layer( dropout(x) ) )  for all layers but the last,    y = layer( dropout(x) )

    Each layer gets the width that the layer before it gives; a layer with new edge features hands them on.

    Args:
      in_features: D, width of the node features.
      layers: at least one; the width of the last is that of the predictions.
      activation: σ; see `ga.nn.activation`.
      dropout: on the inputs of the layers. Their own is theirs.
      edge_features: D_e, width of the edge features, None without.

    Raises:
      ValueError: no layers, something else than layers, sizes that are not positive integers.

    Cost: that of its layers.
    Padding: exact on real nodes.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 0], nodes=np.eye(2, 4, dtype=np.float32))
      >>> layers = (ga.attention.GATv2(channels=8, heads=4), ga.message_passing.GCN(3))
      >>> network = ga.models.PlainNetwork(4, layers, dropout=0.5)
      >>> params, state = network.init(jax.random.key(0))
      >>> out = network.apply(params, state, ga.graphs.prepare(graph))
      >>> out.prediction.shape, out.attention[0].weights.shape
      ((2, 3), (2, 4))

    Source: see `PlainNetwork.gat`.
    """

    in_features: int
    layers: tuple[nn.Layer, ...]
    activation: str | nn.Activation = "elu"
    dropout: float = 0.0
    edge_features: int | None = None

    def __post_init__(self) -> None:
        _checks.positive("in_features", self.in_features)
        if not isinstance(self.layers, tuple) or not self.layers:
            raise ValueError(
                f"layers must be a tuple of at least one layer, got {_checks.describe(self.layers)}."
            )
        for index, layer in enumerate(self.layers):
            check_layer(f"layers[{index}]", layer, "ga.attention.GAT(channels=8, heads=8)")
        nn.activation(self.activation)
        _checks.rate("dropout", self.dropout)
        if self.edge_features is not None:
            _checks.positive("edge_features", self.edge_features)

    @classmethod
    def gat(
        cls,
        in_features: int,
        out_features: int,
        *,
        channels: int = 8,
        heads: int = 8,
        num_layers: int = 2,
        dropout: float = 0.6,
    ) -> PlainNetwork:
        """The paper's network for Cora and Citeseer: `ga.attention.GAT` layers.

        Add self-loops to the graph first (`ga.graphs.add_self_loops`). The paper trains with L2 of 5e-4 and Adam at
        5e-3.

        Args:
          in_features: D.
          out_features: classes or targets per node, the channels of the one head of the last layer.
          channels: C per head of the layers before it.
          heads: H of the layers before it.
          num_layers: layers in all.
          dropout: on the inputs of layers and on attention weights.

        Returns:
          `PlainNetwork`.

        Example:
          >>> import graphattn_jax as ga
          >>> ga.models.PlainNetwork.gat(1433, 7).layers[-1]
          GAT(channels=7, dropout=0.6)

        Source: Veličković et al., "Graph Attention Networks", ICLR 2018, arXiv:1710.10903, section 3.3.
        """
        _checks.positive("num_layers", num_layers)
        hidden = GAT(channels, heads, dropout=dropout)
        layers = (hidden,) * (num_layers - 1) + (GAT(out_features, dropout=dropout),)
        return cls(in_features, layers, dropout=dropout)

    def init(self, key: PRNGKey) -> tuple[PlainNetworkParams, None]:
        """Parameters, and no statistics; see `Network.init`."""
        widths, params = Widths(self.in_features, self.edge_features), []
        for layer, layer_key in zip(self.layers, jax.random.split(key, len(self.layers))):
            params.append(layer.init(layer_key, widths.nodes, edge_features=widths.edges))
            if len(params) < len(self.layers):
                widths = widths_after(layer, widths)
        return PlainNetworkParams(tuple(params)), None

    def apply(
        self,
        params: PlainNetworkParams,
        state: None,
        graph: Any,
        *,
        training: bool = False,
        key: Array | None = None,
    ) -> Output:
        """The network.

        Args:
          params, state: from `init`.
          graph: nodes `[N, D]`, an array or (if the first layer takes them) `SparseFeatures`; edges as the layers read
            them.
          training: whether there is dropout.
          key: typed key, required in training when a rate is positive.

        Returns:
          Predictions `[N, T]`, and how every layer attended.

        Raises:
          ValueError: as the layers, dropout without a key.
        """
        _checks.params(params, PlainNetworkParams, self)
        mode, attention = Mode.of(training, key), []
        activation = nn.activation(self.activation)
        for index, (layer, layer_params) in enumerate(zip(self.layers, params.layers, strict=True)):
            here = mode.at(index)
            graph = graph._replace(nodes=here.dropout(graph.nodes, self.dropout, 0))
            out = here.layer(layer, layer_params, graph, 1)
            graph = out.graph
            if index < len(self.layers) - 1:
                graph = graph._replace(nodes=activation(graph.nodes))
            attention.append(out.attention)
        return Output(graph.nodes, None, tuple(attention))
