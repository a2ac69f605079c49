"""One layer of GraphGPS, Exphormer and SAN: message passing and attention side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax

from graphattn_jax import _checks, nn
from graphattn_jax.attention import GlobalAttention
from graphattn_jax.message_passing import GINE
from graphattn_jax.models._keys import Mode
from graphattn_jax.models._network import check_arrays, check_layer
from graphattn_jax.models._norm import NORMS, NormParams, NormState, init_norm, norm, real_rows
from graphattn_jax.models._patterns import Patterned
from graphattn_jax.models._widths import Widths, check_width, edges_of
from graphattn_jax.ops import Attention
from graphattn_jax.typing import Array, PRNGKey
from graphattn_jax.values import Value

__all__ = ["GPSLayer", "GPSLayerOutput", "GPSLayerParams", "GPSLayerState"]


class GPSLayerParams(NamedTuple):
    """Of one layer. local, attention and their norms are None where the layer has none; inner_norm and edge_norm are of
    a local layer that has an edge stream of its own.
    """

    local: Any
    local_norm: NormParams | None
    inner_norm: NormParams | None
    edge_norm: NormParams | None
    attention: Any
    attention_norm: NormParams | None
    feed_forward: nn.MLPParams
    output_norm: NormParams


class GPSLayerState(NamedTuple):
    """Running statistics of the norms of one layer; None for layer norms and absent parts."""

    local_norm: NormState
    inner_norm: NormState
    edge_norm: NormState
    attention_norm: NormState
    output_norm: NormState


class GPSLayerOutput(NamedTuple):
    """The graph with new nodes (and edges, if the local layer has new ones), the renewed statistics, and how it
    attended: the attention, or the local layer where there is none.
    """

    graph: Any
    state: GPSLayerState
    attention: Attention | None


@dataclass(frozen=True, repr=False)
class GPSLayer(Value):
    """Message passing and attention of the same input, summed, then a feed-forward map.

        h_loc = norm( x + drop( local(x, e) ) ),    h_att = norm( x + drop( attention(x) ) )
        h     = h_loc + h_att,                      x'    = norm( h + drop( W₂ drop( ReLU( W₁ h ) ) ) )

    A local layer with new edge features (`updates_edges`), GatedGCN, brings residual connections of its own:
    x + drop(ReLU(norm(x'))) in the place of x + drop(x'), and the same for its edge stream. New edge features of the
    attention are not kept.

    Args:
      local: any layer; None = attention alone.
      attention: any layer, on the blocks or edges of the graph, or on the edges of a pattern; None = message passing
        alone.
      norm: "batch" or "layer".
      dropout: on the outputs of message passing, attention and feed-forward maps. That of the weights is the layer's.
      implementation: of the batch norms, None or "reference"; see `ga.nn.with_implementation`.

    Raises:
      ValueError: neither `local` nor `attention`, something else than layers, unknown options.

    Cost: that of its parts: O(N D² + E D + B n² D).
    Padding: exact on real nodes, values, gradients and statistics.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> layer = ga.models.GPSLayer(attention=ga.attention.GATv2(heads=2))
      >>> params, state = layer.init(jax.random.key(0), 8)
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 0], nodes=np.eye(2, 8, dtype=np.float32))
      >>> out = layer.apply(params, state, ga.graphs.prepare(graph))
      >>> out.graph.nodes.shape, out.attention.weights.shape
      ((2, 8), (2, 2))

    Source: Rampášek et al., "Recipe for a General, Powerful, Scalable Graph Transformer", NeurIPS 2022,
      arXiv:2205.12454, equations 2 to 5.
    """

    local: nn.Layer | None = GINE()
    attention: nn.Layer | None = GlobalAttention(heads=4, output=True, dropout=0.5)
    norm: str = "batch"
    dropout: float = 0.0
    implementation: str | None = None

    def __post_init__(self) -> None:
        _checks.choice("implementation", self.implementation, (None, "reference"))
        if self.local is None and self.attention is None:
            raise ValueError("local=None needs attention=: a layer must have one of the two.")
        if self.local is not None:
            check_layer("local", self.local, "ga.message_passing.GINE()")
        if self.attention is not None:
            check_layer("attention", self.attention, "ga.attention.GlobalAttention(heads=4)")
        _checks.choice("norm", self.norm, NORMS)
        _checks.rate("dropout", self.dropout)

    def init(
        self,
        key: PRNGKey,
        width: int,
        edge_features: int | None = None,
        *,
        pattern: bool = False,
    ) -> tuple[GPSLayerParams, GPSLayerState]:
        """Parameters and running statistics.

        Args:
          key: typed PRNG key.
          width: D of the nodes.
          edge_features: width of the edge features, None without.
          pattern: whether attention runs on the edges of a pattern, with features of the width D.

        Raises:
          ValueError: a layer whose output is not D wide.
        """
        k_local, k_attention, k_feed_forward = jax.random.split(key, 3)
        pairs = width if pattern else edge_features
        has_stream = self.local is not None and self.local.updates_edges
        local = attention = None
        if self.local is not None:
            check_width("local", self.local, Widths(width, edge_features))
            local = self.local.init(k_local, width, edge_features=edge_features)
        if has_stream and edge_features not in (None, width):
            raise ValueError(
                f"edge_features must be {width}, the width of the edge stream of {self.local}, got {edge_features}."
            )
        if self.attention is not None:
            check_width("attention", self.attention, Widths(width, pairs))
            attention = self.attention.init(k_attention, width, edge_features=pairs)

        def made(present: bool) -> tuple[Any, Any]:
            return init_norm(self.norm, width) if present else (None, None)

        norms = {
            "local_norm": made(local is not None),
            "inner_norm": made(has_stream),
            "edge_norm": made(has_stream and edge_features is not None),
            "attention_norm": made(attention is not None),
            "output_norm": made(True),
        }
        params = GPSLayerParams(
            local=local,
            attention=attention,
            feed_forward=nn.init_mlp(k_feed_forward, (width, 2 * width, width)),
            **{name: pair[0] for name, pair in norms.items()},
        )
        return params, GPSLayerState(**{name: pair[1] for name, pair in norms.items()})

    def apply(
        self,
        params: GPSLayerParams,
        state: GPSLayerState,
        graph: Any,
        *,
        training: bool = False,
        key: Array | None = None,
    ) -> GPSLayerOutput:
        """The layer.

        Args:
          params, state: from `init`.
          graph: nodes `[N, D]`, edges `[E, D_e]` if made with `edge_features`; `Patterned` with such a graph and a
            pattern with edges `[E_p, D]` if made with `pattern`.
          training: dropout, and batch norms by the statistics of this batch.
          key: typed key, required in training when a rate is positive.

        Returns:
          `GPSLayerOutput`, its graph as the one given.

        Raises:
          ValueError: features that do not fit the parameters, dropout without a key.
        """
        return self.run(params, state, graph, Mode.of(training, key))

    def run(
        self, params: GPSLayerParams, state: GPSLayerState, graph: Any, mode: Mode
    ) -> GPSLayerOutput:
        """The same as part of a network."""
        check_arrays(self, params, GPSLayerParams, state, GPSLayerState)
        both = graph if isinstance(graph, Patterned) else None
        graph = graph if both is None else both.graph
        node_mask, edge_mask = real_rows(graph)
        new = state._asdict()

        def normed(name: str, x: Array, where: Any = node_mask) -> Array:
            x, new[name] = norm(
                getattr(params, name),
                getattr(state, name),
                x,
                where=where,
                training=mode.training,
                implementation=self.implementation,
            )
            return x

        graph = graph._replace(nodes=nn.real_nodes(graph, graph.nodes))
        x, branches, attention, after = graph.nodes, [], None, graph
        if self.local is not None:
            out = mode.layer(self.local, params.local, graph, 0)
            h, attention = out.graph.nodes, out.attention
            if self.local.updates_edges:
                h = jax.nn.relu(normed("inner_norm", h))
            if params.edge_norm is not None:
                gates = jax.nn.relu(normed("edge_norm", edges_of(out.graph), edge_mask))
                edges = edges_of(graph) + mode.dropout(gates, self.dropout, 1)
                after = nn.with_edges(graph, edges)
            branches.append(normed("local_norm", x + mode.dropout(h, self.dropout, 2)))
        if self.attention is not None:
            pairs = graph if both is None else both.pattern._replace(nodes=x)
            out = mode.layer(self.attention, params.attention, pairs, 3)
            h, attention = out.graph.nodes, out.attention
            branches.append(normed("attention_norm", x + mode.dropout(h, self.dropout, 4)))
        h = sum(branches[1:], start=branches[0])
        moved = mode.mlp(params.feed_forward, h, self.dropout, 5)
        x = normed("output_norm", h + mode.dropout(moved, self.dropout, 6))
        after = after._replace(nodes=x)
        after = after if both is None else both._replace(graph=after)
        return GPSLayerOutput(after, GPSLayerState(**new), attention)
