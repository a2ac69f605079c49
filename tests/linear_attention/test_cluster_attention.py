"""Attention among clusters, given and learned, against explicit matrices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _linear_rows import WIDTH, graph_of, heads_of

from graphattn_jax import attention, graphs, models, values
from graphattn_jax import linear_attention as la

KEY = jax.random.key(0)
GIVEN, LEARNED = la.ClusterAttention(heads=2), la.ClusterAttention(3, 2, learned=(3, 2))
IDS = [np.array([0, 0, 1, 1, 3, 3, 3, 0]), np.array([1, 0, 0, 1, 1])]
FINE = [np.arange(8) // 2, np.arange(5)]
GRAPHS = [graph_of(0), graph_of(1, 4, 6)]


def dense(layer, params, x, shares):
    """Of one graph, with `[N, M]` shares per level."""
    results = []
    for c in shares:
        number = c.sum(0)
        s = (c.T @ x) / number[:, None]
        query, key, value = (heads_of(p, s, layer.heads) for p in params.maps)
        logits = jnp.einsum("mhc,khc->hmk", query, key) / np.sqrt(query.shape[-1])
        weights = jax.nn.softmax(logits + jnp.log(number)[None, None])
        results.append(c @ jnp.einsum("hmk,khc->mhc", weights, value).reshape(len(number), -1))
    return heads_of(params.output, sum(results) / len(results), 1)[:, 0]


def shares_of(params, x, ids):
    if ids is not None:
        return [np.float32(i[:, None] == np.unique(i)) for i in ids]  # without the empty ones
    return [jax.nn.softmax(heads_of(p, x, 1)[:, 0]) for p in params.assign]


def noisy(layer):
    params = layer.init(KEY, WIDTH)
    return jax.tree.map(lambda x: x + 0.2 * jnp.cos(jnp.arange(x.size)).reshape(x.shape), params)


@pytest.mark.parametrize("layer", [GIVEN, LEARNED], ids=["given", "learned"])
def test_padded_batch_equals_explicit_matrices_graph_by_graph(layer):
    """Values and gradients; what is not finite stays in its graph; empty clusters are nobody."""
    params, given = noisy(layer), layer.learned is None
    batch = graphs.pad(graphs.batch(GRAPHS), graphs.Budget(16, 40, 4))
    if given:
        batch = graphs.with_clusters(
            batch, np.concatenate(IDS), np.concatenate(FINE), counts=(4, 5)
        )
    batch.nodes[13:] = np.nan

    @jax.jit
    def run(params, graph):
        def loss(params):
            out = layer.apply(params, graph).graph.nodes
            return jnp.sum(jnp.sin(out[:13])), out

        return jax.grad(loss, has_aux=True)(params)

    def loss(params):
        outs = [
            dense(layer, params, g.nodes, shares_of(params, g.nodes, (i, f) if given else None))
            for g, i, f in zip(GRAPHS, IDS, FINE)
        ]
        out = jnp.concatenate(outs)
        return jnp.sum(jnp.sin(out)), out

    want, expected = jax.jit(jax.grad(loss, has_aux=True))(params)
    gradient, out = run(params, batch)
    np.testing.assert_allclose(out[:13], expected, rtol=1e-4, atol=1e-5)
    jax.tree.map(
        lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-3, atol=2e-5), gradient, want
    )
    sick = batch.nodes.copy()
    sick[2] = np.inf
    _, got = run(params, batch._replace(nodes=sick))
    np.testing.assert_array_equal(got[8:13], out[8:13])
    assert not np.isfinite(got[:8]).any()


def test_one_node_per_cluster_is_dense_attention():
    graph, params = GRAPHS[0], noisy(GIVEN)
    full = attention.GlobalAttention(heads=2, output=True)
    exact = full.init(KEY, WIDTH)._replace(output=params.output)
    for name, p in params.maps._asdict().items():
        weight, bias = p.weight.reshape(WIDTH, 2, 2), p.bias.reshape(2, 2)
        exact = exact._replace(**{f"{name}_weight": weight, f"{name}_bias": bias})
    out = GIVEN.apply(params, graphs.with_clusters(graph, np.arange(8)))
    want = full.apply(exact, graph)
    np.testing.assert_allclose(out.graph.nodes, want.graph.nodes, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(out.attention.weights, want.attention.weights, rtol=1e-5, atol=1e-6)


def test_equal_nodes_may_share_a_cluster():
    """log n counts a cluster as often as it has nodes: the result is that of dense attention."""
    graph, params = GRAPHS[0], noisy(GIVEN)
    ids = np.array([0, 1, 1, 2, 0, 2, 2, 1])
    graph = graph._replace(nodes=graph.nodes[ids])
    single = graphs.with_clusters(graph, np.arange(8))
    shared = graphs.with_clusters(graph, ids)
    one, other = (GIVEN.apply(params, g).graph.nodes for g in (single, shared))
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_in_gps_and_as_a_value():
    graph = graphs.with_clusters(GRAPHS[0], IDS[0])
    for layer in (GIVEN, LEARNED):
        network = models.GPS(
            models.Inputs(nodes=WIDTH), width=8, num_layers=1, attention=layer, pool=None
        )
        params, state = network.init(KEY)
        prediction = network.apply(params, state, graph).prediction
        assert prediction.shape == (8, 1) and np.isfinite(prediction).all()
        assert values.from_json(values.to_json(layer)) == layer
    half = graph._replace(nodes=jnp.asarray(graph.nodes, jnp.bfloat16))
    out = GIVEN.apply(noisy(GIVEN), half).graph.nodes
    assert out.dtype == jnp.bfloat16


def test_bad_clusters():
    with pytest.raises(ValueError, match=r"carries none. Fix: ga.graphs.with_clusters"):
        GIVEN.apply(GIVEN.init(KEY, WIDTH), GRAPHS[0])
    for options, message in (
        ({"learned": 3}, "learned must be None or a tuple of numbers"),
        ({"learned": (0,)}, "learned must be a positive integer"),
        ({"heads": 0}, "heads must be a positive integer"),
    ):
        with pytest.raises(ValueError, match=message):
            la.ClusterAttention(**options)
    for ids, counts, message in (
        ((), None, "ids of at least one level"),
        ((np.arange(3),), None, r"ids must have shape \[8\]"),
        ((np.arange(8),), (4,), r"ids must lie in \[0, 4\)"),
        ((np.arange(8),), (8, 2), "counts must have a number for each of 1 levels"),
        ((np.arange(8) / 2,), None, "ids"),
    ):
        with pytest.raises(ValueError, match=message):
            graphs.with_clusters(GRAPHS[0], *ids, counts=counts)
