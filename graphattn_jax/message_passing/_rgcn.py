"""R-GCN: the mean over the neighbours of each relation, by a matrix of its own."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks, nn, ops
from graphattn_jax._dtypes import accumulation_dtype
from graphattn_jax.graphs import Schema, check_schema, relation_ends
from graphattn_jax.message_passing._aggregation import (
    check_fields,
    edge_sum,
    real_edges,
    without_tiles,
)
from graphattn_jax.ops import take
from graphattn_jax.typing import Array, PRNGKey

__all__ = ["RGCN", "RGCNParams"]


class RGCNParams(NamedTuple):
    """Arrays of an `RGCN` layer: weight, of the sharing; root `[D, F]` and bias `[F]`, or None; those of the fusion, or
    None.
    """

    weight: Any
    root: Array | None
    bias: Array | None
    fusion: Any = None


@dataclass(frozen=True, repr=False)
class RGCN(nn.Layer):
    """Relational graph convolution.

        x'_i = W_0 x_i + Σ_φ ( 1 / c_iφ ) Σ_{j ∈ N_φ(i)} W_φ x_j + b,      c_iφ = |N_φ(i)|

    with N_φ(i) the senders of the edges of relation φ that reach i. `reduce="sum"` has c = 1. With a fusion, what i
    heard by each relation, (1 / c_iφ) Σ_j W_φ x_j, is weighed instead of added up.

    Args:
      features: F, width of the new nodes; None = that of the old.
      schema: the types and relations, `ga.graphs.schema_of(graph)`.
      sharing: how the W_φ share parameters; `ga.nn.Basis(30)` and `ga.nn.BlockDiagonal(4)` are the paper's.
      reduce: "mean" or "sum", over the neighbours of one relation.
      fusion: None, a sum over relations; `ga.nn.Routing()`, or another `ga.nn.Fusion`.
      root: whether there is W_0.
      use_bias: whether there is b.
      implementation: None, or "reference", plain gathers and sums, which have a forward mode.

    Raises:
      ValueError: choices that are not what they should be.

    Cost: O(U D F + E F) with U the pairs of a sender and a relation, at most E; memory O(U F).
    Padding: exact on real nodes, values and gradients.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> nodes, edges = {"page": np.eye(3, dtype=np.float32)}, {("page", "links", "page"): ([0, 1], [1, 2])}
      >>> graph = ga.graphs.from_types(nodes, edges)
      >>> layer = ga.message_passing.RGCN(8, schema=ga.graphs.schema_of(graph), sharing=ga.nn.Basis(2))
      >>> params = layer.init(jax.random.key(0), in_features=3)
      >>> layer.apply(params, ga.graphs.prepare(graph)).graph.nodes.features.shape
      (3, 8)

    Source: Schlichtkrull, Kipf, Bloem, van den Berg, Titov, Welling, "Modeling Relational Data with Graph Convolutional
      Networks", ESWC 2018, arXiv:1703.06103, equation 2.
    """

    features: int | None = None
    _: KW_ONLY
    schema: Schema
    sharing: nn.Sharing = nn.Full()
    reduce: str = "mean"
    fusion: nn.Fusion | None = None
    root: bool = True
    use_bias: bool = True
    implementation: str | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        check_schema(self.schema)
        _checks.instance("sharing", self.sharing, nn.Sharing, "ga.nn.Full() or ga.nn.Basis(4)")
        _checks.choice("reduce", self.reduce, ("mean", "sum"))
        if self.fusion is not None:
            nn.check_fusion(self.fusion)

    def init(self, key: PRNGKey, in_features: int, edge_features: int | None = None) -> RGCNParams:
        """Parameters, float32, Glorot-uniform; the bias starts at zero. See `ga.nn.Layer.init`."""
        width = self.features or in_features
        k_weight, k_root, k_fusion = jax.random.split(key, 3)
        root = nn.init_linear(k_root, in_features, width, bias=False, init="glorot_uniform")
        relations = len(self.schema.relations)
        return RGCNParams(
            weight=self.sharing.init(k_weight, relations, in_features, width),
            root=root.weight if self.root else None,
            bias=jnp.zeros(width, jnp.float32) if self.use_bias else None,
            fusion=self.fusion and self.fusion.init(k_fusion, self.schema, in_features, width),
        )

    def apply(
        self, params: RGCNParams, graph: Any, *, training: bool = False, key: Array | None = None
    ) -> nn.LayerOutput:
        """The layer.

        Args:
          params: from `init`.
          graph: typed, with nodes `[N, D]`.
          training, key: of the fusion; without one there is no dropout.

        Returns:
          The graph with new nodes `[N, F]` in the dtype of the old; with a fusion also the attention, the weights 1 / c
          and the `shares` of the relations.

        Raises:
          ValueError: features that do not fit the parameters, another schema.
        """
        _checks.params(params, RGCNParams, self)
        self.schema.check(graph)
        matrices = self.sharing.matrices(params.weight)
        x = nn.read_nodes(graph, matrices.shape[1])
        ends = relation_ends(graph)
        spoken = ops.grouped_matmul(take(x, ends.node), matrices, ends.relations)
        wide, attention = accumulation_dtype(x.dtype), None
        share = real_edges(ends.edges, wide)
        if self.reduce == "mean":
            heard = relation_ends(graph, "receiver").edges
            count = ops.segment_sum(share, heard.receivers, heard.num_rows)
            share = share / jnp.maximum(take(count, heard.receivers), 1)
        if self.fusion is None:
            out = edge_sum(share, spoken, without_tiles(self, ends.edges))
        else:
            heard = relation_ends(graph, "receiver").edges
            z = edge_sum(share, spoken, without_tiles(self, heard))
            out, shares = self.fusion.apply(params.fusion, graph, z, training=training, key=key)
            weights = share[:, None]
            attention = ops.Attention(
                lambda: ops.Weights(weights, weights, jnp.zeros_like(weights), shares=shares)
            )
        out = out.astype(wide)
        if params.root is not None:
            out = out + ops.matmul(x, params.root)
        if params.bias is not None:
            out = out + jnp.asarray(params.bias).astype(wide)[None]
        return nn.LayerOutput(nn.with_nodes(graph, out.astype(x.dtype)), attention)
