"""Parameters as nested dicts and back, and the widths of a layer's inputs, read off a graph."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax.traverse_util import unflatten_dict

from graphattn_jax import _checks
from graphattn_jax.graphs import NodePair, TypedEdges, TypedNodes
from graphattn_jax.nn import EdgeInputs


def widths(graph: Any) -> dict[str, Any]:
    """`in_features` and `edge_features` of `ga.nn.Layer.init` for this graph; features of edges are floating point."""
    nodes: Any = graph.nodes
    if isinstance(nodes, TypedNodes):
        nodes = nodes.features
    ends: Any = nodes if isinstance(nodes, NodePair) else (nodes,)
    for x in ends:
        _checks.shape("graph.nodes", x, ("N", "D"))
    sizes = tuple(x.shape[1] for x in ends)
    edges: Any = graph.edges
    if isinstance(edges, EdgeInputs | TypedEdges):
        edges = edges.features
    has_features = len(getattr(edges, "shape", ())) == 2 and jnp.issubdtype(
        edges.dtype, jnp.floating
    )
    return {
        "in_features": sizes[0] if len(sizes) == 1 else sizes,
        "edge_features": edges.shape[1] if has_features else None,
    }


def paths(tree: Any) -> list[tuple[str, ...]]:
    """The names of the leaves: fields, keys and positions; `value` for a tree that is one array."""
    places = (path for path, _ in jax.tree_util.tree_leaves_with_path(tree))
    return [
        tuple(jax.tree_util.keystr((key,), simple=True) for key in path) or ("value",)
        for path in places
    ]


def to_dict(tree: Any, leaf: Callable[[Any], Any] = lambda x: x) -> dict[str, Any]:
    """Nested dicts of `leaf(x)`, without what is None."""
    return unflatten_dict(dict(zip(paths(tree), map(leaf, jax.tree.leaves(tree)), strict=True)))


def from_dict(structure: Any, nested: Mapping[str, Any]) -> Any:
    """The tree of this structure whose leaves lie in nested dicts."""
    names = paths(jax.tree.unflatten(structure, range(structure.num_leaves)))
    return structure.unflatten(functools.reduce(operator.getitem, path, nested) for path in names)
