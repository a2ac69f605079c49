"""What every layer of linear attention promises: its definition by all pairs, and what may not change a result.

One program per layer, of a padded batch and with its gradients, serves most of it.
"""

import dataclasses
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _linear_rows import ROWS, WIDTH, each_row, graph_of

from graphattn_jax import graphs, nn, ops, testing, training, values

BY_NAME = {row.name: row for row in ROWS}
ONE = graphs.from_edge_list([0], [0], nodes=np.full((1, WIDTH), 0.5, np.float32))
EMPTY = ONE._replace(
    nodes=np.zeros((0, WIDTH), np.float32),
    senders=np.zeros(0, np.int32),
    receivers=np.zeros(0, np.int32),
    n_node=np.array([0], np.int32),
    n_edge=np.array([0], np.int32),
)
GRAPHS = [graph_of(0), EMPTY, ONE, graph_of(1, 4, 6)]
BUDGET = graphs.Budget(n_node=18, n_edge=48, n_graph=6)


def probes(graph):
    """A random number for every output of a node, so that a sum of them sees each."""
    return jnp.sin(17.0 * jnp.arange(len(graph.nodes) * 8, dtype=jnp.float32)).reshape(-1, 8)


@cache
def program(name):
    """The new nodes, and the gradients of a linear function of the real ones in params and nodes; and its traces."""
    row, traces = BY_NAME[name], []

    @jax.jit
    def run(params, graph):
        traces.append(name)
        mask = graphs.node_mask(graph)[:, None]

        def loss(params, x):
            out = row.apply(params, graph._replace(nodes=x)).nodes
            return jnp.sum(jnp.where(mask, out * probes(graph)[:, : out.shape[1]], 0)), out

        return jax.grad(loss, argnums=(0, 1), has_aux=True)(params, graph.nodes)

    return run, traces


def wanted(row, params, graph_list):
    """The same by the definition, graph by graph."""
    batch = graphs.batch(graph_list)
    starts = np.cumsum([0] + [len(g.nodes) for g in graph_list])
    weights, outputs = probes(batch), []
    gradients = [jax.tree.map(jnp.zeros_like, params), []]

    for graph, start in zip(graph_list, starts):
        stop = start + len(graph.nodes)
        if start == stop:
            continue

        def loss(params, x, graph=graph, start=start, stop=stop):
            out = row.dense(row.layer, params, graph._replace(nodes=x))
            return jnp.sum(out * weights[start:stop, : out.shape[1]]), out

        (dp, dx), out = jax.jit(jax.grad(loss, argnums=(0, 1), has_aux=True))(params, graph.nodes)
        outputs.append(out)
        gradients = [jax.tree.map(jnp.add, gradients[0], dp), [*gradients[1], dx]]
    return gradients[0], np.concatenate(gradients[1]), np.concatenate(outputs)


def close(got, want, tolerance=3e-5):
    for x, y in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance * np.abs(y).max(initial=1))


def padded(graph_list, fill=(np.nan, np.inf, -np.inf, 1e30)):
    """Of one budget, with what is not finite in the padding."""
    batch = graphs.pad(graphs.batch(graph_list), BUDGET)
    real = batch.layout.node_mask[:, None]
    wild = np.resize(np.array(fill, np.float32), batch.nodes.shape)
    return batch._replace(nodes=np.where(real, batch.nodes, wild))


@each_row
def test_a_padded_batch_equals_the_definition_graph_by_graph(row):
    """Values and gradients; renamed nodes; another batch of the budget without another trace. Published layers change
    by 5e-4 to 2e-1 when padded.
    """
    params, (run, traces) = row.init(), program(row.name)
    (dp, dx), out = run(params, padded(GRAPHS))
    want_dp, want_dx, want = wanted(row, params, GRAPHS)
    n = len(want)
    close((out[:n], dp, dx[:n]), (want, want_dp, want_dx))
    assert not np.asarray(dx[n:]).any()

    order = np.random.default_rng(0).permutation(8)
    renamed = testing.permute_nodes(GRAPHS[0], order)
    _, out = run(params, padded([renamed, *GRAPHS[1:]]))
    again = testing.permute_nodes(GRAPHS[0]._replace(nodes=want[:8]), order).nodes
    close(out[:8], again)

    _, out = run(params, padded([GRAPHS[3], GRAPHS[0]]))
    close(out[:13], np.concatenate([want[-5:], want[:8]]))
    assert len(traces) == 1


@each_row
def test_what_is_not_finite_reaches_its_own_graph_only(row):
    """All nodes of a graph hear all others."""
    params, (run, _) = row.init(), program(row.name)
    _, want = run(params, padded(GRAPHS))
    sick = padded(GRAPHS)
    sick.nodes[3] = np.nan
    _, got = run(params, sick)
    assert np.isnan(got[:8]).all()
    np.testing.assert_array_equal(got[8:14], want[8:14])


