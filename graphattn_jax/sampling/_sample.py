"""A sampled part of a graph as a padded graph, with what it is of the whole."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import numpy as np

from graphattn_jax.graphs import Budget, GraphsTuple, PreparedGraph, TypedEdges, pad
from graphattn_jax.sampling._draw import Draw
from graphattn_jax.sampling._in_neighbours import node_times
from graphattn_jax.typing import ArrayLike

__all__ = ["Sample"]


class Sample(NamedTuple):
    """A batch: a part of a large graph, padded and prepared, and which nodes of it predictions are wanted of.

    graph: its nodes by the hops in which they were found, the seeds first; with `disjoint=True` one graph for each
    seed, that seed its first node. seeds `[B]` int32: the rows of the seeds among the nodes, or `[B, 2]` for pairs.
    seed_mask `[B]`: False where a batch has fewer seeds. targets: the rows that the seeds came with, 0 behind them.
    times `[B]`: the times of the seeds, or None. weights `[B]`: of the seeds in the loss, or None = 1.
    node_ids `[N]`, edge_ids `[E]` int32: which nodes and edges of the whole graph these are, -1 = padding.
    hops `[N]` int32: in which hop a node was found, 0 = a seed, -1 = padding. edge_weights `[E]`: or None = 1.
    """

    graph: PreparedGraph
    seeds: ArrayLike
    seed_mask: ArrayLike
    targets: Any
    times: ArrayLike | None
    weights: ArrayLike | None
    node_ids: ArrayLike
    edge_ids: ArrayLike
    hops: ArrayLike
    edge_weights: ArrayLike | None


def sampled_graph(
    graph: GraphsTuple, draw: Draw, times: np.ndarray | None
) -> tuple[GraphsTuple, Draw]:
    """The nodes and edges of a draw as a graph, those of one seed together where seeds share none, and the draw so."""
    n_node, n_edge = np.array([len(draw.node_ids)]), np.array([len(draw.edge_ids)])
    if draw.roots is not None:
        draw, n_node, n_edge = _by_root(draw, draw.roots)
    edges = jax.tree.map(lambda x: x[draw.edge_ids], graph.edges)
    if times is not None and isinstance(edges, TypedEdges) and edges.time is None:
        edges = edges._replace(time=_relative_times(graph, draw, times))
    part = GraphsTuple(
        nodes=jax.tree.map(lambda x: x[draw.node_ids], graph.nodes),
        edges=edges,
        senders=draw.senders.astype(np.int32),
        receivers=draw.receivers.astype(np.int32),
        globals=jax.tree.map(lambda x: np.repeat(x, len(n_node), axis=0), graph.globals),
        n_node=n_node.astype(np.int32),
        n_edge=n_edge.astype(np.int32),
    )
    return part, draw


def _by_root(draw: Draw, roots: np.ndarray) -> tuple[Draw, np.ndarray, np.ndarray]:
    """The draw with the nodes and edges of each seed together, and how many there are."""
    order, edge_order = (np.argsort(x, kind="stable") for x in (roots, roots[draw.receivers]))
    row = np.empty_like(order)
    row[order] = np.arange(len(order))
    sorted_draw = Draw(
        node_ids=draw.node_ids[order],
        hops=draw.hops[order],
        roots=roots[order],
        edge_ids=draw.edge_ids[edge_order],
        senders=row[draw.senders[edge_order]],
        receivers=row[draw.receivers[edge_order]],
        seeds=row[draw.seeds],
    )
    count = len(draw.seeds)
    n_edge = np.bincount(roots[draw.receivers], minlength=count)
    return sorted_draw, np.bincount(roots, minlength=count), n_edge


def _relative_times(graph: GraphsTuple, draw: Draw, times: np.ndarray) -> np.ndarray:
    """`[e]` float32, the time of the receiver less that of the sender; 0 where one of them was always there."""
    when = node_times(graph)
    assert when is not None and draw.roots is not None
    always = np.iinfo(when.dtype).min
    of_node = when[draw.node_ids].astype(np.int64)
    of_node[draw.seeds] = times if draw.seeds.ndim == 1 else times[:, None]
    ends = of_node[draw.receivers], of_node[draw.senders]
    known = (ends[0] > always) & (ends[1] > always)
    return np.where(known, ends[0] - ends[1], 0).astype(np.float32)


def padded_rows(x: Any, rows: int, fill: Any = 0) -> np.ndarray:
    """Filled up to this number of rows."""
    out = np.full((rows, *x.shape[1:]), fill, x.dtype)
    out[: len(x)] = x
    return out


def padded_graph(
    graph: GraphsTuple, budgets: tuple[Budget, ...], block_size: int | None
) -> PreparedGraph:
    """In the first budget that holds it; the last one says in its error what does not fit."""
    sizes = int(graph.n_node.sum()), int(graph.n_edge.sum()), len(graph.n_node)
    budget = next((b for b in budgets if b.fits(*sizes)), budgets[-1])
    return pad(graph, budget, block_size=block_size)
