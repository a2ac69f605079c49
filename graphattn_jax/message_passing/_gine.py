"""GINE: sums of rectified neighbours and edges, then an MLP."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import nn
from graphattn_jax.message_passing._aggregation import edge_sum, real_edges, wide
from graphattn_jax.message_passing._rectified_sum import rectified_sum
from graphattn_jax.nn._arrays import read_edges, read_nodes
from graphattn_jax.nn._linear import Activation
from graphattn_jax.typing import Array, PRNGKey

__all__ = ["GINEParams", "gine", "init_gine"]


class GINEParams(NamedTuple):
    """Arrays of a `gine` layer.

    epsilon `[]`: ε. edge: linear map of the edge features to D, or None. mlp: of two layers, D to D_out.
    """

    epsilon: Array
    edge: nn.LinearParams | None
    mlp: nn.MLPParams


def init_gine(
    key: PRNGKey,
    in_features: int,
    out_features: int,
    *,
    hidden_features: int | None = None,
    edge_features: int | None = None,
) -> GINEParams:
    """Parameters of a `gine` layer.

    Args:
      key: typed PRNG key.
      in_features: D, width of the node features.
      out_features: D_out, width of the new node features.
      hidden_features: width inside the MLP; None = `out_features`.
      edge_features: D_e, width of the edge features, or None for none.

    Returns:
      `GINEParams`, float32; weights start as those of `ga.nn.init_linear`, ε and the biases at zero.

    Raises:
      ValueError: sizes that are not positive integers.

    Example:
      >>> import jax, graphattn_jax as ga
      >>> params = ga.message_passing.init_gine(jax.random.key(0), 16, 8, edge_features=3)
      >>> params.edge.weight.shape, [layer.weight.shape for layer in params.mlp.layers]
      ((3, 16), [(16, 8), (8, 8)])
    """
    mlp_key, edge_key = jax.random.split(key)
    hidden = out_features if hidden_features is None else hidden_features
    return GINEParams(
        epsilon=jnp.zeros((), jnp.float32),
        edge=None
        if edge_features is None
        else nn.init_linear(edge_key, edge_features, in_features),
        mlp=nn.init_mlp(mlp_key, [in_features, hidden, out_features]),
    )


def gine(
    params: GINEParams,
    graph: Any,
    *,
    layout: Any = None,
    activation: str | Activation = "relu",
    add_edges: bool = False,
):
    """Graph isomorphism layer with edge features.

        x'_i = MLP( (1 + ε) x_i + Σ_j ReLU( x_j + W_e e_ij + b_e ) )

    with i the receiver and j the sender. Without an edge term the messages are ReLU(x_j), or with `add_edges`
    ReLU(x_j + e_ij) for edge features that already have the width of the nodes. This is the form in
    common use: ε is that of GIN, and the ReLU before the sum is not in Hu et al., who add x_j and e_ij as they are.

    Args:
      params: from `init_gine`.
      graph: nodes `[N, D]`; edges `[E, D_e]` if the parameters have an edge term, else anything.
      layout: from `ga.graphs.layout`; optional, faster with it.
      activation: inside the MLP; see `ga.nn.activation`.
      add_edges: read edges `[E, D]` although the parameters have no edge term.

    Returns:
      The graph with new nodes `[N, D_out]`, in the dtype of the old; edges stay. The sum over no neighbours is 0.

    Raises:
      ValueError: features that do not fit the parameters, unknown activation.

    Cost: O(N D D_out + E D) time; the edge term costs O(E D_e D) time. With a layout and the C++ kernels no
      array of messages.
    Padding: exact on real nodes, values and gradients.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list(
      ...     [0, 1], [1, 0], nodes=np.eye(2, 4, dtype=np.float32), edges=np.ones((2, 3), np.float32)
      ... )
      >>> params = ga.message_passing.init_gine(jax.random.key(0), 4, 8, edge_features=3)
      >>> ga.message_passing.gine(params, graph).nodes.shape
      (2, 8)

    Source: Hu et al., "Strategies for Pre-training Graph Neural Networks", ICLR 2020, arXiv:1905.12265,
      appendix A, after Xu et al., "How Powerful are Graph Neural Networks?", ICLR 2019, arXiv:1810.00826, equation 4.1.
    """
    x = read_nodes(graph, params.mlp.layers[0].weight.shape[0])
    real = real_edges(graph, layout, wide(x).dtype)
    if params.edge is None and not add_edges:
        total = edge_sum(real, jax.nn.relu(wide(x)), graph, layout)
    else:
        edges = read_edges(graph, (x if params.edge is None else params.edge.weight.T).shape[1])
        edges = edges.astype(x.dtype)
        if params.edge is not None:
            edges = nn.linear(params.edge, edges)
        total = rectified_sum(wide(x), wide(edges), graph, layout)
    h = (1 + params.epsilon.astype(total.dtype)) * wide(x) + total
    return graph._replace(nodes=nn.mlp(params.mlp, h.astype(x.dtype), activation=activation))
