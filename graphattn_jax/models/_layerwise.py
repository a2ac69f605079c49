"""A network on a whole large graph, one layer after the other, each in batches of nodes."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from graphattn_jax import _checks, nn
from graphattn_jax.attention import HAN, GlobalAttention
from graphattn_jax.graphs import GraphsTuple, TypedEdges, TypedNodes, to_host
from graphattn_jax.linear_attention import LinearAttentionLayer
from graphattn_jax.models._network import Network, Output
from graphattn_jax.models._plain_network import PlainNetwork
from graphattn_jax.models._residual_network import ResidualNetwork
from graphattn_jax.models._typed_network import TypedNetwork
from graphattn_jax.models._widths import nodes_of
from graphattn_jax.nn import with_nodes
from graphattn_jax.sampling import Neighbours, Sampler

__all__ = ["apply_layerwise"]


def apply_layerwise(
    network: Network,
    params: Any,
    graph: GraphsTuple,
    *,
    batch_size: int,
    hops: int = 1,
) -> Output:
    """What a network gives for all nodes of a graph whose edges do not fit the device at once.

    Layer after layer, each node hears all its neighbours, a batch of nodes at a time. No layer is computed twice for a
    node, as it would be with whole neighbourhoods of seeds, and nothing is sampled: values are those of the whole
    graph.

    Args:
      network: a `PlainNetwork`, `ResidualNetwork` or `TypedNetwork` of layers that look at neighbours alone.
      params: of the network.
      graph: one graph on the host, without padding.
      batch_size: nodes whose edges are on the device at once.
      hops: how far one layer looks: 2 for `GCN`, which reads the degrees of the senders too.

    Returns:
      The `Output` of the evaluation, with predictions `[N, T]` and without attention.

    Raises:
      ValueError: another network, layers that look at all nodes, what `Sampler` refuses.

    Cost: each layer once on every edge, in one program; features and outputs of all nodes are in memory.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> ring = ga.graphs.from_edge_list(np.arange(20), (np.arange(20) + 1) % 20, nodes=np.eye(20, dtype=np.float32))
      >>> network = ga.models.PlainNetwork.gat(20, 3)
      >>> params, state = network.init(jax.random.key(0))
      >>> ga.models.apply_layerwise(network, params, ring, batch_size=8).prediction.shape
      (20, 3)

    Source: Hamilton, Ying, Leskovec, "Inductive Representation Learning on Large Graphs", NeurIPS 2017,
      arXiv:1706.02216, algorithm 1.
    """
    if not isinstance(network, (PlainNetwork, ResidualNetwork, TypedNetwork)):
        raise ValueError(
            "network must be a PlainNetwork, ResidualNetwork or TypedNetwork, whose layers stand one behind the other, "
            f"got {type(network).__name__}."
        )
    _checks.positive("hops", hops)
    graph = to_host(graph, "apply_layerwise", allow_sparse=False)
    structure = graph._replace(nodes=None, edges=None)
    if isinstance(graph.nodes, TypedNodes):
        nodes = dataclasses.replace(graph.nodes, features=None, time=None, categories=None)
        edges = graph.edges._replace(features=None, weights=None)
        structure = graph._replace(nodes=nodes, edges=edges)
    num_nodes = int(graph.n_node.sum())
    sampler = Sampler(structure, Neighbours((None,) * hops), np.arange(num_nodes), batch_size)
    # Equal layers share a program.
    compiled = functools.cache(lambda layer: jax.jit(functools.partial(_run, layer)))
    in_batches = functools.partial(
        _InBatches, evaluate=functools.partial(_apply, sampler, compiled)
    )
    if isinstance(network, ResidualNetwork):
        _check_layer(network.layer)
        network = dataclasses.replace(network, layer=in_batches(network.layer), scan=False)
    else:
        for layer in network.layers:
            _check_layer(layer)
        network = dataclasses.replace(network, layers=tuple(map(in_batches, network.layers)))
    return network.apply(params, None, graph)


def _check_layer(layer: nn.Layer) -> None:
    if isinstance(layer, (GlobalAttention, HAN, LinearAttentionLayer)):
        raise ValueError(
            f"{type(layer).__name__} looks at all nodes, not at neighbours alone, and has no values in batches. "
            "Fix: network.apply on the whole graph."
        )


@dataclass(frozen=True, repr=False)
class _InBatches(nn.Layer):
    """A layer that is evaluated on the whole graph in batches of receivers; not within `jax.jit`."""

    layer: nn.Layer
    evaluate: Callable[..., nn.LayerOutput]

    def init(self, key: Any, in_features: Any, edge_features: int | None = None) -> Any:
        return self.layer.init(key, in_features, edge_features)

    def apply(self, params: Any, graph: Any, *, training: bool = False, key: Any = None) -> Any:
        return self.evaluate(self.layer, params, graph)


def _run(layer: nn.Layer, params: Any, graph: Any) -> tuple[Any, Any]:
    """New features of the nodes, and the new edges where the layer gives any."""
    out = layer.apply(params, graph).graph
    return nodes_of(out), _edge_features(out.edges) if out.edges is not graph.edges else None


def _edge_features(edges: Any) -> Any:
    """What of the edges is no structure."""
    return (edges.features, edges.weights) if isinstance(edges, TypedEdges) else edges


def _with_edge_features(edges: Any, features: Any) -> Any:
    if isinstance(edges, TypedEdges):
        return edges._replace(features=features[0], weights=features[1])
    return features


def _apply(
    sampler: Sampler, compiled: Callable[..., Any], layer: nn.Layer, params: Any, graph: Any
) -> nn.LayerOutput:
    x = np.asarray(nodes_of(graph))
    edge_features = jax.tree.map(np.asarray, _edge_features(graph.edges))
    new_x = new_edges = None
    for index in range(len(sampler)):
        sample = sampler(None, 0, index)
        block = with_nodes(sample.graph, _rows(x, sample.node_ids))
        features = jax.tree.map(lambda e, ids=sample.edge_ids: _rows(e, ids), edge_features)
        block = block._replace(edges=_with_edge_features(block.edges, features))
        got, got_edges = jax.device_get(compiled(layer)(params, block))
        ids = sample.node_ids[sample.seeds[sample.seed_mask]]
        if new_x is None:
            new_x = np.empty((len(x), *got.shape[1:]), got.dtype)
        new_x[ids] = got[: len(ids)]
        if got_edges is not None:
            if new_edges is None:
                new_edges = jax.tree.map(
                    lambda e: np.empty((len(graph.senders), *e.shape[1:]), e.dtype), got_edges
                )
            # All edges of the seeds are there; with several hops there are others too.
            own = (sample.edge_ids >= 0) & (sample.hops[sample.graph.receivers] == 0)
            for new, e in zip(jax.tree.leaves(new_edges), jax.tree.leaves(got_edges), strict=True):
                new[sample.edge_ids[own]] = e[own]
    if new_x is None:  # no nodes, no batches
        return layer.apply(params, graph)
    graph = with_nodes(graph, jnp.asarray(new_x))
    if new_edges is not None:
        graph = graph._replace(edges=_with_edge_features(graph.edges, new_edges))
    return nn.LayerOutput(graph)


def _rows(x: np.ndarray, ids: Any) -> np.ndarray:
    """Rows of x, 0 for an id of -1."""
    rows = x[ids]
    rows[ids < 0] = 0
    return rows
