"""The layers under contract: a row per layer, and dense `[N, N]` references that share no code with the library.

A compilation costs a hundred times the arithmetic of these graphs, so most properties run under `jax.disable_jit`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graphattn_jax import graphs, nn, testing
from graphattn_jax import linear_attention as la

WIDTH = 4


class Row(NamedTuple):
    """A layer with its dense reference: `dense(layer, params, graph)` gives the new nodes of one graph."""

    name: str
    layer: nn.Layer
    dense: Callable[[Any, Any, graphs.GraphsTuple], jax.Array]

    def init(self):
        """Parameters with noise: biases start at zero, which would hide them."""
        leaves, structure = jax.tree.flatten(self.layer.init(jax.random.key(0), WIDTH))
        keys = jax.random.split(jax.random.key(1), len(leaves))
        return jax.tree.unflatten(
            structure,
            [x + 0.3 * jax.random.normal(k, x.shape, x.dtype) for k, x in zip(keys, leaves)],
        )

    def apply(self, params, graph):
        return self.layer.apply(params, graph).graph


def graph_of(seed=0, num_nodes=7, num_edges=18):
    """Edges with and without a reverse, self-loops, and one isolated node, the last."""
    graph = testing.random_graph(seed, num_nodes, num_edges, WIDTH, self_loops=True)
    alone = np.random.default_rng(seed).normal(size=(1, WIDTH)).astype(np.float32)
    return graph._replace(
        nodes=np.concatenate([graph.nodes, alone]), n_node=np.array([num_nodes + 1], np.int32)
    )


def heads_of(params, x, heads):
    y = x @ params.weight + (0 if params.bias is None else params.bias[None])
    return y.reshape(len(x), heads, -1)


def softmax_kernel(layer, query, key):
    """`[H, N, N]` of φ(q_i) · φ(k_j), relative to the largest exponents; the last with all of its keys' graph."""
    channels, features = query.shape[-1], layer.features
    w = la.orthogonal_projection(jax.random.key(layer.seed), layer.heads, features, channels)
    w = w.astype(query.dtype)
    q = jnp.einsum("nhc,hmc->hnm", query, w) / channels**0.25
    k = jnp.einsum("nhc,hmc->hnm", key, w) / channels**0.25
    k = k - (jnp.sum(key**2, -1).T / 2 / channels**0.5)[..., None]
    q = jnp.exp(q - q.max(2, keepdims=True)) + 1e-6
    k = jnp.exp(k - k.max((1, 2), keepdims=True)) + 1e-6
    return jnp.einsum("hnm,hlm->hnl", q, k)


def averages(kernel, value):
    """Each row of the kernel over its sum, times the values: `[N, H, C]`."""
    return jnp.einsum("hij,jhc->ihc", kernel / kernel.sum(2, keepdims=True), value)


def dense_performer(layer, params, graph):
    x = jnp.asarray(graph.nodes)
    query, key, value = (heads_of(p, x, layer.heads) for p in params.maps)
    out = averages(softmax_kernel(layer, query, key), value).reshape(len(x), -1)
    return heads_of(params.output, out, 1)[:, 0] if params.output is not None else out


def dense_sgformer(layer, params, graph):
    x = jnp.asarray(graph.nodes)
    query, key, value = (heads_of(p, x, layer.heads) for p in params)
    query, key = (y / jnp.sqrt(jnp.sum(y**2)) for y in (query, key))
    kernel = jnp.einsum("ihc,jhc->hij", query, key) + len(x) * jnp.eye(len(x), dtype=x.dtype)[None]
    return averages(kernel, value).mean(1)


def dense_polynormer(layer, params, graph):
    x = jnp.asarray(graph.nodes)
    key, value = (heads_of(p, x, layer.heads) for p in (params.key, params.value))
    query = key if params.query is None else heads_of(params.query, x, layer.heads)
    kernel = jnp.einsum("ihc,jhc->hij", jax.nn.sigmoid(query), jax.nn.sigmoid(key))
    z = averages(kernel, value).reshape(len(x), -1)
    z = (z - z.mean(1, keepdims=True)) / jnp.sqrt(z.var(1, keepdims=True) + 1e-5)
    z = z * params.norm.scale[None] + params.norm.bias[None]
    z = z * (heads_of(params.gate, x, 1)[:, 0] + jax.nn.sigmoid(params.beta)[None])
    return jax.nn.relu(heads_of(params.output, z, 1)[:, 0]) if layer.output else z


def normalised_adjacency(graph, dtype):
    """`[N, N]`, D_in^-½ A D_out^-½."""
    a = jnp.zeros((len(graph.nodes),) * 2, dtype).at[graph.receivers, graph.senders].add(1)
    rows, columns = (jnp.maximum(a.sum(axis), 1) ** -0.5 for axis in (1, 0))
    return rows[:, None] * a * columns[None, :]


def dense_difformer(layer, params, graph):
    x = jnp.asarray(graph.nodes)
    query, key, value = (heads_of(p, x, layer.heads) for p in params)
    if layer.kernel == "simple":
        query, key = (y / jnp.sqrt(jnp.sum(y**2)) for y in (query, key))
        kernel = 1 + jnp.einsum("ihc,jhc->hij", query, key)
    else:
        kernel = jax.nn.sigmoid(jnp.einsum("ihc,jhc->hij", query, key))
    out = averages(kernel, value)
    if layer.use_graph:
        out = out + jnp.einsum("ij,jhc->ihc", normalised_adjacency(graph, x.dtype), value)
    return out.mean(1)


def dense_nodeformer(layer, params, graph):
    x = jnp.asarray(graph.nodes)
    query, key, value = (heads_of(p, x, layer.heads) for p in params.maps)
    root = layer.temperature**-0.5
    out = averages(softmax_kernel(layer, root * query, root * key), value)
    if params.bias is not None:
        near = jnp.einsum("ij,jhc->ihc", normalised_adjacency(graph, x.dtype), value)
        out = out + jax.nn.sigmoid(params.bias)[None, :, None] * near
    return heads_of(params.output, out.reshape(len(x), -1), 1)[:, 0]


ROWS = (
    Row("performer", la.Performer(3, 2, features=5, output=5, seed=1), dense_performer),
    Row("nodeformer", la.NodeFormerAttention(heads=2, features=5), dense_nodeformer),
    Row("sgformer", la.SGFormerAttention(heads=2), dense_sgformer),
    Row("polynormer", la.PolynormerAttention(3, 2, shared=False), dense_polynormer),
    Row("polynormer-shared", la.PolynormerAttention(heads=2, output=False), dense_polynormer),
    Row("difformer-s", la.DIFFormerAttention(heads=2), dense_difformer),
    Row(
        "difformer-a",
        la.DIFFormerAttention(heads=2, kernel="sigmoid", use_graph=False),
        dense_difformer,
    ),
)
each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