@each_row
@pytest.mark.parametrize("scale", [0.0, 30.0])
def test_extreme_features_are_finite(row, scale):
    batch = padded([g._replace(nodes=np.float32(scale) * g.nodes) for g in GRAPHS])
    results = program(row.name)[0](row.init(), batch)
    assert all(np.isfinite(x[:14] if len(x) == 18 else x).all() for x in jax.tree.leaves(results))
    nothing = padded([EMPTY])
    assert all(
        np.isfinite(x).all() for x in jax.tree.leaves(program(row.name)[0](row.init(), nothing)[0])
    )


@each_row
def test_plain_graphs_derivatives_and_forward_mode_of_the_reference(row):
    """Without a layout; the directional derivative of the reference is the gradient's; the second one is finite."""
    graph, params = graphs.batch([GRAPHS[0], GRAPHS[3]]), row.init()
    slow = nn.with_implementation(row.layer, "reference")
    direction = jax.tree.map(
        lambda x: jnp.cos(jnp.arange(x.size, dtype=x.dtype)).reshape(x.shape), params
    )

    @jax.jit
    def run(params):
        def loss(params, layer=row.layer):
            return jnp.sum(jnp.sin(layer.apply(params, graph).graph.nodes))

        gradient = jax.grad(loss)(params)
        along = sum(map(jnp.vdot, jax.tree.leaves(gradient), jax.tree.leaves(direction)))
        forward = jax.jvp(lambda p: loss(p, slow), (params,), (direction,))
        second = jax.grad(lambda p: squared_norm(jax.grad(loss)(p)))(params)
        return loss(params), along, forward, second

    value, along, forward, second = run(params)
    np.testing.assert_allclose((value, along), forward, rtol=1e-3, atol=1e-4)
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(second))
    assert any(np.abs(x).max() > 0 for x in jax.tree.leaves(second))


def squared_norm(tree):
    return sum(jnp.sum(jnp.square(x)) for x in jax.tree.leaves(tree))


@each_row
def test_layer_in_bfloat16_errs_at_most_twice_as_much_as_the_plain_computation(row):
    graph = graph_of(0, 40, 60)
    testing.assert_low_precision_error(
        lambda params, x: row.apply(params, graph._replace(nodes=x)).nodes,
        lambda params, x: row.dense(row.layer, params, graph._replace(nodes=x)),
        row.init(),
        graph.nodes,
        gradients=False,
    )


@each_row
def test_dtype_width_checkpoint_and_json(row, tmp_path):
    params, layer = row.init(), row.layer
    testing.assert_dtype_preserved(row.apply, params, graph_of())
    training.save_params(tmp_path / "params.npz", params)
    loaded = training.load_params(tmp_path / "params.npz", jax.tree.map(jnp.zeros_like, params))
    jax.tree.map(np.testing.assert_array_equal, loaded, params)
    again = values.from_json(values.to_json(layer))
    assert again == layer and hash(again) == hash(layer)
    default = type(layer)()
    out = jax.eval_shape(
        lambda k: default.apply(default.init(k, WIDTH), graph_of()), jax.random.key(0)
    )
    assert out.graph.nodes.shape == (8, WIDTH)


@each_row
def test_the_attention_of_a_graph_in_blocks_can_be_read(row):
    """Weights that sum to one over the nodes of the graph, and are those of the definition."""
    batch, params = graphs.batch([GRAPHS[0], GRAPHS[3]]), row.init()
    out = row.layer.apply(params, graphs.prepare(batch, block_size=9))
    if row.name == "nodeformer":  # on the edges
        assert out.attention.weights.shape == (len(batch.senders), 2)
        return
    assert row.layer.apply(params, batch).attention is None or row.name == "difformer-a"
    weights = np.asarray(out.attention.weights)
    assert weights.shape == (2, 2, 9, 9)
    np.testing.assert_allclose(weights[0, :, :8].sum(-1), 1, rtol=1e-4)
    np.testing.assert_allclose(weights[1, :, :5].sum(-1), 1, rtol=1e-4)
    assert not weights[1, :, 5:].any() and not weights[1, :, :, 5:].any()


@each_row
def test_wrong_parameters_and_features_raise(row):
    with pytest.raises(ValueError, match=rf"params must be the \w+ of {type(row.layer).__name__}"):
        row.apply((), graph_of())
    graph, params = graph_of(), row.init()
    with pytest.raises(ValueError, match=rf"graph.nodes must be an array of shape \[N, {WIDTH}\]"):
        row.apply(params, graph._replace(nodes=np.ones((8, WIDTH + 1), np.float32)))
    with pytest.raises(ValueError, match="heads must be a positive integer"):
        dataclasses.replace(row.layer, heads=0)


def test_sparse_features_are_as_dense_ones():
    row = ROWS[1]
    graph, params = graph_of(), row.init()
    sparse = graph._replace(nodes=ops.SparseFeatures.from_dense(graph.nodes))
    np.testing.assert_allclose(
        row.apply(params, sparse).nodes, row.apply(params, graph).nodes, rtol=1e-5, atol=1e-6
    )
