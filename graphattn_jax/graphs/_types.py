"""The graph data type, the mark of a padded graph, and sizes known without tracing."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np
from jax.core import Tracer

from graphattn_jax import _checks
from graphattn_jax.graphs._features import exact_cast
from graphattn_jax.ops import is_sparse

if TYPE_CHECKING:
    # jraph's annotations are narrower than what it takes and we put in.
    class GraphsTuple(NamedTuple):
        """One graph or a batch of graphs with edges as two id vectors; construct it by keyword."""

        nodes: Any
        edges: Any
        receivers: Any
        senders: Any
        globals: Any
        n_node: Any
        n_edge: Any
else:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # jraph is frozen; what it warns of is not for users
        from jraph import GraphsTuple


class PaddedGraphsTuple(GraphsTuple):
    """A `GraphsTuple` that knows that its last part is padding.

    Real graphs come first, then one graph that owns all padding nodes and edges, then graphs of
    size zero. The type is part of the pytree structure, so it survives `jax.jit`, `jax.tree.map`
    and `_replace`. A graph padded by jraph becomes one with `PaddedGraphsTuple(*graph)`; what
    `ga.graphs.pad` gives knows it by its layout.
    """

    __slots__ = ()


_STRUCTURE = ("senders", "receivers", "n_node", "n_edge")


class PreparedGraph(GraphsTuple):
    """A `GraphsTuple` that carries its layout; made by `prepare`, `pad`, `bipartite` and the iterators over batches.

    The layout (`ga.graphs.Layout`) is part of the pytree: it travels through `jax.jit`, `jax.device_put` and donation,
    and jraph takes the graph as any other. `_replace` of features keeps it; of senders, receivers or sizes drops it,
    and leaves a `PaddedGraphsTuple` where the graph was padded, a `GraphsTuple` otherwise. What reads a layout refuses
    one of other sizes than the graph's.
    """

    layout: Any

    def __new__(cls, *_: Any, **__: Any) -> PreparedGraph:
        raise ValueError(
            "a PreparedGraph is not made from fields: its layout must be its own. "
            "Fix: ga.graphs.prepare(graph), or graph._replace(...) for new features."
        )

    @classmethod
    def _make(cls, iterable: Iterable[Any]) -> PreparedGraph:
        return cls(*iterable)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(
            f"a PreparedGraph is immutable, got a new {name}. Fix: _replace, or prepare."
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return prepared, (GraphsTuple(*self), self.layout)

    def _replace(self, **changes: Any) -> Any:
        if unknown := sorted(set(changes) - set(self._fields)):
            raise ValueError(
                f"a GraphsTuple has no fields {unknown}, only {', '.join(self._fields)}. "
                "Fix: a layout comes from ga.graphs.prepare(graph)."
            )
        fields = GraphsTuple(*self)._replace(**changes)
        if is_bipartite(fields) != self.layout.is_bipartite:
            raise ValueError(
                "the nodes of a bipartite graph are a NodePair, and those of no other: its layout says which it is. "
                "Fix: ga.graphs.bipartite(...), or _replace of a graph without a layout."
            )
        same = all(getattr(fields, name) is getattr(self, name) for name in _STRUCTURE)
        if same and all(map(operator.is_, _types_of(fields), _types_of(self))):
            return prepared(fields, self.layout)
        if self.layout.reverse is None and self.layout.padded:
            raise ValueError(
                "the layout of this bipartite or sharded graph says which edges are real, and does not fit others. "
                "Fix: ga.graphs.bipartite(..., edge_mask=...) with the new ones."
            )
        return PaddedGraphsTuple(*fields) if self.layout.padded else fields

    __replace__ = _replace  # of copy.replace


def _types_of(graph: GraphsTuple) -> tuple[Any, ...]:
    """What the layout of a typed graph depends on besides."""
    parts = ((graph.nodes, "type"), (graph.edges, "relation"), (graph.edges, "time"))
    return tuple(getattr(features, name, None) for features, name in parts)


def prepared(graph: GraphsTuple, layout: Any) -> PreparedGraph:
    """The graph with this layout, which must be its own."""
    new = tuple.__new__(PreparedGraph, tuple(graph))
    new.__dict__["layout"] = layout
    return new


_KEYS = tuple(map(jax.tree_util.GetAttrKey, (*GraphsTuple._fields, "layout")))


def _flatten(graph: PreparedGraph) -> tuple[tuple[Any, ...], None]:
    return (*graph, graph.layout), None


def _flatten_with_keys(graph: PreparedGraph) -> tuple[tuple[Any, ...], None]:
    return tuple(zip(_KEYS, _flatten(graph)[0], strict=True)), None


def _unflatten(_: None, children: Iterable[Any]) -> PreparedGraph:
    *fields, layout = children
    return prepared(GraphsTuple(*fields), layout)


jax.tree_util.register_pytree_with_keys(PreparedGraph, _flatten_with_keys, _unflatten, _flatten)


def checked_layout(graph: PreparedGraph) -> Any:
    """Its layout, refused where the sizes are not those of the graph; also inside `jax.jit`."""
    layout = graph.layout
    num_edges, num_senders, num_receivers = layout.edges.sizes
    slots = None if layout.blocks is None else layout.blocks.slot
    senders = graph.nodes.senders if is_bipartite(graph) else None
    sizes = (
        (num_edges, (graph.senders, graph.receivers, layout.edge_mask, layout.reverse)),
        (num_receivers, (layout.node_mask, layout.node_graph_ids, slots)),
        (num_receivers, node_leaves(receivers_of(graph.nodes))),
        (num_senders, node_leaves(senders)),
        (layout.graph_mask.shape[0], (graph.n_node, graph.n_edge)),
    )
    fits = all(x is None or np.shape(x)[:1] == (size,) for size, rows in sizes for x in rows)
    if not fits or is_bipartite(graph) != layout.is_bipartite:
        raise ValueError(
            f"the graph carries the layout of another one, with {num_edges} edges from {num_senders} to "
            f"{num_receivers} nodes. Fix: ga.graphs.prepare(graph) on the host, before jax.jit."
        )
    return layout


class NodePair(NamedTuple):
    """The node features of a bipartite graph: of the senders and of the receivers, each with ids of their own.

    Wherever nodes are counted, masked or pooled, the receivers are meant.
    """

    senders: Any
    receivers: Any


def receivers_of(nodes: Any) -> Any:
    """The features of the nodes that receive."""
    return nodes.receivers if isinstance(nodes, NodePair) else nodes


def node_leaves(nodes: Any) -> list[Any]:
    """The arrays with a row per node."""
    return jax.tree.leaves(nodes, is_leaf=is_sparse)


def num_rows(name: str, nodes: Any) -> int:
    """How many nodes there are by their features, which one side of a bipartite graph has to have."""
    leaves = node_leaves(nodes)
    if not leaves or not np.ndim(leaves[0]):
        raise ValueError(
            f"{name} must be features with a row per node: they say how many nodes there are."
        )
    return leaves[0].shape[0]


def is_padded(graph: GraphsTuple) -> bool:
    """Whether a graph has padding, as its layout or its type says.

    Args:
      graph: any `GraphsTuple`; also inside `jax.jit`.

    Returns:
      A Python bool. A graph that jraph padded says so as `PaddedGraphsTuple(*graph)`.

    Example:
      >>> import graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0], [1])
      >>> ga.graphs.is_padded(graph), ga.graphs.is_padded(ga.graphs.pad(graph, ga.graphs.Budget(4, 4, 2)))
      (False, True)
    """
    if isinstance(graph, PreparedGraph):
        return graph.layout.padded
    return isinstance(graph, PaddedGraphsTuple)


def is_bipartite(graph: GraphsTuple) -> bool:
    """Whether senders and receivers are different nodes."""
    return isinstance(graph.nodes, NodePair)


def num_graphs(graph: GraphsTuple) -> int:
    """Number of graphs in the batch, padding included, as a Python int.

    Args:
      graph: any `GraphsTuple`; also inside `jax.jit`.

    Returns:
      The length of `n_node`.

    Example:
      >>> import graphattn_jax as ga
      >>> ga.graphs.num_graphs(ga.graphs.from_edge_list([0, 1], [1, 0]))
      1
    """
    return graph.n_node.shape[0]


def num_edges(graph: GraphsTuple) -> int:
    """Number of edges over the batch, padding included, as a Python int.

    Args:
      graph: any `GraphsTuple`; also inside `jax.jit`.

    Returns:
      The length of `senders`.

    Example:
      >>> import graphattn_jax as ga
      >>> ga.graphs.num_edges(ga.graphs.from_edge_list([0, 1], [1, 0]))
      2
    """
    return graph.senders.shape[0]


def num_nodes(graph: GraphsTuple) -> int:
    """Number of nodes over the batch, padding included, as a Python int.

    Args:
      graph: any `GraphsTuple`. Inside `jax.jit` it needs a layout or node features: their shape is static, the values
        of `n_node` are not.

    Returns:
      Rows of the first node feature, or the sum of `n_node` without node features; receivers of a `NodePair`.

    Raises:
      ValueError: traced, and with neither.

    Example:
      >>> import graphattn_jax as ga
      >>> ga.graphs.num_nodes(ga.graphs.from_edge_list([0, 1], [1, 2], num_nodes=5))
      5
    """
    if isinstance(graph, PreparedGraph):
        return checked_layout(graph).node_mask.shape[0]
    if leaves := node_leaves(receivers_of(graph.nodes)):
        return leaves[0].shape[0]
    if isinstance(graph.n_node, Tracer):
        raise ValueError(
            "graph has no node features, so its number of nodes is not static under tracing. "
            "Fix: ga.graphs.prepare(graph) on the host, before jax.jit, or give it nodes."
        )
    return int(np.sum(graph.n_node))


def to_host(
    graph: GraphsTuple,
    function: str,
    *,
    allow_padded: bool = False,
    allow_sparse: bool = True,
    allow_bipartite: bool = False,
) -> GraphsTuple:
    """The graph as a host function works on it: without its layout, in numpy, with int32 ids.

    Args:
      graph: any `GraphsTuple`.
      function: the name that errors say.
      allow_padded: whether it takes padded graphs; it gets a `PaddedGraphsTuple`.
      allow_sparse: False for one that picks or copies rows of nodes, which `SparseFeatures` do not have.
      allow_bipartite: whether senders and receivers may be ids of different nodes.

    Returns:
      A `GraphsTuple` or `PaddedGraphsTuple`.

    Raises:
      ValueError: what is no graph, is traced, or is not allowed.

    Cost: copies what is on a device to the host.

    Example:
      >>> import graphattn_jax as ga
      >>> def reversed_edges(graph):
      ...   graph = ga.graphs.to_host(graph, "reversed_edges")
      ...   return graph._replace(senders=graph.receivers, receivers=graph.senders)
      >>> reversed_edges(ga.graphs.from_edge_list([0], [1])).senders
      array([1], dtype=int32)
      >>> reversed_edges(None)
      Traceback (most recent call last):
      ValueError: reversed_edges: graph must be a GraphsTuple, got NoneType. Fix: build one with graphs.from_edge_list.
    """
    if getattr(graph, "_fields", None) != GraphsTuple._fields:
        raise ValueError(
            f"{function}: graph must be a GraphsTuple, got {type(graph).__name__}. "
            "Fix: build one with graphs.from_edge_list."
        )
    if not allow_bipartite:
        refuse_bipartite(graph, function)
    if not allow_padded and is_padded(graph):
        raise ValueError(
            f"{function} got a padded graph. Fix: apply {function} before pad, or to unpad(graph)."
        )
    if not allow_sparse and any(map(is_sparse, node_leaves(graph.nodes))):
        raise ValueError(
            f"{function} does not take SparseFeatures. "
            "Fix: graph._replace(nodes=graph.nodes.to_dense()), or make them sparse after it."
        )
    if any(isinstance(x, Tracer) for x in jax.tree.leaves(graph)):
        raise ValueError(
            f"{function} runs on the host and got a traced graph. Fix: call it before jax.jit."
        )
    # The mask of a bipartite graph is in its layout; who allows both reads it there.
    plain = PaddedGraphsTuple if is_padded(graph) and not is_bipartite(graph) else GraphsTuple
    graph = plain(*jax.tree.map(np.asarray, tuple(graph)))
    return graph._replace(**{name: as_int32(name, getattr(graph, name)) for name in _STRUCTURE})


def as_int32(name: str, ids: Any) -> np.ndarray:
    """A vector of ids or sizes on the host; values that int32 does not hold are an error."""
    _checks.ids(name, ids)
    return exact_cast(name, np.asarray(ids), np.dtype(np.int32))


def refuse_bipartite(graph: GraphsTuple, function: str) -> None:
    """An error in the name of `function` where senders and receivers are different nodes."""
    if is_bipartite(graph):
        raise ValueError(
            f"{function} is for graphs with one set of nodes, got a bipartite one (a NodePair). "
            "Fix: do it to the arrays, before ga.graphs.bipartite."
        )
