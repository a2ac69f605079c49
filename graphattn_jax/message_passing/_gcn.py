"""GCN: the mean over neighbours, normalised by both ends' degrees."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks, nn, ops
from graphattn_jax._dtypes import accumulation_dtype
from graphattn_jax.message_passing._aggregation import (
    check_fields,
    edge_sum,
    in_degrees,
    incoming,
    real_edges,
)
from graphattn_jax.typing import Array, ArrayLike, PRNGKey

__all__ = ["GCN", "GCNParams"]


class GCNParams(NamedTuple):
    """Arrays of a `GCN` layer: weight `[D, D_out]`, and bias `[D_out]` added after the sum, or None."""

    weight: Array
    bias: Array | None


@dataclass(frozen=True, repr=False)
class GCN(nn.Layer):
    """Graph convolution: a sum over neighbours, normalised by the degrees of both ends.

        x'_i = Σ_j ( w_ij / √(d_i d_j) ) W x_j + b,    d_i = Σ_j w_ij

    with i the receiver and j the sender. Degrees are sums over the incoming edges that are given, self-loops
    among them; the layer adds none. The paper's Ã = A + I is `ga.graphs.add_self_loops(graph)` first: then d_i
    counts the node itself, and no degree is 0. Without that a node does not hear itself, and a node that receives
    nothing, d = 0, is not heard either: in a directed graph its messages have weight 0. Senders have a degree too, so
    that there is no GCN of a bipartite graph. Edge features are not read.

    Args:
      features: D_out, width of the new node features; None = that of the old.
      use_bias: whether to add b.
      implementation: None, or "reference", plain gathers and sums, which have a forward mode.

    Raises:
      ValueError: sizes that are not positive integers.

    Cost: O(N D D_out + E D_out) time, no [E, D] array with a layout.
    Padding: exact on real nodes, values and gradients.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 0], nodes=np.eye(2, 4, dtype=np.float32))
      >>> layer = ga.message_passing.GCN(8)
      >>> params = layer.init(jax.random.key(0), in_features=4)
      >>> layer.apply(params, ga.graphs.add_self_loops(graph)).graph.nodes.shape
      (2, 8)

    Source: Kipf, Welling, "Semi-Supervised Classification with Graph Convolutional Networks", ICLR 2017,
      arXiv:1609.02907, equation 2.
    """

    features: int | None = None
    _: KW_ONLY
    use_bias: bool = True
    implementation: str | None = None

    def __post_init__(self) -> None:
        check_fields(self)

    def init(self, key: PRNGKey, in_features: int, edge_features: int | None = None) -> GCNParams:
        """Parameters, float32, Glorot-uniform as in the paper; the bias starts at zero."""
        features = self.features or in_features
        linear = nn.init_linear(
            key, in_features, features, bias=self.use_bias, init="glorot_uniform"
        )
        return GCNParams(*linear)

    def apply(
        self,
        params: GCNParams,
        graph: Any,
        *,
        edge_weight: ArrayLike | None = None,
        training: bool = False,
        key: Array | None = None,
    ) -> nn.LayerOutput:
        """The layer.

        Args:
          params: from `init`.
          graph: nodes `[N, D]`, an array or `ops.SparseFeatures`.
          edge_weight: `[E]` w ≥ 0, floating point; None = 1. With a gradient, through the degrees too. A node whose
            weights sum to 0 or less counts as one that receives nothing.
          training, key: without effect, there is no dropout.

        Returns:
          The graph with new nodes `[N, D_out]`, in the dtype of the old. A node without incoming edges gets b.

        Raises:
          ValueError: features that do not fit the parameters, edge weights that do not fit the edges.
        """
        _checks.params(params, GCNParams, self)
        x = nn.read_nodes(graph, params.weight.shape[0], allow_sparse=True)
        edges = incoming(self, graph)
        dtype = accumulation_dtype(x.dtype)
        w = real_edges(edges, dtype)
        if edge_weight is not None:
            _checks.shape("edge_weight", edge_weight, (edges.num_edges,))
            _checks.floating("edge_weight", edge_weight)
            w = jnp.where(w > 0, jnp.asarray(edge_weight).astype(dtype), 0)
        degree = in_degrees(w, edges)
        hears = degree > 0
        scale = jnp.where(hears, jax.lax.rsqrt(jnp.where(hears, degree, 1)), 0)[:, None]
        h = ops.matmul(x, params.weight)
        out = scale * edge_sum(w, scale * h, edges)
        if params.bias is not None:
            out = out + params.bias.astype(dtype)[None]
        return nn.LayerOutput(nn.with_nodes(graph, out.astype(x.dtype)))
