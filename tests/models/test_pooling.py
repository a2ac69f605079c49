import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

import graphattn_jax as ga

METHODS = ("sum", "mean", "max")


@pytest.fixture
def graphs():
    """Five nodes, one, three; the second has no edges."""
    return [
        ga.testing.random_graph(0, 5, 8, 4),
        ga.testing.random_graph(1, 1, 0, 4),
        ga.testing.random_graph(2, 3, 2, 4),
    ]


POOL = ga.models.AttentionPool(heads=2)


@pytest.fixture
def params():
    return POOL.init(jax.random.key(0), 4)


def pools(params):
    """Every way of pooling as a function of the graph and keywords."""
    yield from ((lambda g, m=m, **kw: ga.models.pool(g, m, **kw)) for m in METHODS)
    yield lambda g, **kw: POOL.apply(params, g, **kw).features


def slow_attention(params, x):
    """Head by head, for one graph."""
    gate = np.asarray(params.gate.weight)
    channels = x.shape[1] // gate.shape[1]
    pooled = []
    for head in range(gate.shape[1]):
        weights = np.exp(x @ gate[:, head])
        weights /= weights.sum()
        pooled.append(weights @ x[:, head * channels : (head + 1) * channels])
    return np.concatenate(pooled)


def slow(params, x):
    if len(x) == 0:
        return np.zeros((4, 4))
    return np.stack([x.sum(0), x.mean(0), x.max(0), slow_attention(params, x)])


def test_a_batch_is_pooled_graph_by_graph(graphs, params):
    batch = ga.graphs.batch(graphs)
    wanted = np.stack([slow(params, graph.nodes) for graph in graphs], axis=1)
    for pool, want in zip(pools(params), wanted, strict=True):
        np.testing.assert_allclose(pool(batch), want, atol=1e-6)
        np.testing.assert_allclose(pool(ga.graphs.prepare(batch)), want, atol=1e-6)
        for graph, row in zip(graphs, want, strict=True):
            np.testing.assert_allclose(pool(graph)[0], row, atol=1e-6)


def test_where_selects_nodes(graphs, params, rng):
    batch = ga.graphs.batch(graphs)
    where = np.array([1, 0, 1, 1, 0, 0, 1, 0, 0], bool)  # nothing of the second graph
    parts = np.split(np.arange(9), [5, 6])
    spoiled = batch._replace(nodes=np.where(where[:, None], batch.nodes, np.float32(np.nan)))
    wanted = np.stack([slow(params, batch.nodes[p[where[p]]]) for p in parts], axis=1)
    for pool, want in zip(pools(params), wanted, strict=True):
        np.testing.assert_allclose(pool(spoiled, where=where), want, atol=1e-6)


def test_what_where_leaves_out_changes_no_gradient(graphs, params):
    batch = ga.graphs.batch(graphs)
    where = np.arange(9) % 2 == 0
    spoiled = np.where(where[:, None], batch.nodes, np.float32(np.inf))

    @jax.jit
    def gradients(params, nodes):
        def loss(params, nodes):
            pooled = POOL.apply(params, batch._replace(nodes=nodes), where=where)
            return jnp.sin(pooled.features).sum()

        return jax.grad(loss, argnums=(0, 1))(params, nodes)

    want, got = gradients(params, batch.nodes), gradients(params, spoiled)
    assert (np.asarray(want[0].gate.weight) != 0).all()
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), got, want)


def test_where_does_not_bring_padding_back(graphs, params):
    padded = ga.graphs.pad(ga.graphs.batch(graphs), ga.graphs.Budget(13, 16, 6))
    padded = padded._replace(nodes=padded.nodes + np.float32(1))
    for pool in pools(params):
        np.testing.assert_array_equal(pool(padded, where=np.ones(13, bool)), pool(padded))


def test_padding_changes_neither_values_nor_gradients(graphs, params):
    batch = ga.graphs.batch(graphs)
    padded = ga.graphs.pad(batch, ga.graphs.Budget(13, 16, 6))
    rubbish = np.where(ga.graphs.node_mask(padded)[:, None], padded.nodes, np.float32(np.inf))
    padded = padded._replace(nodes=rubbish)
    for pool in pools(params):

        @jax.jit
        def value_and_gradient(graph, pool=pool):
            def loss(nodes):
                pooled = pool(graph._replace(nodes=nodes))
                return jnp.sin(pooled).sum(), pooled

            return jax.grad(loss, has_aux=True)(graph.nodes)

        gradient, pooled = value_and_gradient(batch)
        assert (np.asarray(gradient) != 0).any()
        for graph in (padded, ga.graphs.PaddedGraphsTuple(*padded)):
            got_gradient, got = value_and_gradient(graph)
            np.testing.assert_allclose(got[:3], pooled, atol=1e-6)
            np.testing.assert_array_equal(got[3:], 0)
            np.testing.assert_allclose(got_gradient[:9], gradient, atol=1e-6)
            np.testing.assert_array_equal(got_gradient[9:], 0)


def test_the_order_of_nodes_does_not_matter(graphs, params):
    batch = ga.graphs.batch(graphs)
    order = np.array([4, 2, 0, 1, 3, 5, 8, 6, 7])
    moved = ga.testing.permute_nodes(batch, order)
    for pool in pools(params):
        np.testing.assert_allclose(pool(moved), pool(batch), atol=1e-6)


