"""From what the nodes of each type come with to nodes of one width."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from graphattn_jax import _checks, nn
from graphattn_jax.graphs import (
    Schema,
    TypedNodes,
    check_schema,
    node_groups,
    node_mask,
    relation_ends,
    schema_of,
)
from graphattn_jax.ops import Groups, segment_sum, take
from graphattn_jax.typing import Array, PRNGKey
from graphattn_jax.values import Value

__all__ = ["TypedInputParams", "TypedInputs"]


class TypedInputParams(NamedTuple):
    """Arrays of `TypedInputs`, each None where there is no use for it.

    features: a map by type from the widest features. embedding `[M, D]`: vectors of the nodes that come with nothing.
    bias `[T, D]`. categories `[Σ sizes, D]`: vectors of the categories of each column of each type, one column after
    the other. degree `[R, D]`: by relation.
    """

    features: Array | None
    embedding: Array | None
    bias: Array
    categories: Array | None = None
    degree: Array | None = None


@dataclass(frozen=True, repr=False)
class TypedInputs(Value):
    """From the features and categories of each type to nodes of one width.

        x_i = W_τ f_i + Σ_k E_τk[c_ik] + b_τ    for a type with features f or categories c
        x_i = v_i + b_τ                         for one with neither,   missing="embedding"
        x_i = Σ_φ log(1 + d_iφ) u_φ + b_τ                               missing="degree"
        x_i = b_τ                                                       missing="zero"

    with v_i learned for each node, and d_iφ the edges of relation φ to node i.

    Args:
      schema, widths, counts, vocabularies: of the whole graph; `TypedInputs.of(graph)` reads them off it.
      missing: what nodes with neither get. Vectors of nodes are of these nodes: a graph of others cannot have them.
        Degrees are those of the graph at hand; of a sample, those in the sample.

    Raises:
      ValueError: widths, counts or vocabularies that do not fit the types, an unknown choice.

    Example:
      >>> import graphattn_jax as ga
      >>> graph = ga.graphs.from_types({"page": 3}, {("page", "links", "page"): ([0, 1], [1, 2])})
      >>> ga.models.TypedInputs.of(graph, missing="degree").counts
      (3,)
    """

    schema: Schema
    widths: tuple[int, ...]
    counts: tuple[int, ...]
    vocabularies: tuple[tuple[int, ...], ...] = ()
    missing: str = "embedding"

    def __post_init__(self) -> None:
        check_schema(self.schema)
        names = ("widths", "counts", *(("vocabularies",) if self.vocabularies != () else ()))
        for name in names:
            _checks.instance(name, getattr(self, name), tuple, f"TypedInputs.of(graph).{name}")
            if len(getattr(self, name)) != len(self.schema.types):
                raise ValueError(
                    f"{name} must have an entry for each of {len(self.schema.types)} types, got {getattr(self, name)}."
                )
        _checks.choice("missing", self.missing, ("embedding", "degree", "zero"))

    @classmethod
    def of(cls, graph: Any, **changes: Any) -> TypedInputs:
        """Those of a typed graph."""
        schema, nodes = schema_of(graph), graph.nodes
        return cls(schema, nodes.widths, nodes.counts, nodes.vocabularies, **changes)

    @property
    def _sizes(self) -> tuple[tuple[int, ...], ...]:
        """Per type, those of its columns of categories."""
        return self.vocabularies or ((),) * len(self.schema.types)

    @property
    def _is_bare(self) -> np.ndarray:
        """`[T]`, the types that come with nothing."""
        return np.array([not w and not s for w, s in zip(self.widths, self._sizes, strict=True)])

    def init(self, key: PRNGKey, width: int) -> TypedInputParams:
        """Parameters, float32: maps Glorot-uniform by the width of their type, vectors N(0, 1 / D).

        Args:
          key: typed PRNG key.
          width: D.
        """
        k_maps, k_vectors = jax.random.split(key)
        k_nodes, k_categories, k_degree = (jax.random.fold_in(k_vectors, i) for i in range(3))
        features = embedding = categories = degree = None
        if deepest := max(self.widths):
            init = nn.initializer("glorot_uniform")
            keys = jax.random.split(k_maps, len(self.widths))
            maps = [
                jnp.pad(init(k, (d, width), jnp.float32), ((0, deepest - d), (0, 0)))
                if d
                else jnp.zeros((deepest, width), jnp.float32)
                for k, d in zip(keys, self.widths)
            ]
            features = jnp.stack(maps)

        def vectors(key: PRNGKey, rows: int) -> Array | None:
            return jax.random.normal(key, (rows, width)) * width**-0.5 if rows else None

        categories = vectors(k_categories, sum(map(sum, self._sizes)))
        if self.missing == "embedding":
            embedding = vectors(k_nodes, int(np.sum(self.counts, where=self._is_bare)))
        if self.missing == "degree" and self._is_bare.any():
            degree = vectors(k_degree, len(self.schema.relations))
        bias = jnp.zeros((len(self.widths), width))
        return TypedInputParams(features, embedding, bias, categories, degree)

    def apply(self, params: TypedInputParams, graph: Any) -> Array:
        """The nodes of one width.

        Args:
          params: from `init`.
          graph: typed, with the features and categories of these inputs.

        Returns:
          x, `[N, D]`.

        Raises:
          ValueError: another schema, features or categories that do not fit.
        """
        self.schema.check(graph)
        if not any(isinstance(x, Tracer) for x in jax.tree.leaves((graph.nodes, graph.n_node))):
            self.check(graph)
        nodes, types = graph.nodes, node_groups(graph)
        assert isinstance(nodes, TypedNodes)
        for name in ("widths", "vocabularies"):
            if (got := getattr(nodes, name)) != (own := getattr(self, name)):
                raise ValueError(
                    f"graph.nodes must have {name} {own} per type, got {got}. Fix: TypedInputs.of(graph), and new "
                    "parameters; or the encoding of columns that these were made with."
                )
        x = types.rows(params.bias)
        if params.features is not None:
            if nodes.features is None:
                raise ValueError(f"graph.nodes must have features, of widths {self.widths}.")
            mapped = nn.typed_linear(
                nn.TypedLinearParams(params.features, None),
                nn.real_nodes(graph, nodes.features),
                types,
            )
            x = mapped + x.astype(mapped.dtype)
        if params.categories is not None:
            x = x + self._of_categories(params.categories, nodes, types).astype(x.dtype)
        if params.embedding is not None:
            own = np.where(self._is_bare, self.counts, 0)
            starts = np.where(self._is_bare, np.cumsum(own) - own, -1)
            sizes = types.rows(np.maximum(own, 1))
            vectors = _chosen(params.embedding, types.rows(starts), sizes, nodes.index)
            x = x + vectors.astype(x.dtype)
        if params.degree is not None:
            is_bare = types.rows(self._is_bare)[:, None]
            degrees = self._of_degrees(params.degree, graph).astype(x.dtype)
            x = x + jnp.where(is_bare, degrees, 0)
        return x

    def check(self, graph: Any) -> None:
        """On the host: categories, and nodes with vectors of their own, are among those that there are; see
        `Network.check`.

        Args:
          graph: as `apply` takes it.

        Raises:
          ValueError: another schema; names the type, the id and its row.
        """
        self.schema.check(graph)
        nodes, is_real = graph.nodes, np.asarray(node_mask(graph))
        for t, name in enumerate(self.schema.types):
            here = is_real & (np.asarray(nodes.type) == t)
            if self.missing == "embedding" and self._is_bare[t]:
                index, what = np.where(here, nodes.index, 0), f"nodes of type {name!r}"
                _checks.ids_in_range("graph.nodes.index", index, max(self.counts[t], 1), what)
            for k, size in enumerate(self._sizes[t]):
                if nodes.categories is not None and k < nodes.categories.shape[1]:
                    ids, what = np.where(here, nodes.categories[:, k], 0), f"categories of {name!r}"
                    _checks.ids_in_range(f"column {k} of graph.nodes.categories", ids, size, what)

    def _of_categories(self, vectors: Array, nodes: TypedNodes, types: Groups) -> Array:
        """Σ_k E_τk[c_ik], `[N, D]`."""
        columns = max(map(len, self._sizes))
        if nodes.categories is None or nodes.categories.shape[1] != columns:
            raise ValueError(
                f"graph.nodes.categories must be [N, {columns}], got {_checks.describe(nodes.categories)}."
            )
        starts, sizes = np.full((2, len(self._sizes), columns), -1)
        flat = [(t, k, size) for t, own in enumerate(self._sizes) for k, size in enumerate(own)]
        ends = np.cumsum([size for *_, size in flat])
        for (t, k, size), end in zip(flat, ends, strict=True):
            starts[t, k], sizes[t, k] = end - size, size
        first, sizes, ids = types.rows(starts), types.rows(sizes), jnp.asarray(nodes.categories)
        parts = [_chosen(vectors, first[:, k], sizes[:, k], ids[:, k]) for k in range(columns)]
        return sum(parts[1:], start=parts[0])

    def _of_degrees(self, by_relation: Array, graph: Any) -> Array:
        """Σ_φ log(1 + d_iφ) u_φ, `[N, D]`."""
        ends = relation_ends(graph, "receiver")
        num_pairs, edges = ends.node.shape[0], ends.edges
        ones = jnp.ones(edges.num_edges, jnp.float32)
        degree = segment_sum(ones, edges.receivers, num_pairs, where=edges.mask)
        parts = jnp.log1p(degree)[:, None] * ends.relations.rows(by_relation)
        return segment_sum(parts, ends.node, graph.nodes.type.shape[0])


def _chosen(vectors: Array, start: Array, size: Array, index: Any) -> Array:
    """`[N, D]`, the rows start + index; 0 where start is -1, NaN where the index is not below the size."""
    start, size = (x.astype(jnp.int32) for x in (start, size))  # also under x64
    index = jnp.asarray(index)
    fits = (index >= 0) & (index < size)
    rows = take(vectors, jnp.where((start >= 0) & fits, start + index, 0))
    return jnp.where((start < 0)[:, None], 0, jnp.where(fits[:, None], rows, jnp.nan))
