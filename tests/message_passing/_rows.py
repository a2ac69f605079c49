"""The layers under contract: a row per layer, and dense `[N_r, N_s]` references that share no code with the library.

A compilation costs a hundred times the arithmetic of these graphs, so most properties run under `jax.disable_jit`.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graphattn_jax import graphs, nn, testing
from graphattn_jax import message_passing as mp

WIDTH, EDGE_WIDTH, OUT = 4, 3, 6
LOG_DEGREE = 1.3


class Row(NamedTuple):
    """A layer with its dense reference.

    dense(params, graph) gives the new nodes, and the new edges of a layer that makes any. edges: the width of the edge
    features that it reads, or None. senders: None for a layer that refuses bipartite graphs, else the width of other
    nodes that it hears. weighted: whether it is called with weights made from the edges.
    """

    name: str
    layer: nn.Layer
    dense: Callable[[Any, graphs.GraphsTuple], tuple[jax.Array, ...]]
    edges: int | None = None
    senders: int | None = None
    weighted: bool = False

    @functools.cache  # noqa: B019
    def init(self, in_features=WIDTH):
        """Parameters with noise: biases start at zero, which would hide them."""
        with jax.disable_jit(False):
            params = self.layer.init(jax.random.key(0), in_features, self.edges)
            leaves, structure = jax.tree.flatten(params)
            keys = jax.random.split(jax.random.key(1), len(leaves))
            return jax.tree.unflatten(
                structure,
                [x + 0.3 * jax.random.normal(k, x.shape, x.dtype) for k, x in zip(keys, leaves)],
            )

    def apply(self, params, graph):
        options = {"edge_weight": weights_of(graph)} if self.weighted else {}
        return self.layer.apply(params, graph, **options).graph

    def outputs(self, params, graph):
        """What `dense` gives too."""
        out = self.apply(params, graph)
        nodes = out.nodes.receivers if isinstance(out.nodes, graphs.NodePair) else out.nodes
        new_edges = self.layer.updates_edges and self.edges is not None
        return (nodes, out.edges) if new_edges else (nodes,)

    def graph(self, seed=0, num_nodes=7, num_edges=18):
        """Edges with and without a reverse, self-loops, and one isolated node, the last."""
        graph = testing.random_graph(
            seed,
            num_nodes,
            num_edges,
            WIDTH,
            edge_width=self.edges or EDGE_WIDTH,
            self_loops=True,
        )
        alone = np.random.default_rng(seed).normal(size=(1, WIDTH)).astype(np.float32)
        return graph._replace(
            nodes=np.concatenate([graph.nodes, alone]), n_node=np.array([num_nodes + 1], np.int32)
        )


def ends(graph):
    """Features of senders and receivers."""
    pair = graph.nodes if isinstance(graph.nodes, graphs.NodePair) else (graph.nodes, graph.nodes)
    return tuple(jnp.asarray(x) for x in pair)


def matrix(graph, rows=None):
    """`[N_r, N_s]` (or `[N_r, N_s, K]` of one row per edge), 0 where there is no edge. No parallel edges."""
    senders, receivers = ends(graph)
    rows = jnp.ones(len(graph.senders), receivers.dtype) if rows is None else rows
    empty = jnp.zeros((len(receivers), len(senders), *rows.shape[1:]), rows.dtype)
    return empty.at[graph.receivers, graph.senders].set(rows)


def affine(params, x):
    y = x @ params.weight
    return y if params.bias is None else y + params.bias.reshape((1,) * (x.ndim - 1) + (-1,))


def dense_gcn(params, graph, weights=None):
    a = matrix(graph, weights)
    d = a.sum(1)
    root = jnp.where(d > 0, 1 / jnp.sqrt(jnp.where(d > 0, d, 1)), 0)
    return (affine(params, (root[:, None] * a * root[None, :]) @ graph.nodes),)


def weights_of(graph):
    """Positive edge weights made from the first edge feature, so that they have a gradient."""
    return jnp.exp(jnp.asarray(graph.edges)[:, 0] / 10)


def dense_sage(params, graph):
    a, (senders, receivers) = matrix(graph), ends(graph)
    mean = (a @ senders) / jnp.maximum(a.sum(1, keepdims=True), 1)
    return (affine(params.neighbor, mean) + affine(params.root, receivers),)


def dense_gine(params, graph):
    a, (senders, receivers) = matrix(graph), ends(graph)
    messages = jnp.broadcast_to(senders[None], (*a.shape, senders.shape[1]))
    if params.edge is not None:
        terms = affine(params.edge, graph.edges) if params.edge else jnp.asarray(graph.edges)
        messages = messages + matrix(graph, terms)
    h = (1 + params.epsilon) * receivers + (a[:, :, None] * jax.nn.relu(messages)).sum(1)
    first, last = params.mlp.layers
    return (affine(last, jax.nn.relu(affine(first, h))),)


def dense_gated_gcn(params, graph, normalize=True):
    a, (senders, x) = matrix(graph), ends(graph)
    logits = affine(params.receiver, x)[:, None, :] + affine(params.sender, senders)[None, :, :]
    if params.edge is not None:
        logits = logits + matrix(graph, affine(params.edge, graph.edges))
    gates = a[:, :, None] * jax.nn.sigmoid(logits)
    if normalize:
        gates = gates / (gates.sum(1, keepdims=True) + 1e-6)
    messages = jnp.einsum("ijc,jc->ic", gates, affine(params.value, senders))
    if params.edge_value is not None:
        terms = matrix(graph, affine(params.edge_value, graph.edges))
        messages = messages + (gates * terms).sum(1)
    nodes = affine(params.root, x) + messages
    if params.edge is None:
        return (nodes,)
    return nodes, logits[graph.receivers, graph.senders]


def dense_pna(params, graph):
    a, (senders, x) = matrix(graph), ends(graph)
    messages = jnp.einsum("nd,dtf->ntf", x, params.receiver)[:, None]
    messages = messages + jnp.einsum("nd,dtf->ntf", senders, params.sender)[None]
    messages = messages + params.message_bias[None, None]
    if params.edge is not None:
        messages = messages + jnp.einsum("ijd,dtf->ijtf", matrix(graph, graph.edges), params.edge)
    d = a.sum(1)[:, None, None]
    pairs = a[:, :, None, None] > 0
    mean = jnp.where(pairs, messages, 0).sum(1) / jnp.maximum(d, 1)
    centred = jnp.where(pairs, messages - mean[:, None], 0)
    variance = (centred * centred).sum(1) / jnp.maximum(d, 1)
    spread = (d > 1) & (variance > 0)
    std = jnp.where(spread, jnp.sqrt(jnp.where(spread, variance, 1)), 0)
    low = jnp.where(d > 0, jnp.where(pairs, messages, jnp.inf).min(1), 0)
    high = jnp.where(d > 0, jnp.where(pairs, messages, -jnp.inf).max(1), 0)
    aggregated = jnp.stack([mean, low, high, std], axis=1)  # [N, A, T, F]
    log_d = jnp.log(jnp.maximum(d, 1) + 1)[:, None]
    scaled = [aggregated, log_d / LOG_DEGREE * aggregated, LOG_DEGREE / log_d * aggregated]
    towers = [
        sum(
            jnp.einsum("naf,afo->no", s[:, :, t], params.update[k, :, :, t])
            for k, s in enumerate(scaled)
        )
        for t in range(params.sender.shape[1])
    ]
    return (affine(params.mix, affine(params.root, x) + jnp.concatenate(towers, axis=1)),)


ROWS = (
    Row("gcn", mp.GCN(OUT), dense_gcn),
    Row(
        "gcn-weighted",
        mp.GCN(OUT),
        lambda params, graph: dense_gcn(params, graph, weights_of(graph)),
        weighted=True,
    ),
    Row("sage", mp.SAGE(OUT), dense_sage, senders=5),
    Row("gine", mp.GINE(OUT), dense_gine, senders=WIDTH),
    Row("gine-added", mp.GINE(OUT), dense_gine, edges=WIDTH, senders=WIDTH),
    Row("gine-map", mp.GINE(OUT, edge_map=True), dense_gine, edges=EDGE_WIDTH, senders=WIDTH),
    Row("gated_gcn-edges", mp.GatedGCN(OUT), dense_gated_gcn, edges=EDGE_WIDTH, senders=5),
    Row(
        "gated_gcn-values",
        mp.GatedGCN(OUT, edge_values=True),
        dense_gated_gcn,
        edges=EDGE_WIDTH,
        senders=5,
    ),
    Row(
        "gated_gcn-sum",
        mp.GatedGCN(OUT, normalize=False),
        lambda params, graph: dense_gated_gcn(params, graph, normalize=False),
        senders=5,
    ),
    Row(
        "pna-towers-edges",
        mp.PNA(OUT, towers=2, log_degree_mean=LOG_DEGREE),
        dense_pna,
        edges=EDGE_WIDTH,
        senders=5,
    ),
)

each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
BIPARTITE = [row for row in ROWS if row.senders]
each_bipartite_row = pytest.mark.parametrize("row", BIPARTITE, ids=lambda row: row.name)


def plain(graph):
    """The graph without its layout."""
    kind = graphs.PaddedGraphsTuple if graph.layout.padded else graphs.GraphsTuple
    return kind(*graph)


def on_features(outputs_of, graph):
    """`f(params, nodes, edges) -> outputs` from `outputs_of(params, graph)`: what has a gradient."""

    def run(params, nodes, edges):
        return outputs_of(params, graph._replace(nodes=nodes, edges=edges))

    return run
