"""Relations one after the other: metapaths of a typed graph, and the graph that has them as relations."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from graphattn_jax import _checks
from graphattn_jax._cache import remembered
from graphattn_jax.graphs._masks import node_graph_ids
from graphattn_jax.graphs._typed import Relation, Schema, TypedEdges, check_schema, schema_of
from graphattn_jax.graphs._types import GraphsTuple, to_host

__all__ = ["metapaths", "schema_metapaths"]

Metapath = Sequence[str | Relation]
"""Relations in the order in which a message takes them, by name or in full."""

SKETCHES = 32
"""Exponential keys per node: the estimated size of a product errs by about one part in √SKETCHES."""


def metapaths(
    graph: GraphsTuple,
    paths: Mapping[str, Metapath],
    *,
    count: bool = False,
    self_returns: bool = True,
    max_edges: int = 50_000_000,
    cache: str | os.PathLike | None = None,
) -> GraphsTuple:
    """A typed graph with the same nodes whose relations are metapaths of this one.

        A_P = A_φk ⋯ A_φ2 A_φ1      with A[receiver, sender] of each relation

    There is an edge j → i of the metapath P = (φ1, ..., φk) for each pair that some walk along these relations joins.
    What attends within a relation (`ga.attention.HAN`) then attends within a metapath.

    Args:
      graph: typed, a graph or a batch, without padding.
      paths: name to relations, {"coauthor": ("writes", "rev_writes")}: the type that one reaches is that which the next
        leaves.
      count: whether edges have a feature `[E, 1]`, the number of walks that join the pair, in which parallel edges
        count.
      self_returns: whether walks that end where they began make an edge.
      max_edges: how many pairs a product may have; an estimate is compared with it before any is computed.
      cache: a folder for products, or None. Files are named by what went in.

    Returns:
      A `GraphsTuple` with the nodes of `graph` and `TypedEdges`, graph by graph and metapath by metapath, sorted by
      receiver, then sender.

    Raises:
      ValueError: no paths, an unknown relation, types that do not chain, a product that would be too large.

    Cost: that of the sparse products. The estimate costs O(E) for each relation of a path; it is exact up to
      `max_edges` walks, and a sketch of about 20 % beyond.
    Padding: apply before `pad`.

    Example:
      >>> import graphattn_jax as ga
      >>> graph = ga.graphs.from_types(
      ...     {"author": 3, "paper": 2}, {("author", "writes", "paper"): ([0, 1, 2], [0, 0, 1])}, reverse=True)
      >>> paths = {"coauthor": ("writes", "rev_writes")}
      >>> together = ga.graphs.metapaths(graph, paths, self_returns=False)
      >>> together.nodes.schema.relations, together.senders.tolist(), together.receivers.tolist()
      ((('author', 'coauthor', 'author'),), [1, 0], [0, 1])

    Source: Sun, Han, Yan, Yu, Wu, "PathSim", VLDB 2011, definitions 2 and 4; the estimate is Cohen's, "Size-estimation
      framework with applications to transitive closure and reachability", JCSS 1997, section 3.
    """
    graph = to_host(graph, "metapaths")
    chains = chained(schema_of(graph), paths)
    _checks.positive("max_edges", max_edges)
    matrices = RelationMatrices(graph)
    product = walk_counts if cache is None else remembered(walk_counts, cache)
    edges = {}
    for name, chain in chains.items():
        parts = [matrices[relation] for relation in chain]
        check_fill_in(f"metapath {name!r}", parts, max_edges)
        found = product(parts, count).tocoo()
        source, target = (matrices.nodes[kind] for kind in (chain[0][0], chain[-1][2]))
        senders, receivers = source[found.col], target[found.row]
        kept = np.ones(len(senders), bool) if self_returns else senders != receivers
        edges[name] = Found(senders[kept], receivers[kept], found.data[kept])
    return with_metapaths(graph, chains, edges, count)


def schema_metapaths(
    schema: Schema, target: str, hops: int, *, sources: Sequence[str] | None = None
) -> dict[str, tuple[Relation, ...]]:
    """All metapaths of at most so many relations that reach a type.

    Args:
      schema: the types and relations, `ga.graphs.schema_of(graph)`.
      target: the type of their last nodes.
      hops: the largest number of relations.
      sources: types that they may begin at; None = any.

    Returns:
      Name to relations in the order of a message, the short ones first; the name is that of the relations with ">"
      between.

    Raises:
      ValueError: unknown types, hops that are not positive.

    Cost: their number grows as (relations per type) ** hops.

    Example:
      >>> import graphattn_jax as ga
      >>> relations = (("author", "writes", "paper"), ("paper", "rev_writes", "author"))
      >>> schema = ga.graphs.Schema(("author", "paper"), relations)
      >>> list(ga.graphs.schema_metapaths(schema, "author", 2))
      ['rev_writes', 'writes>rev_writes']
    """
    check_schema(schema)
    _checks.choice("target", target, schema.types)
    _checks.positive("hops", hops)
    for kind in sources or ():
        _checks.choice("sources", kind, schema.types)
    names = [name for _, name, _ in schema.relations]
    ends: list[tuple[Relation, ...]] = [()]
    found: dict[str, tuple[Relation, ...]] = {}
    for _ in range(hops):
        ends = [
            (relation, *path)
            for path in ends
            for relation in schema.relations
            if relation[2] == (path[0][0] if path else target)
        ]
        for path in ends:
            if sources is None or path[0][0] in sources:
                short = (r[1] if names.count(r[1]) == 1 else " ".join(r) for r in path)
                found[">".join(short)] = path
    return found


class Found(NamedTuple):
    """The edges of one metapath by nodes of the whole graph, sorted by receiver, then sender; and how many walks each
    stands for.
    """

    senders: np.ndarray
    receivers: np.ndarray
    walks: np.ndarray


class RelationMatrices:
    """A[receiver, sender] of each relation that is asked for, over the nodes of its two types in their order."""

    def __init__(self, graph: GraphsTuple):
        self._graph, self._schema = graph, schema_of(graph)
        kinds = np.asarray(graph.nodes.type)
        self.nodes = {kind: np.flatnonzero(kinds == t) for t, kind in enumerate(self._schema.types)}
        self._place = np.empty(len(kinds), np.int32)
        for ids in self.nodes.values():
            self._place[ids] = np.arange(len(ids))
        self._found: dict[Relation, Any] = {}

    def __getitem__(self, relation: Relation) -> Any:
        """CSR; entries are the numbers of parallel edges, int64."""
        if relation not in self._found:
            source, _, target = relation
            own = np.asarray(self._graph.edges.relation) == self._schema.relation_id(relation)
            ends = tuple(
                self._place[ids[own]] for ids in (self._graph.receivers, self._graph.senders)
            )
            shape = len(self.nodes[target]), len(self.nodes[source])
            ones = np.ones(own.sum(), np.int64)
            self._found[relation] = scipy.sparse.coo_array((ones, ends), shape).tocsr()
        return self._found[relation]


def chained(schema: Schema, paths: Mapping[str, Metapath]) -> dict[str, tuple[Relation, ...]]:
    """Paths with their relations in full, each of which leaves the type that the one before reaches."""
    if not isinstance(paths, Mapping) or not paths:
        raise ValueError(
            "paths must be a dict of at least one name to its relations, such as "
            f'{{"coauthor": ("writes", "rev_writes")}}, got {_checks.describe(paths)}.'
        )
    chains = {}
    for name, path in paths.items():
        if isinstance(path, str) or not isinstance(path, Sequence) or not path:
            raise ValueError(
                f"paths[{name!r}] must be a tuple of relations, got {_checks.describe(path)}."
            )
        chain = tuple(schema.relations[schema.relation_id(relation)] for relation in path)
        for before, after in itertools.pairwise(chain):
            if before[2] != after[0]:
                raise ValueError(
                    f"paths[{name!r}] does not chain: {before} reaches {before[2]!r}, and {after} leaves {after[0]!r}."
                )
        chains[name] = chain
    return chains


def walk_counts(matrices: Sequence[Any], count: bool) -> Any:
    """A_φk ⋯ A_φ1 in integers; without `count`, 1 where there is a walk."""
    product = matrices[0]
    for matrix in matrices[1:]:
        product = matrix @ product
        if not count:
            product.data[:] = 1
    product = product.tocsr()
    product.sort_indices()
    return product if count else product.astype(bool).astype(product.dtype)


def check_fill_in(name: str, matrices: Sequence[Any], max_edges: int) -> None:
    """Refuse a product that, from the first matrix to any later one, would have more than so many entries."""
    walks = np.ones(matrices[0].shape[1])
    bounds = [(walks := matrix @ walks).sum() for matrix in matrices]
    if max(bounds) <= max_edges:
        return
    for length, size in enumerate(_estimated_sizes(matrices), 1):
        if size > max_edges:
            raise ValueError(
                f"{name} would have about {size:.2g} edges after {length} of {len(matrices)} relations, more than "
                f"max_edges={max_edges}. Fix: ga.graphs.sample_metapaths, a shorter path, or a larger max_edges."
            )


def _estimated_sizes(matrices: Sequence[Any]) -> list[float]:
    """Entries of A_φ1, A_φ2 A_φ1, ...: the more columns a row reaches, the smaller the least of their random keys."""
    rng = np.random.default_rng(0)
    total = [np.zeros(matrix.shape[0]) for matrix in matrices]
    for _ in range(SKETCHES):
        least = rng.exponential(size=matrices[0].shape[1])
        for matrix, own in zip(matrices, total, strict=True):
            starts, reached = matrix.indptr[:-1], np.diff(matrix.indptr) > 0
            keys = least[matrix.indices]
            least = np.full(matrix.shape[0], np.inf)
            least[reached] = np.minimum.reduceat(keys, starts[reached]) if len(keys) else np.inf
            own += least
    return [float(np.sum((SKETCHES - 1) / own)) for own in total]


def with_metapaths(
    graph: GraphsTuple,
    chains: Mapping[str, tuple[Relation, ...]],
    edges: Mapping[str, Found],
    count: bool,
) -> GraphsTuple:
    """The nodes of the graph with these edges, graph by graph."""
    nodes = graph.nodes
    relations = tuple((chain[0][0], name, chain[-1][2]) for name, chain in chains.items())
    schema = Schema(nodes.schema.types, relations)
    senders, receivers, walks = (np.concatenate(parts) for parts in zip(*edges.values()))
    relation = np.repeat(np.arange(len(edges)), [len(found.senders) for found in edges.values()])
    owner = np.asarray(node_graph_ids(graph))[receivers]
    order = np.argsort(owner, kind="stable")
    features = walks[order, None].astype(np.float32) if count else None
    return GraphsTuple(
        nodes=replace(nodes, schema=schema),
        edges=TypedEdges(relation[order].astype(np.int32), features),
        senders=senders[order].astype(np.int32),
        receivers=receivers[order].astype(np.int32),
        globals=graph.globals,
        n_node=graph.n_node,
        n_edge=np.bincount(owner, minlength=len(graph.n_node)).astype(np.int32),
    )
