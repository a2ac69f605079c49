"""GatedGCN: a gate for every channel of every edge."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks, nn, ops
from graphattn_jax._dtypes import wide
from graphattn_jax.message_passing._aggregation import check_fields, incoming
from graphattn_jax.typing import Array, PRNGKey

__all__ = ["GatedGCN", "GatedGCNParams"]

_EPSILON = 1e-6
"""Beside the sum of the gates, as in the published code."""


class GatedGCNParams(NamedTuple):
    """Arrays of a `GatedGCN` layer, all linear maps to D_out.

    receiver, sender, edge: A, B and C of the gate, with one bias in A; edge is None without edge features.
    value: V of the messages. root: U of the node itself. edge_value: W, None unless messages read edges.
    """

    receiver: nn.LinearParams
    sender: nn.LinearParams
    edge: nn.LinearParams | None
    value: nn.LinearParams
    root: nn.LinearParams
    edge_value: nn.LinearParams | None = None


@dataclass(frozen=True, repr=False)
class GatedGCN(nn.Layer):
    """Gated graph convolution, with new edge features.

        e'_ij = A x_i + B x_j + C e_ij,    σ_ij = sigmoid( e'_ij )
        x'_i  = U x_i + Σ_j η_ij ⊙ v_ij,   η_ij = σ_ij / ( Σ_j' σ_ij' + 10⁻⁶ )  if normalize, else σ_ij
        v_ij  = V x_j  [ + W e_ij  if edge_values ]

    with i the receiver and j the sender; ⊙ and the quotient are per channel. `normalize=False` without edge
    features is the residual gated graph convolution of Bresson and Laurent; `normalize=True` with the edge stream is
    the GatedGCN of the benchmarks and of GraphGPS. What they put around it, residual connections of nodes and of
    edges, norms and ReLU, is left to the network: x + ReLU(norm(x')) and e + ReLU(norm(e')).

    Args:
      features: D_out, width of the new node and edge features; None = that of the receivers.
      normalize: whether the gates of a receiver sum to 1 in each channel.
      use_bias: whether gate, messages and root have biases.
      edge_values: whether messages read edge features too, as in PyG's ResGatedGraphConv; not in the papers.
      implementation: None, or "reference", plain gathers and sums, which have a forward mode.

    Raises:
      ValueError: sizes that are not positive integers.

    Cost: O((N D + E D_e + E) D_out) time; gates are an [E, D_out] array, messages only without a layout.
    Padding: exact on real nodes and edges, values and gradients.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list(
      ...     [0, 1], [1, 0], nodes=np.eye(2, 4, dtype=np.float32), edges=np.ones((2, 3), np.float32)
      ... )
      >>> layer = ga.message_passing.GatedGCN(8)
      >>> params = layer.init(jax.random.key(0), in_features=4, edge_features=3)
      >>> out = layer.apply(params, graph).graph
      >>> out.nodes.shape, out.edges.shape
      ((2, 8), (2, 8))

    Source: Bresson, Laurent, "Residual Gated Graph ConvNets", 2017, arXiv:1711.07553, equation 11; with edge stream and
      normalised gates: Dwivedi et al., "Benchmarking Graph Neural Networks", JMLR 2023, arXiv:2003.00982, section on
      GatedGCN; Rampášek et al., "GraphGPS", NeurIPS 2022, arXiv:2205.12454.
    """

    updates_edges = True
    features: int | None = None
    _: KW_ONLY
    normalize: bool = True
    use_bias: bool = True
    edge_values: bool = False
    implementation: str | None = None

    def __post_init__(self) -> None:
        check_fields(self)

    def init(
        self, key: PRNGKey, in_features: int | tuple[int, int], edge_features: int | None = None
    ) -> GatedGCNParams:
        """Parameters, float32; weights start as those of `ga.nn.init_linear`, the biases at zero."""
        senders, receivers = nn.widths_of_ends(in_features)
        receiver, sender, edge, value, root = jax.random.split(key, 5)
        edge_value = jax.random.fold_in(value, 1)
        has_edge_values = self.edge_values and edge_features is not None

        def linear(key, width, bias):
            return nn.init_linear(key, width, self.features or receivers, bias=bias)

        return GatedGCNParams(
            receiver=linear(receiver, receivers, self.use_bias),
            sender=linear(sender, senders, False),
            edge=None if edge_features is None else linear(edge, edge_features, False),
            value=linear(value, senders, self.use_bias),
            root=linear(root, receivers, self.use_bias),
            edge_value=linear(edge_value, edge_features, False) if has_edge_values else None,
        )

    def apply(
        self,
        params: GatedGCNParams,
        graph: Any,
        *,
        training: bool = False,
        key: Array | None = None,
    ) -> nn.LayerOutput:
        """The layer.

        Args:
          params: from `init`.
          graph: nodes `[N, D]`, or a `NodePair`; edges `[E, D_e]` if made with `edge_features`.
          training, key: without effect, there is no dropout.

        Returns:
          The graph with new nodes `[N, D_out]` and, if made with `edge_features`, new edges e' `[E, D_out]` before
          the sigmoid, each in the dtype of the old. A node without incoming edges gets U x_i.

        Raises:
          ValueError: features that do not fit the parameters.
        """
        _checks.params(params, GatedGCNParams, self)
        maps = params.value.weight, params.root.weight
        senders, x = nn.read_ends(graph, *(w.shape[0] for w in maps))
        edges = incoming(self, graph)
        logits = wide(ops.sender_rows(nn.linear(params.receiver, x), edges.T))
        logits = logits + wide(ops.sender_rows(nn.linear(params.sender, senders), edges))
        if params.edge is not None:
            features = nn.read_edges(graph, params.edge.weight.shape[0])
            logits = logits + wide(nn.linear(params.edge, features.astype(x.dtype)))
            graph = nn.with_edges(graph, logits.astype(features.dtype))
        value = wide(nn.linear(params.value, senders))
        # The sum of the gates is the same sum over values of 1.
        columns = [value, jnp.ones_like(value)] if self.normalize else [value]
        gates = jax.nn.sigmoid(logits)
        sums = ops.edge_aggregate(gates, jnp.stack(columns, axis=-1), edges)
        message = sums[..., 0]
        if params.edge_value is not None:
            terms = wide(nn.linear(params.edge_value, features.astype(x.dtype)))
            message = message + ops.segment_sum(
                gates * terms, edges.receivers, edges.num_rows, where=edges.mask
            )
        if self.normalize:
            message = message / (sums[..., 1] + _EPSILON)
        out = wide(nn.linear(params.root, x)) + message
        return nn.LayerOutput(nn.with_nodes(graph, out.astype(x.dtype)))
