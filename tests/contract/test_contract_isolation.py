"""What is not finite, and what masked edges hold, stays where it is: a product with a weight of 0 would spread it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _table import CASES, DENSE, ONE_PER_LAYER, ONE_PER_NORMALIZER, directed_graph, rows

from graphattn_jax import graphs, ops
from graphattn_jax.graphs._prepare import with_layout

WITH_EDGES = tuple(
    next(c for c in CASES if isinstance(c.layer, kind) and c.edges) for kind in DENSE
)
each_row = rows(tuple(dict.fromkeys(ONE_PER_LAYER + ONE_PER_NORMALIZER + WITH_EDGES)))
each_wild = pytest.mark.parametrize("wild", [np.nan, np.inf, 1e30])
GRAPH = directed_graph(0)
REAL = np.arange(len(GRAPH.senders)) % 4 != 1


def masked(graph, real):
    """Edges left out in the middle of a graph."""
    ones = np.ones(len(graph.nodes), bool), real, np.ones(len(graph.n_node), bool)
    return with_layout(graph, *ones, padded=True)


def fewer(edges):
    graph = GRAPH._replace(senders=GRAPH.senders[REAL], receivers=GRAPH.receivers[REAL])
    return graphs.prepare(graph._replace(edges=edges, n_edge=np.array([REAL.sum()], np.int32)))


@each_row
@each_wild
@jax.disable_jit()
def test_masked_edges_are_as_if_not_there_whatever_they_hold(case, wild):
    def loss(params, nodes, edges, graph):
        out = case.apply(params, graph._replace(nodes=nodes, edges=edges))
        real = graphs.edge_mask(graph)
        new_edges = jnp.where(real[:, None], out.graph.edges, 0) if case.layer.updates_edges else 0
        value = jnp.sum(jnp.sin(out.graph.nodes)) + jnp.sum(jnp.cos(new_edges) - 1)
        return value, (out.graph.nodes, out.attention)

    found = jax.value_and_grad(loss, argnums=(0, 1, 2), has_aux=True)
    edges = np.where(REAL[:, None], GRAPH.edges, np.float32(wild))
    (_, (nodes, attention)), (d_params, d_nodes, d_edges) = found(
        case.init(), GRAPH.nodes, edges, masked(GRAPH._replace(edges=edges), REAL)
    )
    few = GRAPH.edges[REAL]
    (_, (want, want_attention)), d_want = found(case.init(), GRAPH.nodes, few, fewer(few))
    np.testing.assert_allclose(nodes, want, rtol=2e-5, atol=2e-6)
    np.testing.assert_allclose(attention.weights[REAL], want_attention.weights, atol=1e-6)
    assert not attention.weights[~REAL].any() and not d_edges[~REAL].any()
    jax.tree.map(
        lambda x, y: np.testing.assert_allclose(x, y, rtol=2e-4, atol=2e-5),
        (d_params, d_nodes, d_edges[REAL]),
        d_want,
    )


@each_row
@pytest.mark.parametrize("node", [0, 3])
@jax.disable_jit()
def test_a_wild_node_reaches_its_receivers_or_its_graph(case, node):
    """Its receivers only, unless the normalizer relates the edges of a whole component."""
    batch = graphs.batch([GRAPH, directed_graph(1, 5, 8)])
    real = np.arange(len(batch.senders)) % 4 != 1
    assert (~real & (batch.senders == node)).any()
    batch = masked(batch, real)
    params, count = case.init(), len(GRAPH.nodes)
    cotangent = np.random.default_rng(0).normal(size=(len(batch.nodes), 1)).astype(np.float32)

    def run(nodes):
        def new_nodes(x):
            return case.apply(params, batch._replace(nodes=x)).graph.nodes

        out, pull = jax.vjp(new_nodes, nodes)
        return out, pull(jnp.broadcast_to(cotangent, out.shape))[0]

    out, gradient = run(batch.nodes)
    reached = np.arange(len(batch.nodes)) < count
    if isinstance(case.normalizer, (ops.Softmax, ops.Sigmoid)):
        reached = np.arange(len(batch.nodes)) == node
        reached[batch.receivers[real & (batch.senders == node)]] = True
    sends = reached.copy()
    sends[batch.senders[real & reached[batch.receivers]]] = True
    assert not sends.all()
    for wild in (np.nan, np.inf):
        bad = batch.nodes.copy()
        bad[node] = wild
        bad_out, bad_gradient = run(bad)
        assert not np.isfinite(bad_out[reached]).all()
        np.testing.assert_allclose(bad_out[~reached], out[~reached], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(bad_gradient[~sends], gradient[~sends], rtol=1e-4, atol=1e-5)
