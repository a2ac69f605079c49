"""The layers under contract: a row per layer, and dense `[N, N]` references that share no code with the library.

A compilation costs a hundred times the arithmetic of these graphs, so most properties run under `jax.disable_jit`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graphattn_jax import graphs, testing
from graphattn_jax import message_passing as mp

WIDTH, EDGE_WIDTH, OUT = 4, 3, 6
LOG_DEGREE = 1.3


class Row(NamedTuple):
    """A layer with its options.

    init() gives parameters; apply(params, graph, layout) a graph; dense(params, graph) the same outputs
    as `outputs` takes from a graph, in a tuple.
    """

    name: str
    init: Callable[[], Any]
    apply: Callable[..., graphs.GraphsTuple]
    dense: Callable[[Any, graphs.GraphsTuple], tuple[jax.Array, ...]]


def matrix(graph, rows=None):
    """`[N, N]` (or `[N, N, K]` of one row per edge), row = receiver, 0 where there is no edge. No parallel edges."""
    n = len(graph.nodes)
    rows = jnp.ones(len(graph.senders), graph.nodes.dtype) if rows is None else rows
    empty = jnp.zeros((n, n, *rows.shape[1:]), rows.dtype)
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
    a = matrix(graph)
    mean = (a @ graph.nodes) / jnp.maximum(a.sum(1, keepdims=True), 1)
    return (affine(params.neighbor, mean) + affine(params.root, graph.nodes),)


def dense_gine(params, graph):
    messages = jnp.broadcast_to(graph.nodes[None], (len(graph.nodes), *graph.nodes.shape))
    if params.edge is not None:
        messages = messages + matrix(graph, affine(params.edge, graph.edges))
    h = (matrix(graph)[:, :, None] * jax.nn.relu(messages)).sum(1)
    h = (1 + params.epsilon) * graph.nodes + h
    first, last = params.mlp.layers
    return (affine(last, jax.nn.relu(affine(first, h))),)


def dense_gated_gcn(params, graph, normalize=True):
    x = graph.nodes
    logits = affine(params.receiver, x)[:, None, :] + affine(params.sender, x)[None, :, :]
    if params.edge is not None:
        logits = logits + matrix(graph, affine(params.edge, graph.edges))
    gates = matrix(graph)[:, :, None] * jax.nn.sigmoid(logits)
    if normalize:
        gates = gates / (gates.sum(1, keepdims=True) + 1e-6)
    nodes = affine(params.root, x) + jnp.einsum("ijc,jc->ic", gates, affine(params.value, x))
    if params.edge is None:
        return (nodes,)
    return nodes, logits[graph.receivers, graph.senders]


def dense_pna(params, graph):
    x = graph.nodes
    messages = jnp.einsum("nd,dtf->ntf", x, params.receiver)[:, None]
    messages = messages + jnp.einsum("nd,dtf->ntf", x, params.sender)[None]
    messages = messages + params.message_bias[None, None]
    if params.edge is not None:
        messages = messages + jnp.einsum("ijd,dtf->ijtf", matrix(graph, graph.edges), params.edge)
    a = matrix(graph)
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


def row(name, init, layer, dense, *, sizes=(), **options):
    """A row from init and layer, with noise on the parameters: biases start at zero, which would hide them."""

    def noisy():
        leaves, structure = jax.tree.flatten(init(jax.random.key(0), WIDTH, OUT, **dict(sizes)))
        keys = jax.random.split(jax.random.key(1), len(leaves))
        return jax.tree.unflatten(
            structure,
            [x + 0.3 * jax.random.normal(k, x.shape, x.dtype) for k, x in zip(keys, leaves)],
        )

    def apply(params, graph, layout=None):
        return layer(params, graph, layout=layout, **options)

    return Row(name, noisy, apply, dense)


def weighted_gcn(params, graph, **options):
    return mp.gcn(params, graph, edge_weight=weights_of(graph), **options)


EDGES = {"edge_features": EDGE_WIDTH}
ROWS = (
    row("gcn", mp.init_gcn, mp.gcn, dense_gcn),
    row(
        "gcn-weighted",
        mp.init_gcn,
        weighted_gcn,
        lambda params, graph: dense_gcn(params, graph, weights_of(graph)),
    ),
    row("sage", mp.init_sage, mp.sage, dense_sage),
    row("gine", mp.init_gine, mp.gine, dense_gine),
    row("gine-edges", mp.init_gine, mp.gine, dense_gine, sizes=EDGES),
    row("gated_gcn-edges", mp.init_gated_gcn, mp.gated_gcn, dense_gated_gcn, sizes=EDGES),
    row(
        "gated_gcn-sum",
        mp.init_gated_gcn,
        mp.gated_gcn,
        lambda params, graph: dense_gated_gcn(params, graph, normalize=False),
        normalize=False,
    ),
    row(
        "pna-towers-edges",
        mp.init_pna,
        mp.pna,
        dense_pna,
        sizes={"towers": 2, **EDGES},
        log_degree_mean=LOG_DEGREE,
    ),
)

each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


def directed_graph(seed: int, num_nodes: int = 7, num_edges: int = 18) -> graphs.GraphsTuple:
    """Edges with and without a reverse, self-loops, and one isolated node, the last."""
    graph = testing.random_graph(
        seed, num_nodes, num_edges, WIDTH, edge_width=EDGE_WIDTH, self_loops=True
    )
    alone = np.random.default_rng(seed).normal(size=(1, WIDTH)).astype(np.float32)
    return graph._replace(
        nodes=np.concatenate([graph.nodes, alone]), n_node=np.array([num_nodes + 1], np.int32)
    )


def outputs(params, graph):
    """The new nodes, and the edges if the layer makes new ones."""
    new_edges = isinstance(params, mp.GatedGCNParams) and params.edge is not None
    return (graph.nodes, graph.edges) if new_edges else (graph.nodes,)


def on_features(outputs_of, graph):
    """`f(params, nodes, edges) -> outputs` from `outputs_of(params, graph)`: what has a gradient."""

    def run(params, nodes, edges):
        return outputs_of(params, graph._replace(nodes=nodes, edges=edges))

    return run
