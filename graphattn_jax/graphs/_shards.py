"""One large graph spread over devices: each has some of the nodes, the edges to them, and a halo of their senders."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from graphattn_jax import _checks
from graphattn_jax.graphs._prepare import Layout
from graphattn_jax.graphs._typed import TypedNodes
from graphattn_jax.graphs._types import (
    GraphsTuple,
    NodePair,
    PreparedGraph,
    num_nodes,
    prepared,
    to_host,
)
from graphattn_jax.graphs._validate import check_graph
from graphattn_jax.ops import BATCH_AXIS, Edges, prepare_edges
from graphattn_jax.typing import ArrayLike

__all__ = ["Halo", "HaloRows", "from_shards", "halo_rows", "is_shard", "shard", "with_halo"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Halo:
    """Which rows of one of D shards the others need, S at most for each.

    sent: `[D, S]` int32, rows of this shard for each other one. real: `[D, S]` bool, False = fills up.
    node_ids: `[N]` int32, which nodes of the whole graph this shard has, -1 in padding.
    """

    sent: ArrayLike
    real: ArrayLike
    node_ids: ArrayLike


class HaloRows(NamedTuple):
    """Rows that cross between shards in one layer: of nodes that others need, and with what fills up."""

    needed: int
    moved: int


def shard(graph: GraphsTuple, parts: int | Any) -> PreparedGraph:
    """One graph as D parts of one static size, for D devices.

    Each node belongs to one shard, and so do the edges that it receives. Inside an axis `ga.ops.BATCH_AXIS` of D
    devices every layer then fetches the features of the senders that other shards have, by one gather and one
    all-to-all, and computes what it computes on the whole graph: receivers hear all their edges. A network for nodes
    needs no change; `ga.training.make_train_step(devices=)` trains on a batch that is a sharded graph.

    Args:
      graph: one graph on the host, without padding and types; node and edge features as arrays or pytrees.
      parts: `[N]` integers, the shard of each node, such as METIS gives: the fewer edges they cut, the less crosses.
        Or D, for equal stretches of nodes in their order.

    Returns:
      A `PreparedGraph` with leaves `[D, ...]`, a stack as `ga.training.stack_batches` gives it. Shard by shard, nodes
      keep their order; `from_shards` puts rows back.

    Raises:
      ValueError: traced, padded, typed or several graphs, parts that do not fit.

    Cost: that of `prepare`; per layer, a device sends D S rows where S is the largest number that one shard needs of
      another.
    Padding: shards are padded to the largest.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> ids = np.arange(6)
      >>> ring = ga.graphs.from_edge_list(ids, np.roll(ids, -1), nodes=np.eye(6, dtype=np.float32))
      >>> shards = ga.graphs.shard(ring, 2)
      >>> shards.nodes.shape, ga.graphs.halo_rows(shards)
      ((2, 3, 6), HaloRows(needed=2, moved=2))
      >>> layer = ga.message_passing.SAGE(4)
      >>> params = layer.init(jax.random.key(0), 6)
      >>> apply = lambda graph: layer.apply(params, graph).graph.nodes
      >>> rows = jax.vmap(apply, axis_name=ga.ops.BATCH_AXIS)(shards)
      >>> np.allclose(ga.graphs.from_shards(shards, rows), apply(ring), atol=1e-6)
      True
    """
    host = to_host(graph, "shard", allow_sparse=False)
    check_graph(host, padded=False)
    if len(host.n_node) != 1 or isinstance(host.nodes, TypedNodes):
        raise ValueError(
            f"graph must be one graph without types, got {len(host.n_node)} graphs with {type(host.nodes).__name__}. "
            "Fix: a batch of graphs is spread by ga.training.stack_batches."
        )
    part = _checked_parts(parts, num_nodes(host))
    plan = _plan(host, part)
    shards = [_one(host, plan, index) for index in range(len(plan.sent))]
    return jax.tree.map(lambda *leaves: np.stack(leaves), *shards)


def from_shards(shards: PreparedGraph, rows: Any) -> Any:
    """Rows of the nodes of a sharded graph in the order of the whole one.

    Args:
      shards: from `shard`.
      rows: a pytree of `[D, N, ...]`, what a network gave for the nodes of each shard.

    Returns:
      A pytree of numpy arrays with a row per node of the whole graph.

    Raises:
      ValueError: rows of other shapes, or a graph that is not sharded.

    Cost: a copy on the host.
    Padding: left out.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 2], nodes=np.array([[5.0], [6.0], [7.0]]))
      >>> shards = ga.graphs.shard(graph, np.array([1, 0, 1]))
      >>> ga.graphs.from_shards(shards, shards.nodes).ravel().tolist()
      [5.0, 6.0, 7.0]
    """
    node_ids = np.asarray(_halo(shards).node_ids)
    real = node_ids >= 0

    def whole(x: Any) -> np.ndarray:
        if np.shape(x)[:2] != node_ids.shape:
            raise ValueError(
                f"rows must be [{node_ids.shape[0]}, {node_ids.shape[1]}, ...], a row per node of each shard, got "
                f"{_checks.describe(x)}."
            )
        x = np.asarray(x)
        out = np.empty((real.sum(), *x.shape[2:]), x.dtype)
        out[node_ids[real]] = x[real]
        return out

    return jax.tree.map(whole, rows)


def halo_rows(shards: PreparedGraph) -> HaloRows:
    """How many rows cross between the devices in one layer: times width and bytes per number, the traffic.

    Args:
      shards: from `shard`.

    Returns:
      `HaloRows(needed, moved)`: each node once for each other shard that has a neighbour of it; and with what fills
      the all-to-all up. Backward, as many go the other way.

    Raises:
      ValueError: a graph that is not sharded.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 0, 0], [1, 2, 3])
      >>> ga.graphs.halo_rows(ga.graphs.shard(graph, 2))
      HaloRows(needed=1, moved=2)
    """
    real = np.asarray(_halo(shards).real)
    num_shards = len(real)
    return HaloRows(int(real.sum()), real.size * (num_shards - 1) // num_shards)


def is_shard(graph: Any) -> bool:
    """Whether a graph is a part of one, whose senders are in part on other devices.

    Args:
      graph: any `GraphsTuple`; also inside `jax.jit`.

    Returns:
      A Python bool.

    Example:
      >>> import graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0], [1])
      >>> ga.graphs.is_shard(graph), ga.graphs.is_shard(ga.graphs.shard(graph, 2))
      (False, True)
    """
    return isinstance(graph, PreparedGraph) and graph.layout.halo is not None


def with_halo(graph: PreparedGraph) -> PreparedGraph:
    """A shard with the features of all its senders, from other devices too; what `ga.nn.Layer` hands to every layer.

    Args:
      graph: one shard, inside an axis `ga.ops.BATCH_AXIS` of all of them.

    Returns:
      A bipartite `PreparedGraph`, whose nodes are a `NodePair`: all senders, own ones first; and the own nodes.

    Raises:
      ValueError: a graph that is not sharded.

    Cost: a gather and an all-to-all of D S rows.
    Padding: rows of padding are 0 among the senders.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0], [1], nodes=np.array([[5.0], [6.0]], np.float32))
      >>> shards = ga.graphs.shard(graph, 2)
      >>> jax.vmap(ga.graphs.with_halo, axis_name=ga.ops.BATCH_AXIS)(shards).nodes.senders[1].ravel().tolist()
      [6.0, 5.0, 0.0]
    """
    halo, mask = _halo(graph), graph.layout.node_mask

    def senders(x: Any) -> Any:
        own = _or_zero(jnp.asarray(x), mask)
        out = _or_zero(own[jnp.asarray(halo.sent)], halo.real)
        fetched = jax.lax.all_to_all(out, BATCH_AXIS, split_axis=0, concat_axis=0, tiled=True)
        return jnp.concatenate([own, fetched.reshape(-1, *own.shape[1:])])

    nodes = NodePair(jax.tree.map(senders, graph.nodes), graph.nodes)
    return prepared(GraphsTuple(*graph)._replace(nodes=nodes), replace(graph.layout, halo=None))


def _or_zero(x: Any, mask: Any) -> Any:
    mask = jnp.asarray(mask)
    return jnp.where(
        mask.reshape(*mask.shape, *(1,) * (x.ndim - mask.ndim)), x, jnp.zeros((), x.dtype)
    )


def _halo(graph: PreparedGraph) -> Halo:
    if not is_shard(graph):
        raise ValueError(
            "the graph must be sharded, got one that is whole. Fix: ga.graphs.shard(graph, parts)."
        )
    return graph.layout.halo


def _checked_parts(parts: Any, count: int) -> np.ndarray:
    if np.ndim(parts) == 0:
        _checks.positive("parts", parts)
        if parts > max(count, 1):
            raise ValueError(f"parts must be at most {count}, the number of nodes, got {parts}.")
        return np.arange(count) * int(parts) // max(count, 1)
    part = np.asarray(parts)
    _checks.ids("parts", part, count)
    if count and (part.min() < 0 or len(np.unique(part)) <= part.max()):
        raise ValueError(
            "parts must number the shards from 0 without gaps, each with a node, got "
            f"{len(np.unique(part))} different numbers from {part.min()} to {part.max()}."
        )
    return part


class _Plan(NamedTuple):
    """Which nodes and edges each shard has, and what it sends: `[D]` and `[D, D, S]` arrays over all shards."""

    nodes: list[np.ndarray]
    edges: list[np.ndarray]
    senders: np.ndarray
    receivers: np.ndarray
    sent: np.ndarray
    real: np.ndarray


def _plan(graph: GraphsTuple, part: np.ndarray) -> _Plan:
    num_shards, count = int(part.max(initial=0)) + 1, len(part)
    nodes = [np.flatnonzero(part == index) for index in range(num_shards)]
    largest = max(map(len, nodes))
    place = np.empty(count, np.int64)
    for own in nodes:
        place[own] = np.arange(len(own))
    owner = part[graph.receivers]
    # Every sender of another shard crosses once, whatever the number of its edges there.
    crosses = part[graph.senders] != owner
    wanted, which = np.unique(
        owner[crosses] * np.int64(count) + graph.senders[crosses], return_inverse=True
    )
    to, node = np.divmod(wanted, max(count, 1))
    pair = part[node] * num_shards + to
    order = np.argsort(pair, kind="stable")
    sizes = np.bincount(pair, minlength=num_shards**2)
    most = max(int(sizes.max(initial=0)), 1)
    slot = np.empty(len(wanted), np.int64)
    slot[order] = np.arange(len(wanted)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    sent = np.zeros((num_shards, num_shards, most), np.int32)
    sent[part[node], to, slot] = place[node]
    senders = place[graph.senders]
    senders[crosses] = (largest + part[node] * most + slot)[which]
    return _Plan(
        nodes=nodes,
        edges=[np.flatnonzero(owner == index) for index in range(num_shards)],
        senders=senders,
        receivers=place[graph.receivers],
        sent=sent,
        real=np.arange(most) < sizes.reshape(num_shards, num_shards, 1),
    )


def _one(graph: GraphsTuple, plan: _Plan, index: int) -> PreparedGraph:
    """Shard `index`, padded to the largest: a graph of its nodes and edges, and one of the padding."""
    nodes, edges = plan.nodes[index], plan.edges[index]
    most_nodes, most_edges = (max(map(len, ids)) for ids in (plan.nodes, plan.edges))

    def rows(x: Any, ids: np.ndarray, most: int) -> Any:
        fill = np.zeros((most - len(ids), *x.shape[1:]), x.dtype)
        return np.concatenate([x[ids], fill])

    senders, receivers = (
        rows(x, edges, most_edges).astype(np.int32) for x in (plan.senders, plan.receivers)
    )
    node_mask, edge_mask = np.arange(most_nodes) < len(nodes), np.arange(most_edges) < len(edges)
    num_senders = most_nodes + plan.sent[index].size
    pattern = prepare_edges(
        Edges(senders, receivers, num_senders, most_nodes, edge_mask), static=True
    )
    assert pattern.layout is not None
    layout = Layout(
        node_mask=node_mask,
        edge_mask=edge_mask,
        graph_mask=np.array([True, False]),
        node_graph_ids=(~node_mask).astype(np.int32),
        reverse=None,
        edges=pattern.layout,
        halo=Halo(
            plan.sent[index],
            plan.real[index],
            rows(nodes + 1, np.arange(len(nodes)), most_nodes).astype(np.int32) - 1,
        ),
        padded=True,
    )
    part = GraphsTuple(
        nodes=jax.tree.map(lambda x: rows(x, nodes, most_nodes), graph.nodes),
        edges=jax.tree.map(lambda x: rows(x, edges, most_edges), graph.edges),
        senders=senders,
        receivers=receivers,
        globals=jax.tree.map(lambda x: rows(x, np.arange(1), 2), graph.globals),
        n_node=np.array([len(nodes), most_nodes - len(nodes)], np.int32),
        n_edge=np.array([len(edges), most_edges - len(edges)], np.int32),
    )
    return prepared(part, layout)
