"""Random walks along metapaths, and the neighbours that they find."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from graphattn_jax import _checks
from graphattn_jax.graphs._features import as_ids
from graphattn_jax.graphs._metapaths import (
    Found,
    Metapath,
    RelationMatrices,
    chained,
    with_metapaths,
)
from graphattn_jax.graphs._typed import Relation, schema_of
from graphattn_jax.graphs._types import GraphsTuple, to_host

__all__ = ["metapath_walks", "sample_metapaths"]


def metapath_walks(
    graph: GraphsTuple,
    path: Metapath,
    receivers: Any = None,
    *,
    walks: int = 1,
    seed: int = 0,
    index: int = 0,
) -> np.ndarray:
    """Random walks from receivers back along a metapath, to those whom they hear.

    Each step goes from a node to the sender of one of its incoming edges of the relation, all equally likely.

    Args:
      graph: typed, a graph or a batch, without padding.
      path: relations in the order of a message, ("writes", "rev_writes"); the walk takes the last one first.
      receivers: `[B]` ids of nodes of the type that the metapath reaches; None = all.
      walks: W, how many from each.
      seed, index: of the random numbers; the same two give the same walks. A step of training counts through `index`.

    Returns:
      `[B, W, k + 1]` int32 nodes of k relations, the receiver first; -1 behind a node without such an edge.

    Raises:
      ValueError: an unknown relation, types that do not chain, receivers of another type.

    Cost: O(E) for the relations of the path, O(B W k) for the walks.
    Padding: apply before `pad`.

    Example:
      >>> import graphattn_jax as ga
      >>> graph = ga.graphs.from_types(
      ...     {"author": 2, "paper": 2}, {("author", "writes", "paper"): ([0, 1], [0, 0])}, reverse=True)
      >>> ga.graphs.metapath_walks(graph, ("rev_writes", "writes"), [2, 3])[:, 0, ::2].tolist()
      [[2, 2], [3, -1]]

    Source: Dong, Chawla, Swami, "metapath2vec", KDD 2017, section 3.2.
    """
    graph = to_host(graph, "metapath_walks")
    (chain,) = chained(schema_of(graph), {"path": path}).values()
    _checks.positive("walks", walks)
    rng = np.random.default_rng([seed, index])
    return _walks(graph, RelationMatrices(graph), chain, receivers, walks, rng)


def sample_metapaths(
    graph: GraphsTuple,
    paths: Mapping[str, Metapath],
    receivers: Any = None,
    *,
    walks: int,
    count: bool = False,
    seed: int = 0,
    index: int = 0,
) -> GraphsTuple:
    """As `metapaths` with the neighbours that random walks find: no product, and at most `walks` of them for a node.

    Args:
      graph: typed, a graph or a batch, without padding.
      paths: name to relations in the order of a message.
      receivers: `[B]` ids of nodes, for which neighbours are looked for along the metapaths that reach their type; None
        = all.
      walks: how many from each receiver along each metapath.
      count: whether edges have a feature `[E, 1]`, how many of the walks ended there.
      seed, index: of the random numbers; the same two give the same edges.

    Returns:
      A `GraphsTuple` with the nodes of `graph`, and `TypedEdges` sorted as those of `metapaths`.

    Raises:
      ValueError: as `metapaths`; receivers out of range.

    Cost: O(E + B walks k) for each path of k relations.
    Padding: apply before `pad`.

    Example:
      >>> import graphattn_jax as ga
      >>> graph = ga.graphs.from_types(
      ...     {"author": 2, "paper": 1}, {("author", "writes", "paper"): ([0, 1], [0, 0])}, reverse=True)
      >>> together = ga.graphs.sample_metapaths(graph, {"coauthor": ("writes", "rev_writes")}, walks=20)
      >>> list(zip(together.senders.tolist(), together.receivers.tolist()))
      [(0, 0), (1, 0), (0, 1), (1, 1)]

    Source: as `metapath_walks`.
    """
    graph = to_host(graph, "sample_metapaths")
    chains = chained(schema_of(graph), paths)
    _checks.positive("walks", walks)
    matrices, edges = RelationMatrices(graph), {}
    for number, (name, chain) in enumerate(chains.items()):
        own = None
        if receivers is not None:
            given = as_ids("receivers", receivers)
            _checks.ids("receivers", given)
            _checks.ids_in_range("receivers", given, len(graph.nodes.type))
            own = given[np.isin(given, matrices.nodes[chain[-1][2]])]
        rng = np.random.default_rng([seed, index, number])
        ends = _walks(graph, matrices, chain, own, walks, rng)[..., [0, -1]].reshape(-1, 2)
        pairs, times = np.unique(ends[ends[:, 1] >= 0], axis=0, return_counts=True)
        edges[name] = Found(pairs[:, 1], pairs[:, 0], times)
    return with_metapaths(graph, chains, edges, count)


def _walks(
    graph: GraphsTuple,
    matrices: RelationMatrices,
    chain: tuple[Relation, ...],
    receivers: Any,
    walks: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """`[B, W, k + 1]`."""
    targets = matrices.nodes[chain[-1][2]]
    starts = targets if receivers is None else as_ids("receivers", receivers)
    _checks.ids("receivers", starts)
    _checks.ids_in_range("receivers", starts, len(graph.nodes.type))
    if not (known := np.isin(starts, targets)).all():
        raise ValueError(
            f"receivers must be of type {chain[-1][2]!r}, which {chain[-1]} reaches, got node "
            f"{starts[np.argmin(known)]}."
        )
    at = np.repeat(np.searchsorted(targets, starts), walks)
    steps = [targets[at]]
    for relation in reversed(chain):
        matrix, sources = matrices[relation], matrices.nodes[relation[0]]
        # Parallel edges are one entry, which is as likely as it has edges.
        edges = np.append(0, np.cumsum(matrix.data))
        low, high = (edges[matrix.indptr[np.minimum(at + k, matrix.shape[0])]] for k in (0, 1))
        chosen = low + (rng.random(len(at)) * (high - low)).astype(np.int64)
        entry = np.searchsorted(edges, chosen, side="right") - 1
        # A walk that has ended is behind the last node from then on.
        at = np.where(high > low, np.append(matrix.indices, 0)[entry], len(sources))
        steps.append(np.append(sources, -1)[at])
    return np.stack(steps, axis=1).reshape(len(starts), walks, len(steps)).astype(np.int32)