def test_virtual_nodes_are_read_by_their_mask(graphs):
    batch = ga.graphs.add_virtual_node(ga.graphs.batch(graphs), node_fill=7.0)
    virtual = np.zeros(12, bool)
    virtual[np.cumsum(batch.n_node) - 1] = True
    np.testing.assert_array_equal(ga.models.pool(batch, "sum", where=virtual), np.full((3, 4), 7.0))


def test_attention_weights(graphs, params):
    padded = ga.graphs.pad(ga.graphs.batch(graphs), ga.graphs.Budget(13, 16, 6))
    weights = POOL.apply(params, padded).weights
    assert weights.shape == (13, 2)
    sums = ga.ops.segment_sum(weights, ga.graphs.node_graph_ids(padded), 6)
    np.testing.assert_allclose(sums, np.repeat([[1.0], [0.0]], 3, axis=0).repeat(2, 1), atol=1e-6)
    np.testing.assert_array_equal(weights[9:], 0)


def test_a_gate_of_zeros_is_the_mean(graphs, params):
    batch = ga.graphs.batch(graphs)
    flat = jax.tree.map(jnp.zeros_like, params)
    got, want = POOL.apply(flat, batch).features, ga.models.pool(batch, "mean")
    np.testing.assert_allclose(got, want, atol=1e-6)


def test_nothing_to_pool_gives_zeros_and_finite_gradients(params, debug_nans):
    empty = ga.graphs.from_edge_list([], [], nodes=np.zeros((0, 4), np.float32))
    both = ga.graphs.batch([empty, ga.testing.random_graph(0, 2, 1, 4)])
    for pool in pools(params):
        np.testing.assert_array_equal(pool(empty), np.zeros((1, 4)))
        assert (np.asarray(pool(both)[0]) == 0).all() and (np.asarray(pool(both)[1]) != 0).any()
        none = jax.grad(
            lambda x, pool=pool: pool(both._replace(nodes=x), where=np.zeros(2, bool)).sum()
        )
        np.testing.assert_array_equal(none(jnp.asarray(both.nodes)), 0)


def test_gradients_of_attention(graphs, params):
    with jax.enable_x64(True):
        wide = jax.tree.map(lambda p: p.astype(jnp.float64), params)
        batch = ga.graphs.batch(graphs)
        nodes = jnp.asarray(batch.nodes, jnp.float64)
        check_grads(
            lambda p, x: POOL.apply(p, batch._replace(nodes=x)).features,
            (wide, nodes),
            order=1,
            modes=["rev"],
        )


def test_half_precision(graphs, params):
    batch = ga.graphs.batch(graphs)
    half = batch._replace(nodes=jnp.asarray(batch.nodes, jnp.bfloat16))
    for pool in pools(params):
        got = pool(half)
        assert got.dtype == jnp.bfloat16
        np.testing.assert_allclose(got.astype(jnp.float32), pool(batch), atol=0.03)


def test_errors(graphs, params):
    graph = graphs[0]
    with pytest.raises(ValueError, match="method must be one of 'sum', 'mean', 'max'; got 'add'"):
        ga.models.pool(graph, "add")
    with pytest.raises(ValueError, match="where must have shape"):
        ga.models.pool(graph, where=np.ones(4, bool))
    with pytest.raises(ValueError, match=r"graph.nodes must be floating point"):
        ga.models.pool(graph._replace(nodes=np.ones((5, 2), np.int32)))
    with pytest.raises(ValueError, match=r"graph.nodes must be an array of shape \[N, 4\]"):
        POOL.apply(params, graph._replace(nodes=np.ones((5, 3), np.float32)))
    with pytest.raises(ValueError, match="width must be divisible by heads"):
        ga.models.AttentionPool(heads=3).init(jax.random.key(0), 4)
    with pytest.raises(ValueError, match="params must be the AttentionPoolParams"):
        POOL.apply(params.gate, graph)


@pytest.mark.parametrize("pool", [*METHODS, None])
def test_readout_is_an_mlp_of_what_is_pooled(graphs, pool):
    batch = ga.graphs.prepare(ga.graphs.batch(graphs))
    readout = ga.models.Readout(3, pool, hidden=(5,))
    params = readout.init(jax.random.key(0), 4)
    x = batch.nodes if pool is None else ga.models.pool(batch, pool)
    np.testing.assert_allclose(readout.apply(params, batch), ga.nn.mlp(params, x), atol=1e-6)
    assert [layer.weight.shape for layer in params.layers] == [(4, 5), (5, 3)]
    halving = ga.models.Readout(3, pool).init(jax.random.key(0), 4)
    assert [layer.weight.shape for layer in halving.layers] == [(4, 2), (2, 1), (1, 3)]


def test_errors_of_a_readout():
    with pytest.raises(ValueError, match="pool must be one of"):
        ga.models.Readout(pool="add")
    with pytest.raises(ValueError, match="hidden must be a tuple"):
        ga.models.Readout(hidden=[4])
    with pytest.raises(ValueError, match="out_features must be a positive integer"):
        ga.models.Readout(0)
    with pytest.raises(ValueError, match="out_features must be a positive integer"):
        ga.models.Readout(2).init(jax.random.key(0), 2)
