"""GatedGCN: a gate for every channel of every edge."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import nn, ops
from graphattn_jax.message_passing._aggregation import wide
from graphattn_jax.nn._arrays import read_edges, read_nodes
from graphattn_jax.ops._segment import take
from graphattn_jax.typing import PRNGKey

__all__ = ["GatedGCNParams", "gated_gcn", "init_gated_gcn"]

_EPSILON = 1e-6
"""Beside the sum of the gates, as in the published code."""


class GatedGCNParams(NamedTuple):
    """Arrays of a `gated_gcn` layer, all linear maps to D_out.

    receiver, sender, edge: A, B and C of the gate, with one bias in A; edge is None without edge features.
    value: V of the messages. root: U of the node itself.
    """

    receiver: nn.LinearParams
    sender: nn.LinearParams
    edge: nn.LinearParams | None
    value: nn.LinearParams
    root: nn.LinearParams


def init_gated_gcn(
    key: PRNGKey,
    in_features: int,
    out_features: int,
    *,
    edge_features: int | None = None,
    bias: bool = True,
) -> GatedGCNParams:
    """Parameters of a `gated_gcn` layer.

    Args:
      key: typed PRNG key.
      in_features: D, width of the node features.
      out_features: D_out, width of the new node and edge features.
      edge_features: D_e, width of the edge features, or None for none.
      bias: whether gate, messages and root have biases.

    Returns:
      `GatedGCNParams`, float32; weights start as those of `ga.nn.init_linear`, the biases at zero.

    Raises:
      ValueError: sizes that are not positive integers.

    Example:
      >>> import jax, graphattn_jax as ga
      >>> params = ga.message_passing.init_gated_gcn(jax.random.key(0), 16, 8, edge_features=3)
      >>> params.edge.weight.shape
      (3, 8)
    """
    receiver, sender, edge, value, root = jax.random.split(key, 5)

    def linear(key, width, bias):
        return nn.init_linear(key, width, out_features, bias=bias)

    return GatedGCNParams(
        receiver=linear(receiver, in_features, bias),
        sender=linear(sender, in_features, False),
        edge=None if edge_features is None else linear(edge, edge_features, False),
        value=linear(value, in_features, bias),
        root=linear(root, in_features, bias),
    )


def gated_gcn(
    params: GatedGCNParams,
    graph: Any,
    *,
    layout: Any = None,
    normalize: bool = True,
):
    """Gated graph convolution, with new edge features.

        e'_ij = A x_i + B x_j + C e_ij,    σ_ij = sigmoid( e'_ij )
        x'_i  = U x_i + Σ_j η_ij ⊙ V x_j,  η_ij = σ_ij / ( Σ_j' σ_ij' + 10⁻⁶ )  if normalize, else σ_ij

    with i the receiver and j the sender; ⊙ and the quotient are per channel. `normalize=False` without edge
    features is the residual gated graph convolution of Bresson and Laurent; `normalize=True` with the edge stream is
    the GatedGCN of the benchmarks and of GraphGPS. What they put around it, residual connections of nodes and of
    edges, norms and ReLU, is left to the network: x + ReLU(norm(x')) and e + ReLU(norm(e')).

    Args:
      params: from `init_gated_gcn`.
      graph: nodes `[N, D]`; edges `[E, D_e]` if the parameters have an edge term, else anything.
      layout: from `ga.graphs.layout`; optional, faster with it.
      normalize: whether the gates of a receiver sum to 1 in each channel.

    Returns:
      The graph with new nodes `[N, D_out]` and, if the parameters have an edge term, new edges e' `[E, D_out]`
      before the sigmoid, each in the dtype of the old. A node without incoming edges gets U x_i.

    Raises:
      ValueError: features that do not fit the parameters.

    Cost: O((N D + E D_e + E) D_out) time; gates are an [E, D_out] array, messages only without a layout.
    Padding: exact on real nodes and edges, values and gradients.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list(
      ...     [0, 1], [1, 0], nodes=np.eye(2, 4, dtype=np.float32), edges=np.ones((2, 3), np.float32)
      ... )
      >>> params = ga.message_passing.init_gated_gcn(jax.random.key(0), 4, 8, edge_features=3)
      >>> out = ga.message_passing.gated_gcn(params, graph)
      >>> out.nodes.shape, out.edges.shape
      ((2, 8), (2, 8))

    Source: Bresson, Laurent, "Residual Gated Graph ConvNets", 2017, arXiv:1711.07553, equation 11; with edge stream and
      normalised gates: Dwivedi et al., "Benchmarking Graph Neural Networks", JMLR 2023, arXiv:2003.00982, section on
      GatedGCN; Rampášek et al., "GraphGPS", NeurIPS 2022, arXiv:2205.12454.
    """
    x = read_nodes(graph, params.root.weight.shape[0])
    logits = wide(take(nn.linear(params.receiver, x), graph.receivers))
    logits = logits + wide(take(nn.linear(params.sender, x), graph.senders))
    if params.edge is not None:
        edges = read_edges(graph, params.edge.weight.shape[0])
        logits = logits + wide(nn.linear(params.edge, edges.astype(x.dtype)))
        graph = graph._replace(edges=logits.astype(edges.dtype))
    value = wide(nn.linear(params.value, x))
    # The sum of the gates is the same sum over values of 1.
    columns = [value, jnp.ones_like(value)] if normalize else [value]
    sums = ops.edge_aggregate(
        jax.nn.sigmoid(logits),
        jnp.stack(columns, axis=-1),
        graph.senders,
        graph.receivers,
        num_nodes=x.shape[0],
        layout=None if layout is None else layout.edges,
    )
    message = sums[..., 0] / (sums[..., 1] + _EPSILON) if normalize else sums[..., 0]
    out = wide(nn.linear(params.root, x)) + message
    return graph._replace(nodes=out.astype(x.dtype))
