"""Graphs for tests: random ones, and the same graph in another order."""

from __future__ import annotations

import jax
import numpy as np

from graphattn_jax import _checks, graphs
from graphattn_jax.graphs import GraphsTuple, to_host
from graphattn_jax.typing import ArrayLike


def random_graph(
    seed: int,
    num_nodes: int,
    num_edges: int,
    width: int,
    *,
    undirected: bool = False,
    self_loops: bool = False,
    edge_width: int | None = None,
) -> GraphsTuple:
    """A graph with distinct random edges in random order and standard normal features.

    Args:
      seed: of the generator; the same seed gives the same graph.
      num_nodes: number of nodes, positive.
      num_edges: number of directed edges between different nodes, without those of `self_loops`.
      width: number of node features.
      undirected: each edge comes with its reverse, which has the same features.
      self_loops: each node gets one self-loop as well, after the other edges.
      edge_width: number of edge features; None = no edge features.

    Returns:
      A `GraphsTuple` of numpy arrays, features in float32.

    Raises:
      ValueError: more edges than pairs of nodes, or an odd number of undirected ones.

    Cost: O(N D + E).

    Example:
      >>> import graphattn_jax as ga
      >>> graph = ga.testing.random_graph(0, 5, 8, 3, undirected=True, self_loops=True)
      >>> graph.nodes.shape, graph.senders.shape
      ((5, 3), (13,))
    """
    _checks.positive("num_nodes", num_nodes)
    _checks.positive("width", width)
    possible = num_nodes * (num_nodes - 1)
    if not 0 <= num_edges <= possible:
        raise ValueError(
            f"num_edges must lie in [0, {possible}] for {num_nodes} nodes, got {num_edges}."
        )
    if undirected and num_edges % 2:
        raise ValueError(
            f"num_edges counts both directions and must be even if undirected, got {num_edges}."
        )
    rng = np.random.default_rng(seed)
    # A pair is a sender and a distance around the circle of nodes; the distances up to half of the
    # circle hold each unordered pair once.
    directions = 2 if undirected else 1
    pair = rng.choice(possible // directions, num_edges // directions, replace=False)
    start, end = pair % num_nodes, (pair % num_nodes + pair // num_nodes + 1) % num_nodes
    features = rng.normal(size=(len(pair), edge_width or 0))
    if undirected:
        order = rng.permutation(num_edges)
        start, end = np.concatenate([start, end])[order], np.concatenate([end, start])[order]
        features = np.concatenate([features, features])[order]
    if self_loops:
        loops = np.arange(num_nodes)
        start, end = np.concatenate([start, loops]), np.concatenate([end, loops])
        features = np.concatenate([features, rng.normal(size=(num_nodes, edge_width or 0))])
    return graphs.from_edge_list(
        start,
        end,
        num_nodes=num_nodes,
        nodes=rng.normal(size=(num_nodes, width)).astype(np.float32),
        edges=None if edge_width is None else features.astype(np.float32),
    )


def permute_nodes(graph: GraphsTuple, permutation: ArrayLike) -> GraphsTuple:
    """The same graph with its nodes in another order: new node i is old node `permutation[i]`.

    Edges keep their order and their features; their ends are renamed.

    Args:
      graph: a graph or batch on the host.
      permutation: `[N]` integer; each node of a batch stays in its own graph.

    Returns:
      The graph with numpy leaves, without a layout; a padded one as a `PaddedGraphsTuple`.

    Raises:
      ValueError: not a permutation, or one that moves nodes to another graph; a bipartite graph.

    Example:
      >>> import numpy as np
      >>> import graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 2], nodes=np.array([[0.0], [1.0], [2.0]]))
      >>> moved = ga.testing.permute_nodes(graph, np.array([2, 0, 1]))
      >>> moved.nodes.ravel().tolist(), moved.senders.tolist(), moved.receivers.tolist()
      ([2.0, 0.0, 1.0], [1, 2], [2, 0])
    """
    graph = to_host(graph, "permute_nodes", allow_padded=True, allow_sparse=False)
    permutation = _permutation(permutation, np.asarray(graphs.node_graph_ids(graph)), "nodes")
    new_id = np.argsort(permutation).astype(np.int32)
    return graph._replace(
        nodes=_rows(graph.nodes, permutation),
        senders=new_id[graph.senders],
        receivers=new_id[graph.receivers],
    )


def permute_edges(graph: GraphsTuple, permutation: ArrayLike) -> GraphsTuple:
    """The same graph with its edges in another order: new edge e is old edge `permutation[e]`.

    Args:
      graph: a graph or batch on the host.
      permutation: `[E]` integer; each edge of a batch stays in its own graph.

    Returns:
      The graph with numpy leaves, without a layout; a padded one as a `PaddedGraphsTuple`.

    Raises:
      ValueError: not a permutation, or one that moves edges to another graph; a bipartite graph.

    Example:
      >>> import numpy as np
      >>> import graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 2])
      >>> ga.testing.permute_edges(graph, np.array([1, 0])).senders.tolist()
      [1, 0]
    """
    graph = to_host(graph, "permute_edges", allow_padded=True)
    permutation = _permutation(permutation, np.asarray(graphs.edge_graph_ids(graph)), "edges")
    return graph._replace(
        edges=_rows(graph.edges, permutation),
        senders=graph.senders[permutation],
        receivers=graph.receivers[permutation],
    )


def permutation_within(graph_ids: np.ndarray, seed: int) -> np.ndarray:
    """A random permutation of rows that leaves each row in its own graph."""
    return np.lexsort((np.random.default_rng(seed).random(len(graph_ids)), graph_ids))


def _permutation(permutation: ArrayLike, graph_ids: np.ndarray, what: str) -> np.ndarray:
    _checks.ids("permutation", permutation, len(graph_ids))
    permutation = np.asarray(permutation)
    if not np.array_equal(np.sort(permutation), np.arange(len(graph_ids))):
        raise ValueError(
            f"permutation must hold each of the {len(graph_ids)} {what} once, got {permutation}."
        )
    if not np.array_equal(graph_ids[permutation], graph_ids):
        raise ValueError(
            f"permutation moves {what} between the graphs of a batch. "
            "Fix: permute within each graph, or before graphs.batch."
        )
    return permutation


def _rows(features, permutation: np.ndarray):
    return jax.tree.map(lambda x: x[permutation], features)
