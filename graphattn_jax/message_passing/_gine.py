"""GINE: sums of rectified neighbours and edges, then an MLP."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks, nn, ops
from graphattn_jax._dtypes import wide
from graphattn_jax.message_passing._aggregation import check_fields, edge_sum, incoming, real_edges
from graphattn_jax.typing import Array, PRNGKey

__all__ = ["GINE", "GINEParams"]


class GINEParams(NamedTuple):
    """Arrays of a `GINE` layer.

    epsilon `[]`: ε. edge: linear map of the edge features to D; () where they are added as they are, None where none
    are read. mlp: of two layers, D to D_out.
    """

    epsilon: Array
    edge: nn.LinearParams | tuple[()] | None
    mlp: nn.MLPParams


@dataclass(frozen=True, repr=False)
class GINE(nn.Layer):
    """Graph isomorphism layer with edge features.

        x'_i = MLP( (1 + ε) x_i + Σ_j ReLU( x_j + e_ij ) )                    edge_map=False
        x'_i = MLP( (1 + ε) x_i + Σ_j ReLU( x_j + W_e e_ij + b_e ) )          edge_map=True

    with i the receiver and j the sender; made without `edge_features` the messages are ReLU(x_j). This is the form in
    common use: ε is that of GIN, and the ReLU before the sum is not in Hu et al., who add x_j and e_ij as they are.
    Both ends of bipartite edges must be equally wide.

    Args:
      features: D_out, width of the new node features; None = that of the old.
      edge_map: whether edge features are mapped to D; False = they have the width D.
      hidden_features: width inside the MLP; None = D_out.
      activation: inside the MLP; see `ga.nn.activation`.
      implementation: None, or "reference", plain gathers and sums, which have a forward mode.

    Raises:
      ValueError: sizes that are not positive integers, unknown activation.

    Cost: O(N D D_out + E D) time; the edge map costs O(E D_e D) time. With a layout and the C++ kernels no
      array of messages.
    Padding: exact on real nodes, values and gradients.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list(
      ...     [0, 1], [1, 0], nodes=np.eye(2, 4, dtype=np.float32), edges=np.ones((2, 3), np.float32)
      ... )
      >>> layer = ga.message_passing.GINE(8, edge_map=True)
      >>> params = layer.init(jax.random.key(0), in_features=4, edge_features=3)
      >>> params.edge.weight.shape, layer.apply(params, graph).graph.nodes.shape
      ((3, 4), (2, 8))

    Source: Hu et al., "Strategies for Pre-training Graph Neural Networks", ICLR 2020, arXiv:1905.12265,
      appendix A, after Xu et al., "How Powerful are Graph Neural Networks?", ICLR 2019, arXiv:1810.00826, equation 4.1.
    """

    features: int | None = None
    _: KW_ONLY
    edge_map: bool = False
    hidden_features: int | None = None
    activation: str | nn.Activation = "relu"
    implementation: str | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        if self.hidden_features is not None:
            _checks.positive("hidden_features", self.hidden_features)
        nn.activation(self.activation)

    def init(
        self, key: PRNGKey, in_features: int | tuple[int, int], edge_features: int | None = None
    ) -> GINEParams:
        """Parameters, float32; weights start as those of `ga.nn.init_linear`, ε and the biases at zero.

        Raises:
          ValueError: sizes that are not positive integers, ends or (without a map) edges of another width.
        """
        width, receivers = nn.widths_of_ends(in_features)
        if width != receivers:
            raise ValueError(
                f"GINE adds up senders and receivers, which must be equally wide, got in_features={in_features}."
            )
        if edge_features is not None and edge_features != width and not self.edge_map:
            raise ValueError(
                f"edge_features must be those of the nodes, {width}, to be added to them, got {edge_features!r}. "
                "Fix: GINE(edge_map=True)."
            )
        mlp_key, edge_key = jax.random.split(key)
        features = self.features or width
        edge = None
        if edge_features is not None:
            edge = nn.init_linear(edge_key, edge_features, width) if self.edge_map else ()
        return GINEParams(
            epsilon=jnp.zeros((), jnp.float32),
            edge=edge,
            mlp=nn.init_mlp(mlp_key, [width, self.hidden_features or features, features]),
        )

    def apply(
        self, params: GINEParams, graph: Any, *, training: bool = False, key: Array | None = None
    ) -> nn.LayerOutput:
        """The layer.

        Args:
          params: from `init`.
          graph: nodes `[N, D]`, or a `NodePair`; edges `[E, D_e]` if made with `edge_features`.
          training, key: without effect, there is no dropout.

        Returns:
          The graph with new nodes `[N, D_out]`, in the dtype of the old; edges stay. The sum over no neighbours is 0.

        Raises:
          ValueError: features that do not fit the parameters.
        """
        _checks.params(params, GINEParams, self)
        width = params.mlp.layers[0].weight.shape[0]
        senders, x = nn.read_ends(graph, width, width)
        edges = incoming(self, graph)
        if params.edge is None:
            real = real_edges(edges, wide(senders).dtype)
            total = edge_sum(real, jax.nn.relu(wide(senders)), edges)
        else:
            terms = _edge_terms(params.edge, graph, width, senders.dtype)
            total = ops.rectified_sum(wide(senders), wide(terms), edges)
        h = (1 + params.epsilon.astype(total.dtype)) * wide(x) + total
        out = nn.mlp(params.mlp, h.astype(x.dtype), activation=self.activation)
        return nn.LayerOutput(nn.with_nodes(graph, out))


def _edge_terms(edge: Any, graph: Any, width: int, dtype: Any) -> Array:
    """What is added to the sender of each edge, `[E, D]`."""
    if edge == ():
        return nn.read_edges(graph, width).astype(dtype)
    return nn.linear(edge, nn.read_edges(graph, edge.weight.shape[0]).astype(dtype))
