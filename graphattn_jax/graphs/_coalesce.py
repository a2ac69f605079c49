"""Duplicate edges merged into one."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from graphattn_jax import _checks
from graphattn_jax.graphs._edges import edge_keys, select_edges
from graphattn_jax.graphs._features import exact_cast
from graphattn_jax.graphs._types import GraphsTuple, to_host


def coalesce(graph: GraphsTuple, reduce: str = "sum") -> GraphsTuple:
    """Merge edges with the same sender and receiver into one.

    The merged edge stands where the first of them stood; edges keep their order otherwise.

    Args:
      graph: a graph or batch without padding, also a bipartite one.
      reduce: how features merge: "sum", "mean", "max" or "first". Floats are summed in float64, integers in int64 or
        uint64, and stored in their own dtype; the sum of booleans is "any".

    Returns:
      The graph without duplicate edges; numpy leaves.

    Raises:
      ValueError: unknown `reduce`, "mean" of features that are not floats, a sum that its dtype does not hold, or the
        graph is padded or traced.

    Cost: O(E log E).

    Padding: apply before `pad`.

    Example:
      >>> import graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1, 0], [1, 0, 1], edges=[[1.0], [2.0], [3.0]])
      >>> merged = ga.graphs.coalesce(graph, "mean")
      >>> merged.senders, merged.edges.tolist()
      (array([0, 1], dtype=int32), [[2.0], [2.0]])
    """
    _checks.choice("reduce", reduce, ("sum", "mean", "max", "first"))
    graph = to_host(graph, "coalesce", allow_bipartite=True)
    if reduce == "mean":
        for x in jax.tree.leaves(graph.edges):
            _checks.floating("edges", x)
    keys = edge_keys(graph)
    order = np.argsort(keys, kind="stable")  # stable: a run begins with its first edge
    starts = np.flatnonzero(np.diff(keys[order], prepend=-1))
    first = order[starts]
    counts = np.diff(starts, append=len(keys))

    def merge(x: np.ndarray) -> np.ndarray:
        if reduce == "first":
            return x
        wide = x.astype(_wide(x.dtype))
        ufunc = np.maximum if reduce == "max" else np.logical_or if x.dtype == bool else np.add
        merged = ufunc.reduceat(wide[order], starts, axis=0)
        if reduce == "mean":
            merged = merged / counts.reshape(-1, *[1] * (x.ndim - 1))
        result = x.copy()
        result[first] = exact_cast("the merged edges", merged, x.dtype)
        return result

    graph = graph._replace(edges=jax.tree.map(merge, graph.edges))
    return select_edges(graph, np.sort(first))


def _wide(dtype: np.dtype) -> np.dtype:
    """What features are summed in."""
    for kind, wide in (
        (jnp.floating, np.float64),
        (jnp.signedinteger, np.int64),
        (jnp.unsignedinteger, np.uint64),
    ):
        if jnp.issubdtype(dtype, kind):
            return np.dtype(wide)
    return dtype
