"""Routing: each node decides which of its relations it hears."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks, ops
from graphattn_jax._dtypes import accumulation_dtype
from graphattn_jax.graphs import Ends, Schema, num_nodes, relation_ends, schema_of
from graphattn_jax.nn._fusion import Fused, Fusion, reached, weighted
from graphattn_jax.nn._initializers import initializer
from graphattn_jax.nn._reading import read_nodes
from graphattn_jax.ops import Attention, take
from graphattn_jax.typing import Array, ArrayLike, PRNGKey

__all__ = ["Routing", "RoutingParams", "load_balance"]


class RoutingParams(NamedTuple):
    """receiver, sender `[D, M]`, the two halves of a map; its bias `[M]`; vector `[M]`; relation `[R]`."""

    receiver: Array
    sender: Array
    bias: Array
    vector: Array
    relation: Array


@dataclass(frozen=True)
class Routing(Fusion):
    """Dynamic relation routing: weights over the relations that are there, for each node by itself.

        r_iφ = softmax_φ( ( vᵀ relu( W [ x_i ‖ mean_{j ∈ N_φ(i)} x_j ] + b ) + c_φ ) / τ ),      x'_i = Σ_φ r_iφ m_iφ

    with x the nodes of the graph, m what the layer heard by φ, and the softmax over the relations of which i has an
    edge. With v = 0 all nodes of a type have the same weights as far as they have the same relations, as in HAN, and
    with c = 0 too the mean over the relations: the sum of R-GCN, over their number.

    With `top` = k a node hears its k best relations only, with the weights r over their sum; the gradient is that of r
    (straight-through). `load_balance` keeps nodes from all going the same way.

    Args:
      width: M.
      temperature: τ > 0.
      top: k; None = all.

    Raises:
      ValueError: sizes or a temperature that are not positive.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> edges = {("page", "links", "page"): ([0, 1], [1, 2]), ("page", "cites", "page"): ([1], [2])}
      >>> graph = ga.graphs.from_types({"page": np.eye(3, dtype=np.float32)}, edges)
      >>> layer = ga.message_passing.RGCN(4, schema=ga.graphs.schema_of(graph), fusion=ga.nn.Routing(top=1))
      >>> out = layer.apply(layer.init(jax.random.key(0), 3), ga.graphs.prepare(graph))
      >>> out.graph.nodes.features.shape, out.attention.shares.weights.shape
      ((3, 4), (3,))

    Source: this library's. Weights over experts by a softmax, their k best and the loss are those of Fedus, Zoph,
      Shazeer, "Switch Transformers", JMLR 2022, arXiv:2101.03961, equations 1, 2 and 4.
    """

    width: int = 64
    temperature: float = 1.0
    top: int | None = None

    def __post_init__(self) -> None:
        _checks.positive("width", self.width)
        _checks.number("temperature", self.temperature, zero=False)
        if self.top is not None:
            _checks.positive("top", self.top)

    def init(self, key: PRNGKey, schema: Schema, in_features: int, width: int) -> RoutingParams:
        """Glorot-uniform; the biases start at zero. See `Fusion.init`."""
        k_map, k_vector = jax.random.split(key)
        glorot = initializer("glorot_uniform")
        both = glorot(k_map, (2 * in_features, self.width), jnp.float32)
        return RoutingParams(
            receiver=both[:in_features],
            sender=both[in_features:],
            bias=jnp.zeros(self.width, jnp.float32),
            vector=glorot(k_vector, (1, self.width), jnp.float32)[0],
            relation=jnp.zeros(len(schema.relations), jnp.float32),
        )

    def apply(
        self,
        params: RoutingParams,
        graph: Any,
        z: ArrayLike,
        *,
        training: bool = False,
        key: Array | None = None,
    ) -> Fused:
        """The nodes.

        Args:
          params: from `init`.
          graph: typed, with nodes `[N, D]`.
          z: `[U, W]`, by the pairs of `ga.graphs.relation_ends(graph, "receiver")`.
          training: without effect.
          key: without effect.

        Returns:
          `Fused`, its nodes in the dtype of z.
        """
        ends = relation_ends(graph, "receiver")
        is_there, logits = reached(ends), self._logits(params, graph, ends)
        logits = jnp.where(is_there, logits / self.temperature, -jnp.inf)
        soft = ops.segment_softmax(logits, ends.node, num_nodes(graph))
        if self.top is None:
            return weighted(z, soft, graph, ends)
        best = jnp.where(_rank(soft, ends) < self.top, soft, 0)
        total = take(ops.segment_sum(best, ends.node, num_nodes(graph)), ends.node)
        hard = best / jnp.where(total > 0, total, 1)
        return weighted(z, soft + jax.lax.stop_gradient(hard - soft), graph, ends, soft)

    def _logits(self, params: RoutingParams, graph: Any, ends: Ends) -> Array:
        """`[U]`; the mean is of W x_j, so that no array has a row of D per pair."""
        x = read_nodes(graph, params.receiver.shape[0])
        wide, spoken = accumulation_dtype(x.dtype), relation_ends(graph)
        heard = take(ops.matmul(x, params.sender), spoken.node)
        ones = jnp.ones((ends.edges.num_edges, 1), wide)
        total = ops.edge_aggregate(ones, heard[:, None], ends.edges)[:, 0]
        real = ones[:, 0] if ends.edges.mask is None else jnp.asarray(ends.edges.mask).astype(wide)
        count = ops.segment_sum(real, ends.edges.receivers, ends.edges.num_rows)
        hidden = (
            take(ops.matmul(x, params.receiver), ends.node) + total / jnp.maximum(count, 1)[:, None]
        )
        hidden = jax.nn.relu(hidden + params.bias.astype(wide)[None])
        return hidden @ params.vector.astype(wide) + ends.relations.rows(params.relation)


def _rank(weights: Array, ends: Ends) -> Array:
    """`[U]`, 0 for the largest weight of each node, 1 for the next; of equal ones the first relation."""
    node, relation = jnp.asarray(ends.node), jnp.asarray(ends.relations.ids)
    order = jnp.lexsort((relation, -weights, node))
    ascending = node[order]
    rank = jnp.arange(len(order)) - jnp.searchsorted(ascending, ascending)
    return jnp.zeros_like(rank).at[order].set(rank)


def load_balance(attention: Attention, graph: Any) -> tuple[Array, Array]:
    """How unequally nodes choose among the relations that reach them: 1 where all are chosen alike, at most R.

        L_τ = R_τ Σ_φ f_φ P_φ

    over the R_τ relations that reach type τ: f_φ the share of its nodes that give φ the largest weight, P_φ the mean
    of r_iφ. Nodes without any edge do not count. Add it to a loss with a small factor, 0.01 in the source.

    Args:
      attention: of a layer with `ga.nn.Routing`: `out.attention`, or one of those of a network.
      graph: that of the layer.

    Returns:
      (sum, count), float32 scalars: L_τ(i) over the nodes i that hear anything, and their number.

    Raises:
      ValueError: attention without weights over relations, a graph without types.

    Cost: O(U log U) for the U pairs of a node and a relation.
    Padding: exact.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> edges = {("page", "links", "page"): ([0, 1], [1, 2]), ("page", "cites", "page"): ([1], [2])}
      >>> graph = ga.graphs.prepare(ga.graphs.from_types({"page": np.eye(3, dtype=np.float32)}, edges))
      >>> layer = ga.attention.HAN(4, schema=ga.graphs.schema_of(graph), fusion=ga.nn.Routing(top=1))
      >>> out = layer.apply(layer.init(jax.random.key(0), 3), graph)
      >>> total, count = ga.nn.load_balance(out.attention, graph)
      >>> float(count)
      2.0

    Source: as `Routing`, equation 4.
    """
    shares = None if attention is None else attention.shares
    if shares is None:
        raise ValueError(
            "attention must have weights over relations, which that of this layer has not. "
            "Fix: fusion=ga.nn.Routing(), and out.attention."
        )
    schema, ends = schema_of(graph), relation_ends(graph, "receiver")
    num_relations, relation = len(schema.relations), jnp.asarray(ends.relations.ids)
    is_there = reached(ends)
    probability = jnp.where(is_there, shares.probabilities, 0).astype(jnp.float32)
    is_first = is_there & (_rank(probability, ends) == 0)
    chosen = ops.segment_sum(is_first.astype(jnp.float32), relation, num_relations)
    mass = ops.segment_sum(probability, relation, num_relations)
    targets = jnp.asarray(schema.targets)
    count = ops.segment_sum(chosen, targets, len(schema.types))
    width = ops.segment_sum(jnp.ones(num_relations), targets, len(schema.types))
    per_node = width[targets] * chosen * mass / jnp.maximum(count[targets], 1)
    return jnp.sum(per_node), jnp.sum(count)
