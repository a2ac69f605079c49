"""GCN: the mean over neighbours, normalised by both ends' degrees."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks, nn
from graphattn_jax._dtypes import accumulation_dtype
from graphattn_jax.message_passing._aggregation import edge_sum, in_degrees, real_edges
from graphattn_jax.nn._arrays import product, read_sparse_nodes
from graphattn_jax.typing import Array, ArrayLike, PRNGKey

__all__ = ["GCNParams", "gcn", "init_gcn"]


class GCNParams(NamedTuple):
    """Arrays of a `gcn` layer: weight `[D, D_out]`, and bias `[D_out]` added after the sum, or None."""

    weight: Array
    bias: Array | None


def init_gcn(key: PRNGKey, in_features: int, out_features: int, *, bias: bool = True) -> GCNParams:
    """Parameters of a `gcn` layer.

    Args:
      key: typed PRNG key.
      in_features: D, width of the node features.
      out_features: D_out, width of the new node features.
      bias: whether to add a bias.

    Returns:
      `GCNParams`, float32, Glorot-uniform as in the paper; the bias starts at zero.

    Raises:
      ValueError: sizes that are not positive integers.

    Example:
      >>> import jax, graphattn_jax as ga
      >>> ga.message_passing.init_gcn(jax.random.key(0), 16, 8).weight.shape
      (16, 8)
    """
    return GCNParams(
        *nn.init_linear(key, in_features, out_features, bias=bias, init="glorot_uniform")
    )


def gcn(
    params: GCNParams,
    graph: Any,
    *,
    layout: Any = None,
    edge_weight: ArrayLike | None = None,
):
    """Graph convolution: a sum over neighbours, normalised by the degrees of both ends.

        x'_i = Σ_j ( w_ij / √(d_i d_j) ) W x_j + b,    d_i = Σ_j w_ij

    with i the receiver and j the sender. Degrees are sums over the incoming edges that are given, self-loops
    among them; the layer adds none. The paper's Ã = A + I is `ga.graphs.add_self_loops(graph)` first: then d_i
    counts the node itself, and no degree is 0. Without that a node does not hear itself, and a node that receives
    nothing, d = 0, is not heard either: in a directed graph its messages have weight 0.

    Args:
      params: from `init_gcn`.
      graph: nodes `[N, D]`, an array or `ops.SparseFeatures`.
      layout: from `ga.graphs.layout`; optional, faster with it.
      edge_weight: `[E]` w ≥ 0, floating point; None = 1. With a gradient, through the degrees too. A node whose
        weights sum to 0 or less counts as one that receives nothing.

    Returns:
      The graph with new nodes `[N, D_out]`, in the dtype of the old. A node without incoming edges gets b.

    Raises:
      ValueError: features that do not fit the parameters, edge weights that do not fit the edges.

    Cost: O(N D D_out + E D_out) time, no [E, D] array with a layout.
    Padding: exact on real nodes, values and gradients.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 0], nodes=np.eye(2, 4, dtype=np.float32))
      >>> params = ga.message_passing.init_gcn(jax.random.key(0), 4, 8)
      >>> ga.message_passing.gcn(params, ga.graphs.add_self_loops(graph)).nodes.shape
      (2, 8)

    Source: Kipf, Welling, "Semi-Supervised Classification with Graph Convolutional Networks", ICLR 2017,
      arXiv:1609.02907, equation 2.
    """
    x = read_sparse_nodes(graph, params.weight.shape[0])
    dtype = accumulation_dtype(x.dtype)
    w = real_edges(graph, layout, dtype)
    if edge_weight is not None:
        _checks.shape("edge_weight", edge_weight, graph.senders.shape)
        _checks.floating("edge_weight", edge_weight)
        w = w * jnp.asarray(edge_weight).astype(dtype)
    degree = in_degrees(w, graph, x.shape[0])
    hears = degree > 0
    scale = jnp.where(hears, jax.lax.rsqrt(jnp.where(hears, degree, 1)), 0)[:, None]
    h = product(x, params.weight)
    out = scale * edge_sum(w, scale * h, graph, layout)
    if params.bias is not None:
        out = out + params.bias.astype(dtype)[None]
    return graph._replace(nodes=out.astype(x.dtype))
