"""What a batch's structure says about it, computed once on the host and carried by the graph."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from graphattn_jax import _checks
from graphattn_jax.graphs._features import as_array, as_arrays, as_ids
from graphattn_jax.graphs._masks import edge_mask, graph_mask, node_graph_ids, node_mask
from graphattn_jax.graphs._typed import TypedNodes, check_types, typed_reverse
from graphattn_jax.graphs._typed_layout import TypedLayout, typed_layout
from graphattn_jax.graphs._types import (
    GraphsTuple,
    NodePair,
    PreparedGraph,
    checked_layout,
    is_bipartite,
    is_padded,
    num_nodes,
    num_rows,
    prepared,
    to_host,
)
from graphattn_jax.graphs._validate import check_graph
from graphattn_jax.ops import Blocks, EdgeLayout, Edges, prepare_blocks, prepare_edges
from graphattn_jax.typing import ArrayLike

__all__ = ["Layout", "bipartite", "blocks", "pattern", "prepare"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Layout:
    """Masks, ids and edge order of one graph or batch; a pytree of int32 and bool arrays.

    node_mask `[N]`, edge_mask `[E]`, graph_mask `[G]`: True = real.
    node_graph_ids `[N]`: the graph of each node.
    reverse `[E]`: the edge in the other direction or -1; None for bipartite edges.
    edges: neighbour tiles (`ga.ops.EdgeLayout`).
    blocks: one block of slots per graph (`ga.ops.Blocks`), or None.
    clusters: which cluster of its graph each node is in (`Clusters`), or None; `with_clusters` makes it.
    relations: of a typed graph, the nodes by type and the edges by relation, otherwise None.
    halo: of one of several shards of a graph, what it sends to the others (`ga.graphs.shard`), otherwise None.
    padded: static, whether the masks leave anything out.

    Of a bipartite graph, the nodes are the receivers.
    """

    node_mask: ArrayLike
    edge_mask: ArrayLike
    graph_mask: ArrayLike
    node_graph_ids: ArrayLike
    reverse: ArrayLike | None
    edges: EdgeLayout
    blocks: Blocks | None = None
    relations: TypedLayout | None = None
    clusters: Any = None
    halo: Any = None
    padded: bool = field(default=False, metadata={"static": True})

    @property
    def is_bipartite(self) -> bool:
        """Whether senders and receivers are different nodes."""
        return self.reverse is None and self.halo is None


def prepare(
    graph: GraphsTuple, *, block_size: int | None = None, degree_blocks: bool = False
) -> PreparedGraph:
    """The graph with its layout: masks, and edges in the order that the fast implementations work in.

    Every layer takes it as it takes any graph, and is faster for it. For a padded graph all sizes follow from the
    budget, so batches of one budget share a compilation; `pad` prepares what it pads.

    Args:
      graph: a graph or batch on the host, before `jax.jit`; one that jraph padded as `PaddedGraphsTuple(*graph)`. Its
        nodes may be a `NodePair`.
      block_size: nodes per block for `ga.attention.GlobalAttention`, at least the size of the largest graph of all
        batches that are to share a compilation; None = no blocks.
      degree_blocks: also group nodes by degree, for `implementation="block_dense"` on one graph without padding.

    Returns:
      A `PreparedGraph` with numpy leaves. Prepared again, it gets a new layout.

    Raises:
      ValueError: traced, what `validate` refuses, a graph larger than `block_size`, blocks of a bipartite graph, or
        `degree_blocks` of a padded one.

    Cost: O(E + N) on the host, 0.07 to 0.16 µs an edge.
    Padding: padding edges enter no neighbour tile and have no reverse.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 0], nodes=np.ones((2, 3), np.float32))
      >>> graph = ga.graphs.prepare(ga.graphs.pad(graph, ga.graphs.Budget(4, 4, 2)))
      >>> graph.layout.node_mask.tolist(), graph.layout.reverse.tolist()
      ([True, True, False, False], [1, 0, -1, -1])
    """
    host = to_host(graph, "prepare", allow_padded=True, allow_bipartite=True)
    check_graph(host, padded=is_padded(graph))
    masked = graph if is_bipartite(graph) and is_padded(graph) else host
    masks = [np.asarray(mask(masked)) for mask in (node_mask, edge_mask, graph_mask)]
    if degree_blocks and is_padded(graph):
        raise ValueError(
            "degree_blocks follow from the degrees, and a padded graph has the sizes of its budget. "
            "Fix: prepare the graph without padding, or leave degree_blocks out."
        )
    return with_layout(
        host, *masks, padded=is_padded(graph), block_size=block_size, degree_blocks=degree_blocks
    )


def with_layout(
    graph: GraphsTuple,
    node_mask: np.ndarray,
    edge_mask: np.ndarray,
    graph_mask: np.ndarray,
    *,
    padded: bool,
    block_size: int | None = None,
    degree_blocks: bool = False,
) -> PreparedGraph:
    """A valid graph on the host with the layout of these masks."""
    mask = edge_mask if padded else None
    edges, relations = _edges(graph, mask), None
    if isinstance(graph.nodes, TypedNodes):
        check_types(graph, node_mask, edge_mask)
        relations = typed_layout(graph, mask)
        edges = dataclasses.replace(edges, reverse=typed_reverse(graph, edge_mask))
    edges = prepare_edges(edges, static=padded, degree_blocks=degree_blocks)
    assert edges.layout is not None
    layout = Layout(
        node_mask=node_mask,
        edge_mask=edge_mask,
        graph_mask=graph_mask,
        node_graph_ids=node_graph_ids(graph),
        reverse=edges.reverse,
        edges=edges.layout,
        blocks=None if block_size is None else _blocks(graph, node_mask, graph_mask, block_size),
        relations=relations,
        padded=padded,
    )
    return prepared(GraphsTuple(*graph), layout)


def _blocks(graph: GraphsTuple, node_mask: Any, graph_mask: Any, size: int) -> Blocks:
    _checks.positive("block_size", size)
    if is_bipartite(graph):
        raise ValueError("block_size is for graphs with one set of nodes, got a NodePair.")
    largest = graph.n_node[graph_mask].max(initial=0)
    if largest > size:
        raise ValueError(
            f"block_size must be at least {largest}, the size of the largest graph, got {size}."
        )
    return prepare_blocks(node_graph_ids(graph), len(graph.n_node), size, where=node_mask)


def pattern(graph: GraphsTuple) -> Edges:
    """The edges of a graph as the pattern that the ops of `ga.ops` take.

    Args:
      graph: any `GraphsTuple`; also inside `jax.jit`. Without a layout and node features it must be concrete.

    Returns:
      `ga.ops.Edges`: with the layout where the graph carries one, else without; with a mask where it is padded.

    Raises:
      ValueError: traced, without a layout and without node features; a layout of other sizes than the graph's.

    Cost: none.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 0], nodes=np.ones((2, 3), np.float32))
      >>> ga.graphs.pattern(graph).layout is None, ga.graphs.pattern(ga.graphs.prepare(graph)).layout is None
      (True, False)
    """
    if not isinstance(graph, PreparedGraph):
        return _edges(graph, edge_mask(graph) if is_padded(graph) else None)
    layout = checked_layout(graph)
    if layout.halo is not None:
        raise ValueError(
            "the graph is a shard, whose senders are in part on other devices: only layers fetch them. Fix: apply a "
            "layer (ga.nn.Layer), or take the pattern of the whole graph."
        )
    _, num_senders, num_receivers = layout.edges.sizes
    return Edges(
        graph.senders,
        graph.receivers,
        num_senders=num_senders,
        num_receivers=num_receivers if layout.is_bipartite else None,
        mask=layout.edge_mask if layout.padded else None,
        reverse=layout.reverse,
        layout=layout.edges,
    )


def blocks(graph: GraphsTuple) -> Blocks:
    """All pairs of nodes of each graph, as the pattern that `ga.ops.block_attention` takes.

    Args:
      graph: any `GraphsTuple`; also inside `jax.jit`. Without a layout and node features it must be concrete.

    Returns:
      The `ga.ops.Blocks` of the layout; without them one block of all nodes, in which those of different graphs do not
      meet: for small inputs only.

    Cost: none with a layout that has blocks, O(N²) without.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0], [1], nodes=np.ones((2, 1), np.float32))
      >>> ga.graphs.blocks(graph).pairs.shape, ga.graphs.blocks(ga.graphs.prepare(graph, block_size=4)).node.shape
      ((1, 2, 2), (1, 4))
    """
    if isinstance(graph, PreparedGraph) and checked_layout(graph).blocks is not None:
        return checked_layout(graph).blocks
    ids = jnp.asarray(node_graph_ids(graph))
    slots = np.arange(ids.shape[0], dtype=np.int32)
    return Blocks(slots[None], slots, (ids[:, None] == ids[None, :])[None])


def bipartite(
    senders: Any,
    receivers: Any,
    *,
    sender_nodes: Any,
    receiver_nodes: Any,
    edges: Any = None,
    edge_mask: Any = None,
) -> PreparedGraph:
    """A graph whose edges lead from one set of nodes to another: a relation, or a block of sampled neighbours.

    Args:
      senders: `[E]` integers in `[0, N_s)`.
      receivers: `[E]` integers in `[0, N_r)`.
      sender_nodes: `[N_s, D_s]`; features as `from_edge_list` takes them.
      receiver_nodes: `[N_r, D_r]`.
      edges: `[E, D_e]` or None.
      edge_mask: `[E]` bool, True = real. None = all.

    Returns:
      A `PreparedGraph` with nodes `NodePair(senders, receivers)`. A layer gives new features of the receivers, and
      leaves those of the senders. With an `edge_mask`, all sizes follow from E, N_s and N_r, so that blocks of one size
      share a compilation.

    Raises:
      ValueError: ids that are not integers or out of range, rows that do not fit, a mask that is not `[E]` bool.

    Cost: that of `prepare`.
    Padding: edges with `edge_mask` False take no part.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.bipartite(np.array([0, 1, 2]), np.array([0, 0, 1]),
      ...     sender_nodes=np.ones((3, 4), np.float32), receiver_nodes=np.ones((2, 5), np.float32))
      >>> layer = ga.attention.GATv2(channels=8, heads=2)
      >>> params = layer.init(jax.random.key(0), (4, 5))
      >>> layer.apply(params, graph).graph.nodes.receivers.shape
      (2, 16)
    """
    nodes = NodePair(
        as_arrays("sender_nodes", sender_nodes), as_arrays("receiver_nodes", receiver_nodes)
    )
    senders, receivers = as_ids("senders", senders), as_ids("receivers", receivers)
    graph = GraphsTuple(
        nodes=nodes,
        edges=as_arrays("edges", edges),
        senders=senders,
        receivers=receivers,
        globals=None,
        n_node=np.array([num_rows("receiver_nodes", nodes.receivers)], np.int32),
        n_edge=np.array([len(senders)], np.int32),
    )
    graph = to_host(graph, "bipartite", allow_bipartite=True)
    check_graph(graph, padded=False)
    real = np.ones(len(senders), bool) if edge_mask is None else as_array("edge_mask", edge_mask)
    _checks.mask("edge_mask", real, len(senders))
    real_nodes, real_graph = np.ones(graph.n_node[0], bool), np.ones(1, bool)
    return with_layout(graph, real_nodes, real, real_graph, padded=edge_mask is not None)


def _edges(graph: GraphsTuple, mask: ArrayLike | None) -> Edges:
    """Without a layout."""
    if not isinstance(graph.nodes, NodePair):
        return Edges(graph.senders, graph.receivers, num_senders=num_nodes(graph), mask=mask)
    sizes = (num_rows(f"nodes.{name}", nodes) for name, nodes in graph.nodes._asdict().items())
    return Edges(graph.senders, graph.receivers, *sizes, mask=mask)
