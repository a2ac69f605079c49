"""How what a node heard by each of its relations becomes one vector."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks, ops
from graphattn_jax._dtypes import accumulation_dtype
from graphattn_jax.graphs import (
    Ends,
    Schema,
    node_graph_ids,
    node_mask,
    num_graphs,
    num_nodes,
    relation_ends,
    schema_of,
)
from graphattn_jax.nn._initializers import initializer
from graphattn_jax.nn._linear import LinearParams, init_linear, linear
from graphattn_jax.ops import take
from graphattn_jax.typing import Array, ArrayLike, PRNGKey

__all__ = [
    "Fused",
    "Fusion",
    "SemanticAttention",
    "SemanticAttentionParams",
    "Shares",
    "check_fusion",
]


class Shares(NamedTuple):
    """How much each relation counts for each node that it reaches, over the pairs of `relation_ends(..., "receiver")`.

    weights `[U]`: as used; those of one node sum to 1 where a fusion is local. probabilities `[U]`: before a choice of
    the largest.
    """

    weights: Array
    probabilities: Array


class Fused(NamedTuple):
    """New nodes `[N, W]`, and how much each relation counted."""

    nodes: Array
    shares: Shares


class Fusion(ABC):
    """A frozen value that makes one vector per node of those by its relations. Subclass it for one of your own.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> nodes, edges = {"page": np.eye(3, dtype=np.float32)}, {("page", "links", "page"): ([0, 1], [1, 2])}
      >>> graph = ga.graphs.from_types(nodes, edges)
      >>> fusion, schema = ga.nn.SemanticAttention(width=8), ga.graphs.schema_of(graph)
      >>> params = fusion.init(jax.random.key(0), schema, in_features=3, width=2)
      >>> z = np.ones((2, 2), np.float32)  # of two pairs: (1, links) and (2, links)
      >>> fusion.apply(params, ga.graphs.prepare(graph), z).nodes.tolist()
      [[0.0, 0.0], [1.0, 1.0], [1.0, 1.0]]
    """

    @abstractmethod
    def init(self, key: PRNGKey, schema: Schema, in_features: int, width: int) -> Any:
        """Parameters, a pytree of arrays.

        Args:
          key: typed PRNG key.
          schema: the types and relations.
          in_features: D of the nodes of the graph.
          width: W of the vectors.
        """

    @abstractmethod
    def apply(
        self,
        params: Any,
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
          z: `[U, W]`, what a node heard by a relation, by the pairs of `ga.graphs.relation_ends(graph, "receiver")`.
          training: whether there is dropout.
          key: typed key, required in training when something is random.

        Returns:
          `Fused`, its nodes in the dtype of z.
        """


class SemanticAttentionParams(NamedTuple):
    """A map to `[A]`, and the vector `[A]`."""

    map: LinearParams
    vector: Array


