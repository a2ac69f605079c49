"""What a normalizer promises holds in every layer; dropout; parameters on disk."""

import _dense
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _table import CASES, directed_graph, each_case, symmetric_graph

from graphattn_jax import graphs, ops, testing, training

GRAPH = directed_graph(0)
LAYOUT = graphs.layout(GRAPH)


@each_case
@jax.disable_jit()
def test_weights_are_what_the_normalizer_promises(case):
    graph = symmetric_graph(1)
    _, attention = case.apply(case.init(), graph, graphs.layout(graph))
    weights, ends = np.asarray(attention.weights), (graph.senders, graph.receivers)
    matrix = np.asarray(_dense.pairs(graph, attention.weights))
    match case.normalizer:
        case ops.Softmax():
            testing.assert_row_stochastic(weights, graph.receivers)
        case ops.Sigmoid():
            np.testing.assert_allclose(weights, 1 / (1 + np.exp(-attention.logits)), rtol=1e-5)
        case ops.PostHoc():
            testing.assert_symmetric_attention(weights, *ends, atol=0)
            np.testing.assert_allclose(matrix.sum((1, 2)), len(graph.nodes), rtol=1e-5)
        case ops.Symmetric():
            testing.assert_symmetric_attention(weights, *ends, atol=0)
            largest = np.linalg.eigvalsh(matrix)[:, -1]
            np.testing.assert_allclose(largest, 1, rtol=1e-5)  # the spectrum of softmax
        case ops.Sinkhorn():
            testing.assert_symmetric_attention(weights, *ends, atol=0)
            residual = np.asarray(attention.residual)
            assert residual.max() < 0.2
            np.testing.assert_allclose(np.abs(matrix.sum(2) - 1), residual.T, atol=1e-6)
            testing.assert_doubly_stochastic(weights, *ends, atol=residual.max() + 1e-6)


ROW_STOCHASTIC = [c for c in CASES if isinstance(c.normalizer, (ops.Softmax, ops.Sinkhorn))]


@pytest.mark.parametrize("case", ROW_STOCHASTIC, ids=lambda case: case.name)
@jax.disable_jit()
def test_rows_with_one_way_edges_sum_to_one(case):
    _, attention = case.apply(case.init(), GRAPH, LAYOUT)
    residual = 0.0 if attention.residual is None else float(attention.residual.max())
    assert residual < 0.2
    testing.assert_row_stochastic(attention.weights, GRAPH.receivers, atol=residual + 1e-5)


@each_case
@jax.disable_jit()
def test_dropout(case):
    params = case.init()

    def run(key):
        return case.apply(params, GRAPH, LAYOUT, dropout_rate=0.4, dropout_key=key)

    exact, attention = case.apply(params, GRAPH, LAYOUT)
    first, second, third = (run(jax.random.key(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first[0].nodes, second[0].nodes)
    assert not np.allclose(first[0].nodes, third[0].nodes)
    np.testing.assert_array_equal(first[1].weights, attention.weights)  # before dropout
    # The layers are linear in the weights, so the mean over keys is the result without dropout.
    draws = jax.vmap(lambda key: run(key)[0].nodes)(jax.random.split(jax.random.key(2), 400))
    error = jnp.std(draws, axis=0) / np.sqrt(400)
    assert (jnp.abs(draws.mean(0) - exact.nodes) <= 4.5 * error + 1e-5).all()


@each_case
def test_parameters_survive_a_checkpoint(case, tmp_path):
    params = case.init()
    training.save_params(tmp_path / "params.npz", params)
    template = jax.tree.map(jnp.zeros_like, params)
    loaded = training.load_params(tmp_path / "params.npz", template)
    assert jax.tree.structure(loaded) == jax.tree.structure(params)
    jax.tree.map(np.testing.assert_array_equal, loaded, params)
