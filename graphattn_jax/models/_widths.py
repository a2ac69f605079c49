"""How wide the output of a layer is, found out without computing it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from graphattn_jax import graphs, nn
from graphattn_jax.typing import PRNGKey


class Widths(NamedTuple):
    """Of nodes and edges; edges None without features."""

    nodes: int
    edges: int | None


@lru_cache(maxsize=256)
def widths_after(layer: nn.Layer, before: Widths, **arrays: Any) -> Widths:
    """The widths of the graph that a layer gives; `arrays` are shapes of what else `apply` is to get."""
    shape: Any = jax.ShapeDtypeStruct
    schema = getattr(layer, "schema", None)
    num_nodes = 2 if schema is None else 2 * len(schema.types)
    nodes = shape((num_nodes, before.nodes), jnp.float32)
    features = None if before.edges is None else shape((1, before.edges), jnp.float32)
    everything = nn.EdgeInputs(features, real=shape((1,), bool), buckets=shape((1,), jnp.int32))

    def apply(key: PRNGKey, nodes: Any, edges: Any, arrays: dict[str, Any]) -> tuple[Any, Any]:
        params = layer.init(key, before.nodes, edge_features=before.edges)
        graph = nn.with_edges(nn.with_nodes(_smallest(schema), nodes), edges)
        after = layer.apply(params, graph, **arrays).graph
        return nodes_of(after), edges_of(after)

    key = jax.eval_shape(lambda: jax.random.key(0))
    try:
        nodes, edges = jax.eval_shape(apply, key, nodes, features, arrays)
    except Exception as error:
        try:  # a layer that reads more of an edge than its features
            nodes, edges = jax.eval_shape(apply, key, nodes, everything, arrays)
        except Exception:
            raise error from None
    return Widths(nodes.shape[1], None if edges is None else edges.shape[1])


def check_width(seam: str, layer: nn.Layer, before: Widths, **arrays: Any) -> None:
    """The layer gives nodes, and edges if it has new ones, that are as wide as the network."""
    after = widths_after(layer, before, **arrays)
    if after.nodes != before.nodes:
        raise ValueError(
            f"{seam} must give nodes as wide as the network, {before.nodes}, got {after.nodes} of {layer}. Fix: leave "
            "the width of its output open, or give it an output map to that width."
        )
    if layer.updates_edges and before.edges is not None and after.edges != before.nodes:
        raise ValueError(
            f"{seam} must give edges as wide as the network, {before.nodes}, got {after.edges} of {layer}."
        )


def nodes_of(graph: Any) -> Any:
    """The features of `graph.nodes`, without what else `TypedNodes` hold."""
    return graph.nodes.features if isinstance(graph.nodes, graphs.TypedNodes) else graph.nodes


def edges_of(graph: Any) -> Any:
    """The features of `graph.edges`, without what else `EdgeInputs` or `TypedEdges` hold."""
    holders = (nn.EdgeInputs, graphs.TypedEdges)
    return graph.edges.features if isinstance(graph.edges, holders) else graph.edges


@lru_cache(maxsize=32)
def _smallest(schema: graphs.Schema | None) -> graphs.PreparedGraph:
    """Two nodes and an edge; of a typed graph two nodes of each type, and one edge."""
    if schema is None:
        graph = graphs.from_edge_list([0], [1], nodes=np.zeros((2, 1), np.float32))
        return graphs.with_clusters(graphs.prepare(graph, block_size=2), np.arange(2))
    none, one = np.zeros(0, int), np.zeros(1, int)
    edges = {relation: (none, none) for relation in schema.relations}
    edges[schema.relations[0]] = (one, one)
    time = {relation: np.zeros(len(ends[0]), np.float32) for relation, ends in edges.items()}
    nodes = dict.fromkeys(schema.types, 2)
    return graphs.prepare(graphs.from_types(nodes, edges, edge_time=time))
