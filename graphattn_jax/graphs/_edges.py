"""Edge lists as sets of pairs, and edges taken out of or put into the graphs of a batch."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from graphattn_jax import _checks
from graphattn_jax.graphs._features import as_rows, exact_cast
from graphattn_jax.graphs._masks import edge_graph_ids, node_graph_ids
from graphattn_jax.graphs._prepare import pattern
from graphattn_jax.graphs._types import GraphsTuple, num_nodes
from graphattn_jax.typing import ArrayLike


def edge_keys(graph: GraphsTuple) -> np.ndarray:
    """`[E]` int64: one number per (receiver, sender) pair, ascending in this order."""
    return graph.receivers.astype(np.int64) * pattern(graph).num_senders + graph.senders


def reverse_keys(graph: GraphsTuple) -> np.ndarray:
    """`[E]` int64: the key that the reverse of each edge has."""
    return graph.senders.astype(np.int64) * num_nodes(graph) + graph.receivers


def unpaired(graph: GraphsTuple) -> np.ndarray:
    """`[E]` bool: the edges without a reverse. The k-th u → v pairs with the k-th v → u."""
    keys = edge_keys(graph)
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    rank = np.empty_like(order)
    rank[order] = np.arange(len(keys)) - np.searchsorted(ordered, ordered, side="left")
    reverse = reverse_keys(graph)
    reverses = np.searchsorted(ordered, reverse, "right") - np.searchsorted(
        ordered, reverse, "left"
    )
    return rank >= reverses


def select_edges(graph: GraphsTuple, keep: np.ndarray) -> GraphsTuple:
    """The graph with edges `keep` only: a mask or ascending ids."""
    return graph._replace(
        senders=graph.senders[keep],
        receivers=graph.receivers[keep],
        edges=jax.tree.map(lambda x: x[keep], graph.edges),
        n_edge=_count(np.asarray(edge_graph_ids(graph))[keep], graph),
    )


def append_edges(
    graph: GraphsTuple, senders: np.ndarray, receivers: np.ndarray, edges: Any
) -> GraphsTuple:
    """New edges behind the old ones of their own graph; `edges` has the new features."""
    owner = np.concatenate([edge_graph_ids(graph), node_graph_ids(graph)[receivers]])
    order = np.argsort(owner, kind="stable")

    def join(old: np.ndarray, new: np.ndarray) -> np.ndarray:
        return np.concatenate([old, new])[order]

    return graph._replace(
        senders=join(graph.senders, senders.astype(np.int32)),
        receivers=join(graph.receivers, receivers.astype(np.int32)),
        edges=jax.tree.map(join, graph.edges, edges),
        n_edge=_count(owner, graph),
    )


def _count(owner: np.ndarray, graph: GraphsTuple) -> np.ndarray:
    return np.bincount(owner, minlength=graph.n_node.shape[0]).astype(np.int32)


class Means(NamedTuple):
    """What `fill="mean"` takes the mean of: old rows by group, and the group of each new row. Empty groups give 0."""

    of_old: ArrayLike
    of_new: ArrayLike
    num_groups: int

    def rows(self, name: str, x: np.ndarray) -> np.ndarray:
        """The new rows, in the dtype of the old."""
        if not jnp.issubdtype(x.dtype, jnp.inexact):
            raise ValueError(
                f'{name}="mean" needs floating-point features, got {_checks.describe(x)}. Fix: one row of values.'
            )
        sums = np.zeros((self.num_groups, *x.shape[1:]), np.result_type(x.dtype, np.float64))
        owner = np.asarray(self.of_old)
        np.add.at(sums, owner, x)
        counts = np.maximum(np.bincount(owner, minlength=self.num_groups), 1)
        means = sums / counts.reshape(-1, *(1,) * (x.ndim - 1))
        return means[np.asarray(self.of_new)].astype(x.dtype)


def filled_rows(name: str, features: Any, fill: Any, means: Means) -> Any:
    """New rows like `features`, in their dtype: zeros for None, "mean", a number, or a pytree of one row."""
    if fill is None:
        fill = 0
    elif features is None:
        raise ValueError(f"{name} was given, but the graph has no such features to fill.")
    if isinstance(fill, str):
        _checks.choice(name, fill, ["mean"])
        return jax.tree.map(lambda x: means.rows(name, x), features)
    count = np.shape(means.of_new)[0]
    fill = as_rows(name, fill)
    if isinstance(fill, np.ndarray) and fill.ndim == 0:
        fill = jax.tree.map(lambda _: fill, features)
    if jax.tree.structure(fill) != jax.tree.structure(features):
        raise ValueError(
            f"{name} must be a number or have the features' structure "
            f"{jax.tree.structure(features)}, got {jax.tree.structure(fill)}."
        )

    def rows(x: np.ndarray, row: np.ndarray) -> np.ndarray:
        if row.shape not in ((), x.shape[1:]):
            raise ValueError(f"{name} must have one row's shape {x.shape[1:]}, got {row.shape}.")
        return np.broadcast_to(exact_cast(name, row, x.dtype), (count, *x.shape[1:]))

    return jax.tree.map(rows, features, fill)
