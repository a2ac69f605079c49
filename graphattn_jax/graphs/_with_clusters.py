"""Clusters of nodes, carried by the graph."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

from graphattn_jax import _checks
from graphattn_jax.graphs._features import as_ids
from graphattn_jax.graphs._prepare import prepare
from graphattn_jax.graphs._types import GraphsTuple, PreparedGraph, checked_layout, prepared
from graphattn_jax.typing import ArrayLike

__all__ = ["Clusters", "clusters_of", "with_clusters"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Clusters:
    """Which cluster of its graph each node is in, in one level or several.

    ids: `[N]` int32 in `[0, M)` per level. counts: static, M of each level, the same for all graphs of a batch.
    """

    ids: tuple[ArrayLike, ...]
    counts: tuple[int, ...] = field(metadata={"static": True})


def with_clusters(
    graph: GraphsTuple, *ids: ArrayLike, counts: tuple[int, ...] | None = None
) -> PreparedGraph:
    """The graph with clusters of its nodes, which `ga.linear_attention.ClusterAttention` attends among.

    They are part of its layout: new features keep them, padding and preparing again drop them.

    Args:
      graph: a graph or batch, prepared, padded or plain.
      *ids: one array per level, `[N]` integers: which cluster of its own graph each node is in, from 0. Those of a
        padded graph may leave the padding out.
      counts: how many clusters each level has per graph, so that batches share a compilation; None = as many as the ids
        say.

    Returns:
      The graph, prepared if it was not.

    Raises:
      ValueError: no level, ids that do not fit the nodes or the counts.

    Cost: that of `prepare` for a plain graph.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 2], nodes=np.ones((3, 1), np.float32))
      >>> ga.graphs.with_clusters(graph, np.array([0, 0, 1])).layout.clusters.counts
      (2,)
    """
    graph = graph if isinstance(graph, PreparedGraph) else prepare(graph)
    layout = checked_layout(graph)
    if not ids:
        raise ValueError("with_clusters needs the ids of at least one level, got none.")
    num_nodes, num_real = len(layout.node_mask), int(np.sum(layout.node_mask))
    made = []
    for x in ids:
        x = as_ids("ids", x)
        if len(x) == num_real:
            x = np.concatenate([x, np.zeros(num_nodes - num_real, x.dtype)])
        _checks.ids("ids", x, num_nodes)
        made.append(x.astype(np.int32))
    if counts is None:
        counts = tuple(int(x.max(initial=0)) + 1 for x in made)
    if len(counts) != len(made):
        raise ValueError(f"counts must have a number for each of {len(made)} levels, got {counts}.")
    for x, count in zip(made, counts):
        _checks.positive("counts", count)
        _checks.ids_in_range("ids", x, count, "clusters")
    return prepared(
        GraphsTuple(*graph), dataclasses.replace(layout, clusters=Clusters(tuple(made), counts))
    )


def clusters_of(graph: Any) -> Clusters:
    """The clusters that a graph carries.

    Args:
      graph: of `with_clusters`; also inside `jax.jit`.

    Returns:
      `Clusters`.

    Raises:
      ValueError: a graph without any.

    Cost: none.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0], [1], nodes=np.ones((2, 1), np.float32))
      >>> ga.graphs.clusters_of(ga.graphs.with_clusters(graph, np.array([0, 1]))).ids[0].tolist()
      [0, 1]
    """
    layout = checked_layout(graph) if isinstance(graph, PreparedGraph) else None
    if layout is None or layout.clusters is None:
        raise ValueError(
            "this layer attends among clusters, and the graph carries none. Fix: ga.graphs.with_clusters(graph, ids), "
            "after padding, or learned clusters."
        )
    return layout.clusters
