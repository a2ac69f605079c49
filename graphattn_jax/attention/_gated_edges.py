"""Attention over edges of which a layer learns which to keep."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks, nn, ops
from graphattn_jax.attention._pipeline import AttentionLayer
from graphattn_jax.typing import Array, ArrayLike, PRNGKey

__all__ = ["GatedEdges", "GatedEdgesParams"]

GATES = ("hard_concrete", "binary_concrete", "straight_through")


class GatedEdgesParams(NamedTuple):
    """layer: of the layer that attends. receivers, senders: maps `[D, C]` whose product is the logit of a gate; bias:
    `[1]`, added to it.
    """

    layer: Any
    receivers: nn.LinearParams
    senders: nn.LinearParams
    bias: Array


@dataclass(frozen=True, repr=False)
class GatedEdges(nn.Layer):
    """An attention layer with a learned gate on every edge, before its normalizer.

        ℓ_ij = (U x_i) · (V x_j) / √C + b,    m_ij = gate(ℓ_ij),    a_ij = normalize_j( s_ij + log m_ij )

    An edge with m = 0 is not heard, and the weights of the others still sum to one. Training draws the gates,
    evaluation takes what they are without noise: σ(ℓ), stretched and cut for "hard_concrete", rounded for
    "straight_through". All edges are computed all the same; `TopKAttention` saves the work.

    Args:
      layer: the layer that attends, over edges.
      gate: "hard_concrete", with exact zeros, and `ga.ops.hard_concrete_penalty(layer.gate_logits(params, graph))` for
        a loss that shuts gates; "binary_concrete", never quite shut; "straight_through", 0 or 1 with its gradient.
      channels: C, of the maps U and V.
      temperature: τ of the gates in training, unless the call says another.

    Raises:
      ValueError: something else than an attention layer over edges, unknown options.

    Cost: that of the layer and O(N D C + E C).
    Padding: as the layer.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 0], nodes=np.eye(2, 4, dtype=np.float32))
      >>> layer = ga.attention.GatedEdges(ga.attention.GATv2(channels=8))
      >>> params = layer.init(jax.random.key(0), in_features=4)
      >>> layer.apply(params, graph, training=True, key=jax.random.key(1)).graph.nodes.shape
      (2, 8)
      >>> float(ga.ops.hard_concrete_penalty(layer.gate_logits(params, graph))) > 1
      True

    Source: Louizos, Welling, Kingma, ICLR 2018, arXiv:1712.01312, for gates with zeros; on edges after Ye, Ji, "Sparse
      Graph Attention Networks", 2019, arXiv:1912.00552, with the gate inside of the softmax.
    """

    layer: AttentionLayer
    _: KW_ONLY
    gate: str = "hard_concrete"
    channels: int = 8
    temperature: float = 2 / 3

    def __post_init__(self) -> None:
        if not isinstance(self.layer, AttentionLayer):
            raise ValueError(
                "layer must be an attention layer over edges, such as ga.attention.GATv2(heads=4), got "
                f"{_checks.describe(self.layer)}."
            )
        _checks.choice("gate", self.gate, GATES)
        _checks.positive("channels", self.channels)
        _checks.number("temperature", self.temperature, zero=False)

    def init(
        self, key: PRNGKey, in_features: int, edge_features: int | None = None
    ) -> GatedEdgesParams:
        """Parameters of the layer, and maps as `ga.nn.init_linear` starts them; b = 2: most edges start open."""
        k_layer, k_receivers, k_senders = jax.random.split(key, 3)
        size = in_features, self.channels
        return GatedEdgesParams(
            layer=self.layer.init(k_layer, in_features, edge_features),
            receivers=nn.init_linear(k_receivers, *size, bias=False),
            senders=nn.init_linear(k_senders, *size, bias=False),
            bias=jnp.full(1, 2.0),
        )

    def gate_logits(self, params: GatedEdgesParams, graph: Any) -> Array:
        """ℓ `[E]`, float32: what `ga.ops.hard_concrete_penalty` takes, with `where=ga.graphs.edge_mask(graph)`."""
        nodes = nn.read_nodes(graph, params.receivers.weight.shape[0])
        ends = nn.linear(params.receivers, nodes), nn.linear(params.senders, nodes)
        i, j = (x.astype(jnp.float32) for x in ends)
        products = ops.take(i, graph.receivers) * ops.take(j, graph.senders)
        return products.sum(axis=1) * self.channels**-0.5 + params.bias.astype(jnp.float32)

    def apply(
        self,
        params: GatedEdgesParams,
        graph: Any,
        *,
        temperature: ArrayLike | None = None,
        training: bool = False,
        key: Array | None = None,
    ) -> nn.LayerOutput:
        """The layer.

        Args:
          params: from `init`.
          graph: as the layer takes it, with one set of nodes.
          temperature: τ of this call, such as an optax schedule's value at a step; None = that of the layer.
          training: whether gates are drawn, and the layer trains.
          key: typed key, required in training.

        Returns:
          What the layer gives.

        Raises:
          ValueError: features that do not fit the parameters, training without a key.
        """
        _checks.params(params, GatedEdgesParams, self)
        k_gate = k_layer = None
        if training:
            if key is None:
                raise ValueError(
                    f"{self} draws gates and needs key= in training. Fix: key=jax.random.key(seed), a new one at every "
                    "step, or training=False."
                )
            k_gate, k_layer = jax.random.split(key)
        tau = self.temperature if temperature is None else temperature
        draw = ops.hard_concrete if self.gate == "hard_concrete" else ops.binary_concrete
        gate = draw(self.gate_logits(params, graph), tau, k_gate)
        if self.gate == "straight_through":
            gate = ops.straight_through(gate)
        bias = jnp.broadcast_to(ops.gate_bias(gate)[:, None], (gate.shape[0], self.layer.heads))
        return self.layer.apply(params.layer, graph, bias=bias, training=training, key=k_layer)