@dataclass(frozen=True)
class SemanticAttention(Fusion):
    """One weight per relation for all nodes of a type in a graph.

        w_φ = mean_i qᵀ tanh( W z_iφ + b ),      β = softmax_φ( w ),      x'_i = Σ_φ β_φ z_iφ

    The softmax is over the relations that reach one type, and the mean over its real nodes in a graph, with z = 0 for
    those that φ does not reach.

    Args:
      width: A of W.

    Raises:
      ValueError: a width that is not a positive integer.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> edges = {("page", "links", "page"): ([0, 1], [1, 2]), ("page", "cites", "page"): ([1], [2])}
      >>> graph = ga.graphs.from_types({"page": np.eye(3, dtype=np.float32)}, edges)
      >>> layer = ga.attention.HAN(4, 2, schema=ga.graphs.schema_of(graph), fusion=ga.nn.SemanticAttention(width=16))
      >>> out = layer.apply(layer.init(jax.random.key(0), 3), ga.graphs.prepare(graph))
      >>> out.graph.nodes.features.shape, out.attention.shares.weights.shape
      ((3, 8), (3,))

    Source: Wang et al., "Heterogeneous Graph Attention Network", WWW 2019, arXiv:1903.07293, equations 7 to 9.
    """

    width: int = 128

    def __post_init__(self) -> None:
        _checks.positive("width", self.width)

    def init(
        self, key: PRNGKey, schema: Schema, in_features: int, width: int
    ) -> SemanticAttentionParams:
        """Glorot-uniform; see `Fusion.init`."""
        keys = jax.random.split(key)
        vector = initializer("glorot_uniform")(keys[1], (1, self.width), jnp.float32)[0]
        return SemanticAttentionParams(init_linear(keys[0], width, self.width), vector)

    def apply(
        self,
        params: SemanticAttentionParams,
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
        beta = self._over_relations(params, graph, jnp.asarray(z), ends)
        of_pair = take(jnp.asarray(node_graph_ids(graph)), ends.node)
        return weighted(z, beta[of_pair, jnp.asarray(ends.relations.ids)], graph, ends)

    def _over_relations(
        self, params: SemanticAttentionParams, graph: Any, z: Array, ends: Ends
    ) -> Array:
        """β `[G, R]`: means of the score over the nodes of the type, of which those without an edge of φ have z = 0."""
        wide, schema = accumulation_dtype(z.dtype), schema_of(graph)
        targets = jnp.asarray(schema.targets)
        num_types, num_relations = len(schema.types), len(schema.relations)
        graphs, node_graph = num_graphs(graph), jnp.asarray(node_graph_ids(graph))

        def score(z: Array) -> Array:
            return jnp.tanh(linear(params.map, z)).astype(wide) @ params.vector

        without = score(jnp.zeros((1, z.shape[1]), z.dtype))[0]
        is_reached = reached(ends)
        place = take(node_graph, ends.node) * num_relations + jnp.asarray(ends.relations.ids)
        above = jnp.where(is_reached, score(jnp.where(is_reached[:, None], z, 0)) - without, 0)
        total = ops.segment_sum(above, place, graphs * num_relations)
        kinds = node_graph * num_types + jnp.asarray(graph.nodes.type)
        is_real = jnp.asarray(node_mask(graph)).astype(wide)
        count = ops.segment_sum(is_real, kinds, graphs * num_types).reshape(graphs, num_types)
        mean = total.reshape(graphs, num_relations) / jnp.maximum(count[:, targets], 1) + without
        groups = (jnp.arange(graphs)[:, None] * num_types + targets[None]).ravel()
        beta = ops.segment_softmax(mean.ravel(), groups, graphs * num_types)
        return beta.reshape(graphs, num_relations)


def reached(ends: Ends) -> Array:
    """`[U]` bool: which pairs of a receiver and a relation have a real edge."""
    real = jnp.ones(ends.edges.num_edges, jnp.float32)
    if ends.edges.mask is not None:
        real = jnp.asarray(ends.edges.mask).astype(jnp.float32)
    return ops.segment_sum(real, ends.edges.receivers, ends.edges.num_rows) > 0


def weighted(
    z: ArrayLike, weights: Array, graph: Any, ends: Ends, probabilities: Array | None = None
) -> Fused:
    """Σ_φ w_iφ z_iφ, in the dtype of z."""
    z = jnp.asarray(z)
    out = ops.segment_sum(weights[:, None] * z.astype(weights.dtype), ends.node, num_nodes(graph))
    shares = Shares(weights, weights if probabilities is None else probabilities)
    return Fused(out.astype(z.dtype), shares)


def check_fusion(fusion: Any) -> None:
    """A value that fuses what a node heard by its relations.

    Args:
      fusion: what may be one.

    Returns:
      Nothing.

    Raises:
      ValueError: anything else.

    Example:
      >>> import graphattn_jax as ga
      >>> ga.nn.check_fusion(ga.nn.Routing(top=2))
    """
    if not isinstance(fusion, Fusion):
        raise ValueError(
            "fusion must be a value such as ga.nn.SemanticAttention(), Routing() or TransformerFusion(), got "
            f"{_checks.describe(fusion)}."
        )
