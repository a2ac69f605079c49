"""Relative positions of the two ends of an edge: symmetric biases, and Shaw's directional features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from graphattn_jax import _checks, nn
from graphattn_jax.attention._global_attention import GlobalAttention
from graphattn_jax.attention._pipeline import AttentionLayer, check_switches
from graphattn_jax.attention._scores import add_bias
from graphattn_jax.graphs import Schema, TypedEdges, check_schema
from graphattn_jax.typing import Array, ArrayLike, PRNGKey

__all__ = [
    "RelativeBias",
    "RelativeBiasParams",
    "relative_bias",
    "relative_buckets",
    "shaw_features",
]


def relative_buckets(
    positions: ArrayLike,
    senders: ArrayLike,
    receivers: ArrayLike,
    *,
    max_distance: int,
    symmetric: bool = True,
) -> Array:
    """A bucket per edge from the difference of its ends' positions.

        symmetric     min(|p_i − p_j|, K)             in [0, K], equal on an edge and its reverse
        directional   clip(p_j − p_i, −K, K) + K      in [0, 2K], tells sender from receiver

    Args:
      positions: `[N]` integers: an order, a level, a degree class, a distance to a root.
      senders: `[E]` integers in `[0, N)`.
      receivers: `[E]` integers in `[0, N)`.
      max_distance: K ≥ 1.
      symmetric: which of the two.

    Returns:
      `[E]` int32.

    Raises:
      ValueError: positions that are not integers, K < 1.

    Cost: O(E).

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> p, s, r = np.array([0, 5]), np.array([0, 1]), np.array([1, 0])
      >>> ga.attention.relative_buckets(p, s, r, max_distance=2).tolist()
      [2, 2]
      >>> ga.attention.relative_buckets(p, s, r, max_distance=2, symmetric=False).tolist()
      [0, 4]

    Source: Shaw, Uszkoreit, Vaswani, "Self-Attention with Relative Position Representations", NAACL 2018,
      arXiv:1803.02155, equation 3, for the directional form.
    """
    _checks.ids("positions", positions)
    _checks.ids("senders", senders)
    _checks.ids("receivers", receivers, senders.shape[0])
    _checks.positive("max_distance", max_distance)
    positions = jnp.asarray(positions).astype(jnp.int32)
    difference = positions[jnp.asarray(senders)] - positions[jnp.asarray(receivers)]
    if symmetric:
        return jnp.minimum(jnp.abs(difference), max_distance)
    return jnp.clip(difference, -max_distance, max_distance) + max_distance


def relative_bias(table: ArrayLike, buckets: ArrayLike) -> Array:
    """A learned scalar per bucket and head, to pass as `bias=` to any layer; `RelativeBias` is a layer that does so.

        b_ij = table[ bucket(i, j) ]

    Symmetric buckets (`relative_buckets`, shortest-path distances, common neighbours) give a symmetric
    bias; it leaves a symmetric score symmetric, and does not make any other score so.

    Args:
      table: `[num_buckets, H]`, floating point.
      buckets: `[E]` integers in `[0, num_buckets)`.

    Returns:
      `[E, H]` in the dtype of the table.

    Raises:
      ValueError: buckets that are not integers, or (outside `jit`) out of range.

    Cost: O(E H).

    Example:
      >>> import jax.numpy as jnp, graphattn_jax as ga
      >>> ga.attention.relative_bias(jnp.array([[1.], [2.]]), jnp.array([1, 0, 1])).ravel().tolist()
      [2.0, 1.0, 2.0]

    Source: the scalar form of Shaw et al. 2018; b_φ(i,j) of Ying et al., "Graphormer", NeurIPS 2021, equation 6.
    """
    _checks.shape("table", table, ("K", "H"))
    _checks.ids("buckets", buckets)
    _checks.ids_in_range("buckets", buckets, table.shape[0], "buckets")
    return nn.table_rows(table, buckets)


def shaw_features(
    positions: ArrayLike, senders: ArrayLike, receivers: ArrayLike, *, max_distance: int
) -> Array:
    """Directional relative positions as one-hot edge features.

    A `GraphTransformer` with these as edge features is Shaw's attention,

        e_ij = x_i W_q (x_j W_k + a^K_{j−i})ᵀ / √C,    z_i = Σ_j α_ij (x_j W_v + a^V_{j−i})

    with the rows of its `edge_key` and `edge_value` as a^K and a^V. It is asymmetric by design, even for a table with
    a_{j−i} = a_{i−j}: the term (x_i W_q) · a depends on the receiver only.

    Args:
      positions: `[N]` integers.
      senders: `[E]` integers in `[0, N)`.
      receivers: `[E]` integers in `[0, N)`.
      max_distance: K ≥ 1; differences are clipped to [−K, K].

    Returns:
      `[E, 2K + 1]` float32.

    Raises:
      ValueError: as `relative_buckets`.

    Cost: O(E K).

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> p, s, r = np.array([0, 1]), np.array([0, 1]), np.array([1, 0])
      >>> ga.attention.shaw_features(p, s, r, max_distance=1).tolist()
      [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]

    Source: Shaw et al. 2018, equations 3 and 4.
    """
    buckets = relative_buckets(
        positions, senders, receivers, max_distance=max_distance, symmetric=False
    )
    return jax.nn.one_hot(buckets, 2 * max_distance + 1, dtype=jnp.float32)


class RelativeBiasParams(NamedTuple):
    """Arrays of a `RelativeBias`. layer: those of the layer inside. table `[num_buckets, H]`: a bias per bucket; with a
    schema `[R, num_buckets, H]`.
    """

    layer: Any
    table: Array


@dataclass(frozen=True, repr=False)
class RelativeBias(nn.Layer):
    """A layer with a learned logit bias per bucket and head of its edges.

        b_ij = table[ bucket(i, j) ],      with a schema table[ φ, bucket(i, j) ] for an edge of relation φ

    The buckets come with the graph, `graph.edges = ga.nn.EdgeInputs(features, buckets=...)`: of `relative_buckets`, of
    shortest paths, of common neighbours. The bias is added where the layer adds its `bias`. A relation has its types,
    so that its bias is one of the types of both ends too; with one bucket it may do without `TypedEdges.buckets`.

    Args:
      layer: an attention layer on edges.
      num_buckets: rows of the table: K + 1 for symmetric buckets, 2K + 1 for directional ones.
      schema: of typed graphs, for a table per relation; None = one table.
      symmetric: with a schema, whether a relation and its reverse have the mean of their tables: with symmetric buckets
        the bias of an edge is then that of the edge back, and a symmetric score stays symmetric.

    Raises:
      ValueError: not such a layer, sizes that are not positive integers.

    Cost: that of the layer, and O(E H).
    Padding: that of the layer; the buckets of padding edges may be any.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1, 2], [1, 2, 0], nodes=np.eye(3, 4, dtype=np.float32))
      >>> buckets = ga.attention.relative_buckets(np.arange(3), graph.senders, graph.receivers, max_distance=2)
      >>> graph = ga.graphs.prepare(graph._replace(edges=ga.nn.EdgeInputs(buckets=buckets)))
      >>> layer = ga.attention.RelativeBias(ga.attention.GATv2(channels=8, heads=2), num_buckets=3)
      >>> params = layer.init(jax.random.key(0), in_features=4)
      >>> jax.jit(layer.apply)(params, graph).graph.nodes.shape
      (3, 16)

    Source: see `relative_bias`.
    """

    layer: AttentionLayer
    num_buckets: int
    schema: Schema | None = None
    symmetric: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.layer, AttentionLayer) or isinstance(self.layer, GlobalAttention):
            raise ValueError(
                f"layer must be an attention layer on edges, such as ga.attention.GATv2(heads=4), got {self.layer!r}."
            )
        _checks.positive("num_buckets", self.num_buckets)
        check_switches(self, "symmetric")
        if self.schema is not None:
            check_schema(self.schema)
        elif self.symmetric:
            raise ValueError(
                "symmetric=True is for a table per relation. Fix: schema=ga.graphs.schema_of(graph), or symmetric "
                "buckets."
            )

    @property
    def _shape(self) -> tuple[int, ...]:
        relations = () if self.schema is None else (len(self.schema.relations),)
        return (*relations, self.num_buckets, self.layer.heads)

    @property
    def updates_edges(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """As the layer inside."""
        return self.layer.updates_edges

    def init(
        self, key: PRNGKey, in_features: Any, edge_features: int | None = None
    ) -> RelativeBiasParams:
        """Parameters of the layer inside, and a table in float32, normal with standard deviation 0.02; see
        `ga.nn.Layer.init`.
        """
        k_layer, k_table = jax.random.split(key)
        return RelativeBiasParams(
            layer=self.layer.init(k_layer, in_features, edge_features),
            table=0.02 * jax.random.normal(k_table, self._shape, jnp.float32),
        )

    def apply(
        self,
        params: RelativeBiasParams,
        graph: Any,
        *,
        bias: ArrayLike | None = None,
        training: bool = False,
        key: Array | None = None,
    ) -> nn.LayerOutput:
        """The layer.

        Args:
          params: from `init`.
          graph: as the layer inside takes it, with `graph.edges` a `ga.nn.EdgeInputs` with integer `buckets` `[E]`.
          bias: `[E, H]` added to the logits too.
          training: whether there is dropout.
          key: typed key, required in training when the rate is positive.

        Returns:
          As the layer inside.

        Raises:
          ValueError: buckets missing, not integers, or (outside `jit`) out of range; as the layer inside.
        """
        _checks.params(params, RelativeBiasParams, self)
        _checks.shape("params.table", params.table, self._shape)
        if self.schema is None:
            own = relative_bias(params.table, self._buckets(graph))
        else:
            own = self._by_relation(params.table, graph)
        return self.layer.apply(
            params.layer, graph, bias=add_bias(bias, own), training=training, key=key
        )

    def check(self, graph: Any) -> None:
        """On the host: the buckets of real edges are rows of the table; and as the layer inside.

        Args:
          graph: as `apply` takes it.

        Raises:
          ValueError: buckets missing, not integers or out of range.
        """
        if not self._needs_none(graph):
            buckets = self._buckets(graph)
            _checks.ids("graph.edges.buckets", buckets)
            found = nn.real_edges(graph, buckets)
            _checks.ids_in_range("graph.edges.buckets", found, self.num_buckets, "buckets")
        self.layer.check(graph)

    def _needs_none(self, graph: Any) -> bool:
        """A number per relation."""
        return (
            self.schema is not None
            and self.num_buckets == 1
            and getattr(graph.edges, "buckets", None) is None
        )

    def _buckets(self, graph: Any) -> ArrayLike:
        """Of every edge."""
        kind = nn.EdgeInputs if self.schema is None else TypedEdges
        if not isinstance(graph.edges, kind) or graph.edges.buckets is None:
            raise ValueError(
                f"graph.edges must hold the bucket of every edge for {self}. Fix: graph.edges = "
                "ga.nn.EdgeInputs(features, buckets=ga.attention.relative_buckets(...)), and "
                "graph.edges._replace(buckets=...) of a typed graph."
            )
        return graph.edges.buckets

    def _by_relation(self, table: ArrayLike, graph: Any) -> Array:
        """`[E, H]`, a table for each relation."""
        assert self.schema is not None
        self.schema.check(graph)
        table = jnp.asarray(table)
        if self.symmetric:
            own, back = np.arange(table.shape[0]), np.array(self.schema.reverses)
            table = 0.5 * (table + table[np.where(back < 0, own, back)])
        relation = jnp.asarray(graph.edges.relation)
        if self._needs_none(graph):
            return table[relation, 0]
        buckets = self._buckets(graph)
        _checks.ids("buckets", buckets, relation.shape[0])
        _checks.ids_in_range("buckets", buckets, self.num_buckets, "buckets")
        return table[relation, jnp.asarray(buckets)]
