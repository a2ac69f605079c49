"""Attention among clusters of nodes: what they hold is summed up, mixed, and handed back."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from graphattn_jax import _checks, graphs, nn, ops
from graphattn_jax.linear_attention._layer import (
    LinearAttentionLayer,
    QueryKeyValue,
    Rows,
    combine_heads,
)
from graphattn_jax.typing import Array, PRNGKey

__all__ = ["ClusterAttention", "ClusterAttentionParams"]


class ClusterAttentionParams(NamedTuple):
    """maps: of clusters to query, key and value. assign: `[D, M]` for each level of learned clusters. output: of the
    heads side by side.
    """

    maps: QueryKeyValue
    assign: tuple[nn.LinearParams, ...]
    output: nn.LinearParams


@dataclass(frozen=True, repr=False)
class ClusterAttention(LinearAttentionLayer):
    """The transformer's attention among clusters of the nodes of each graph: linear in the nodes.

        n_m = Σ_i c_im,    s_m = Σ_i c_im x_i / n_m
        a_mk = softmax_k( (W_q s_m) · (W_k s_k) / √C + log n_k ),    x'_i = W_o Σ_m c_im ‖_h Σ_k a_mk W_v s_k

    with c_im the share of node i in cluster m of its graph, which sum to one. log n_k makes a cluster count as often as
    it has nodes: where the nodes of a cluster are equal, and so with one node per cluster, this is
    `ga.attention.GlobalAttention`. Several levels of clusters, coarse and fine, share the maps, and their results are
    averaged.

    The clusters are those that the graph carries (`ga.graphs.with_clusters`), of a partition for example, or learned:
    c_i = softmax(W_c x_i). Edges are not read.

    Args:
      channels, heads, use_bias, implementation: see `LinearAttentionLayer`; the output is D wide.
      learned: None = the clusters of the graph; otherwise how many clusters there are in each level, per graph.

    Raises:
      ValueError: choices that are not what they should be.

    Cost: per graph and level O(N D + M² H C) time, O(N D + M² H) memory; O(N D M) time with learned clusters. Of given
      ones, M = √N makes it linear; finding them is not counted.
    Padding: exact on real nodes, values and gradients; nothing of other graphs of a batch is heard.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1, 2], [1, 2, 3], nodes=np.eye(4, dtype=np.float32))
      >>> graph = ga.graphs.with_clusters(graph, np.array([0, 0, 1, 1]))
      >>> layer = ga.linear_attention.ClusterAttention(heads=2)
      >>> out = layer.apply(layer.init(jax.random.key(0), in_features=4), graph)
      >>> out.graph.nodes.shape, out.attention.weights.shape
      ((4, 4), (1, 2, 2, 2))

    Source: ours in this form. Attention of clusters: Huang et al., "Cluster-wise Graph Transformer with
      Dual-granularity Kernelized Attention", NeurIPS 2024, arXiv:2410.06746; learned shares: Ying et al.,
      "Hierarchical Graph Representation Learning with Differentiable Pooling", NeurIPS 2018, arXiv:1806.08804,
      equations 3 and 6.
    """

    _: KW_ONLY
    learned: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.learned is not None:
            if not isinstance(self.learned, tuple) or not self.learned:
                raise ValueError(
                    "learned must be None or a tuple of numbers of clusters such as (32,), got "
                    f"{_checks.describe(self.learned)}."
                )
            for number in self.learned:
                _checks.positive("learned", number)

    def init(
        self, key: PRNGKey, in_features: int, edge_features: int | None = None
    ) -> ClusterAttentionParams:
        """Parameters, float32, as `ga.nn.init_linear` starts them; `edge_features` are ignored."""
        channels = self.channels_of_each(in_features)
        k_maps, k_output, k_assign = jax.random.split(key, 3)
        levels = self.learned or ()
        keys = jax.random.split(k_assign, max(len(levels), 1))
        width = self.heads * channels
        return ClusterAttentionParams(
            maps=self.init_maps(k_maps, in_features, channels),
            assign=tuple(nn.init_linear(k, in_features, m) for k, m in zip(keys, levels)),
            output=nn.init_linear(k_output, width, in_features, bias=self.use_bias),
        )

    def apply(
        self,
        params: ClusterAttentionParams,
        graph: Any,
        *,
        training: bool = False,
        key: Array | None = None,
    ) -> nn.LayerOutput:
        """The layer.

        Args:
          params: from `init`.
          graph: nodes `[N, D]`, with clusters (`ga.graphs.with_clusters`) unless they are learned.
          training, key: without effect, nothing is random.

        Returns:
          The graph with new nodes `[N, D]` in the dtype of the old, and the attention among the clusters of the first
          level, weights and logits `[G, H, M, M]`.

        Raises:
          ValueError: features that do not fit the parameters, a graph without clusters.
        """
        _checks.params(params, ClusterAttentionParams, self)
        nodes = nn.read_nodes(graph, params.maps.query.weight.shape[0])
        rows, found = Rows.of(graph), []
        levels = self._given(graph, rows) if self.learned is None else self._learned(params, nodes)
        for level in levels:
            found.append(self._attend(params, nodes, rows, level))
        out = jnp.mean(jnp.stack([out for out, _ in found]), axis=0)
        out = nn.linear(params.output, out.astype(nodes.dtype))
        return nn.LayerOutput(nn.with_nodes(graph, out), found[0][1])

    def _given(self, graph: Any, rows: Rows) -> list[_Hard]:
        clusters = graphs.clusters_of(graph)
        return [_Hard(jnp.asarray(ids), m) for ids, m in zip(clusters.ids, clusters.counts)]

    def _learned(self, params: ClusterAttentionParams, nodes: Array) -> list[_Soft]:
        how = self.implementation
        shares = (jax.nn.softmax(nn.linear(p, nodes).astype(jnp.float32)) for p in params.assign)
        return [_Soft(share[:, None], how) for share in shares]

    def _attend(self, params, nodes, rows, level):
        counted = jnp.concatenate([nodes, jnp.ones((nodes.shape[0], 1), nodes.dtype)], axis=1)
        sums = level.collect(counted.astype(jnp.float32), rows)
        number, (batch, m, _) = sums[..., -1], sums.shape
        filled = number > 0
        coarse = sums[..., :-1] / jnp.where(filled, number, 1)[..., None]
        query, keys, value = (
            self.split_heads(x, coarse.reshape(batch * m, -1)) for x in params.maps
        )
        bias = jnp.where(filled, jnp.log(jnp.where(filled, number, 1)), -jnp.inf)
        slots = np.arange(batch * m, dtype=np.int32)
        mixed, attention = ops.block_attention(
            query,
            keys,
            value,
            ops.Blocks(slots.reshape(batch, m), slots),
            score=ops.DotScore(bias=bias[:, None, None]),
            implementation=self.implementation,
        )
        return level.spread(combine_heads(mixed).reshape(batch, m, -1), rows), attention


class _Hard(NamedTuple):
    """Each node in one cluster."""

    ids: Array
    count: int

    def _places(self, rows: Rows) -> Array:
        return rows.ids * self.count + self.ids

    def collect(self, x: Array, rows: Rows) -> Array:
        """`[G, M, D]`, sums over the nodes of each cluster."""
        total = rows.num_graphs * self.count
        sums = ops.segment_sum(x, self._places(rows), total, where=rows.where)
        return sums.reshape(rows.num_graphs, self.count, x.shape[1])

    def spread(self, x: Array, rows: Rows) -> Array:
        """`[N, D]`, the row of its cluster for each node."""
        return ops.take(x.reshape(-1, x.shape[2]), self._places(rows))


class _Soft(NamedTuple):
    """Each node with shares `[N, 1, M]` of all clusters of its graph."""

    shares: Array
    implementation: str | None

    def collect(self, x: Array, rows: Rows) -> Array:
        """`[G, M, D]`, sums over nodes by their shares."""
        sums = ops.group_outer(
            self.shares,
            x[:, None],
            rows.sizes,
            where=rows.where,
            implementation=self.implementation,
        )
        return sums[:, 0]

    def spread(self, x: Array, rows: Rows) -> Array:
        """`[N, D]`, of the rows of the clusters by the shares of each node."""
        out = ops.group_apply(
            self.shares, x[:, None], rows.sizes, implementation=self.implementation
        )
        return out[:, 0]
