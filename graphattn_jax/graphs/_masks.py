"""Which rows are real, and to which graph each row belongs. On the host and under `jax.jit`."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from graphattn_jax.graphs._types import (
    GraphsTuple,
    PreparedGraph,
    checked_layout,
    is_padded,
    num_edges,
    num_graphs,
    num_nodes,
)
from graphattn_jax.typing import ArrayLike


def graph_mask(graph: GraphsTuple) -> ArrayLike:
    """Which graphs of the batch are real.

    Real graphs come first; the last graph with a node owns the padding. Unlike jraph's mask it
    never takes the last graph of an unpadded batch for padding. A graph that jraph padded becomes one that says so with
    `PaddedGraphsTuple(*graph)`.

    Args:
      graph: any `GraphsTuple`; also inside `jax.jit`.

    Returns:
      `[G]` bool, True = real; numpy for a graph held in numpy, a JAX array otherwise.

    Example:
      >>> import graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 0])
      >>> ga.graphs.graph_mask(graph)
      array([ True])
      >>> padded = ga.graphs.pad(graph, ga.graphs.Budget(n_node=4, n_edge=4, n_graph=3))
      >>> ga.graphs.graph_mask(padded)
      array([ True, False, False])
    """
    if isinstance(graph, PreparedGraph):
        return checked_layout(graph).graph_mask
    return _leading(graph, num_graphs(graph), None)


def node_mask(graph: GraphsTuple) -> ArrayLike:
    """Which nodes are real.

    Args:
      graph: any `GraphsTuple`. Inside `jax.jit` it needs a layout or node features (see `num_nodes`).

    Returns:
      `[N]` bool, True = real; numpy for a graph held in numpy, a JAX array otherwise.

    Raises:
      ValueError: traced, and with neither.

    Example:
      >>> import graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 0])
      >>> padded = ga.graphs.pad(graph, ga.graphs.Budget(n_node=4, n_edge=4, n_graph=2))
      >>> ga.graphs.node_mask(padded)
      array([ True,  True, False, False])
    """
    if isinstance(graph, PreparedGraph):
        return checked_layout(graph).node_mask
    return _leading(graph, num_nodes(graph), graph.n_node)


def edge_mask(graph: GraphsTuple) -> ArrayLike:
    """Which edges are real.

    Args:
      graph: any `GraphsTuple`; also inside `jax.jit`.

    Returns:
      `[E]` bool, True = real; numpy for a graph held in numpy, a JAX array otherwise.

    Example:
      >>> import graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 0])
      >>> padded = ga.graphs.pad(graph, ga.graphs.Budget(n_node=4, n_edge=3, n_graph=2))
      >>> ga.graphs.edge_mask(padded)
      array([ True,  True, False])
    """
    if isinstance(graph, PreparedGraph):
        return checked_layout(graph).edge_mask
    return _leading(graph, num_edges(graph), graph.n_edge)


def _leading(graph: GraphsTuple, rows: int, sizes: ArrayLike | None):
    """True for the rows before the padding graph; `sizes` has each graph's rows, None = one."""
    xp = _namespace(graph.n_node)
    if not is_padded(graph):
        return xp.ones(rows, bool)
    padding_graph = rows_before = num_graphs(graph) - 1 - xp.argmax(graph.n_node[::-1] > 0)
    if sizes is not None:
        rows_before = rows - sizes[padding_graph]
    return xp.arange(rows, dtype=rows_before.dtype) < rows_before


def node_graph_ids(graph: GraphsTuple) -> ArrayLike:
    """The graph that each node belongs to.

    Args:
      graph: any `GraphsTuple`. Inside `jax.jit` it needs a layout or node features (see `num_nodes`).

    Returns:
      `[N]` int32 in `[0, G)`, ascending; numpy for a graph held in numpy, a JAX array otherwise.

    Raises:
      ValueError: traced, and with neither; a shard of a graph.

    Padding: padding nodes get the id of the padding graph.

    Example:
      >>> import graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 0])
      >>> ga.graphs.node_graph_ids(ga.graphs.batch([graph, graph]))
      array([0, 0, 1, 1], dtype=int32)
    """
    if isinstance(graph, PreparedGraph):
        layout = checked_layout(graph)
        if layout.halo is not None:
            raise ValueError(
                "the graph is a shard: what is taken over all nodes of a graph, as pooling and graph norms do, would "
                "be that of a part. Fix: a network for nodes (pool=None), with layer or batch norms."
            )
        return layout.node_graph_ids
    return _graph_ids(graph.n_node, num_nodes(graph))


def edge_graph_ids(graph: GraphsTuple) -> ArrayLike:
    """The graph that each edge belongs to.

    Args:
      graph: any `GraphsTuple`; also inside `jax.jit`.

    Returns:
      `[E]` int32 in `[0, G)`, ascending; numpy for a graph held in numpy, a JAX array otherwise.

    Padding: padding edges get the id of the padding graph.

    Example:
      >>> import graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0], [1])
      >>> ga.graphs.edge_graph_ids(ga.graphs.batch([graph, graph]))
      array([0, 1], dtype=int32)
    """
    return _graph_ids(graph.n_edge, num_edges(graph))


def _graph_ids(sizes: ArrayLike, rows: int) -> ArrayLike:
    if isinstance(sizes, np.ndarray):
        return np.repeat(np.arange(sizes.shape[0], dtype=np.int32), sizes)
    ids = jnp.arange(sizes.shape[0], dtype=jnp.int32)
    return jnp.repeat(ids, sizes, total_repeat_length=rows)


def _namespace(x: ArrayLike):
    return np if isinstance(x, np.ndarray) else jnp
