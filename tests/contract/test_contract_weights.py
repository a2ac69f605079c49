"""What a normalizer promises holds in every layer; dropout; parameters on disk."""

import dataclasses

import _dense
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _table import (
    CASES,
    directed_graph,
    each_case,
    each_layer_and_normalizer,
    rows,
    symmetric_graph,
)

from graphattn_jax import graphs, ops, testing, training

GRAPH = graphs.prepare(directed_graph(0))


@each_case
@jax.disable_jit()
def test_weights_are_what_the_normalizer_promises(case):
    graph = symmetric_graph(1)
    found = case.apply(case.init(), graphs.prepare(graph)).attention
    weights, edges = np.asarray(found.weights), graphs.pattern(graph)
    matrix = np.asarray(_dense.pairs(graph, found.weights))
    match case.normalizer:
        case ops.Softmax():
            testing.assert_row_stochastic(weights, edges)
        case ops.Sigmoid():
            np.testing.assert_allclose(weights, 1 / (1 + np.exp(-found.logits)), rtol=1e-5)
        case ops.PostHoc():
            testing.assert_symmetric_attention(weights, edges, atol=0)
            np.testing.assert_allclose(matrix.sum((1, 2)), len(graph.nodes), rtol=1e-5)
        case ops.Symmetric():
            testing.assert_symmetric_attention(weights, edges, atol=0)
            largest = np.linalg.eigvalsh(matrix)[:, -1]
            np.testing.assert_allclose(largest, 1, rtol=1e-5)  # the spectrum of softmax
        case ops.Sinkhorn():
            testing.assert_symmetric_attention(weights, edges, atol=0)
            residual = np.asarray(found.residual)
            assert residual.max() < 0.2
            np.testing.assert_allclose(np.abs(matrix.sum(2) - 1), residual.T, atol=1e-6)
            testing.assert_doubly_stochastic(weights, edges, atol=residual.max() + 1e-6)


ROW_STOCHASTIC = [c for c in CASES if isinstance(c.normalizer, (ops.Softmax, ops.Sinkhorn))]


@rows(ROW_STOCHASTIC)
@jax.disable_jit()
def test_rows_with_one_way_edges_sum_to_one(case):
    found = case.apply(case.init(), GRAPH).attention
    residual = 0.0 if found.residual is None else float(found.residual.max())
    assert residual < 0.2
    testing.assert_row_stochastic(found.weights, graphs.pattern(GRAPH), atol=residual + 1e-5)


@each_layer_and_normalizer
@pytest.mark.oldest
def test_dropout(case):
    params = case.init()

    @jax.jit
    def run(key):
        return case.apply(params, GRAPH, key=key, dropout=0.4)

    exact, how = case.apply(params, GRAPH)
    first, second, third = (run(jax.random.key(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.graph.nodes, second.graph.nodes)
    assert not np.allclose(first.graph.nodes, third.graph.nodes)
    # before dropout
    np.testing.assert_allclose(first.attention.weights, how.weights, rtol=1e-5, atol=1e-7)
    # The layers are linear in the weights, so the mean over keys is the result without dropout.
    keys = jax.random.split(jax.random.key(2), 400)
    draws = jax.jit(jax.vmap(lambda key: run(key).graph.nodes))(keys)
    error = jnp.std(draws, axis=0) / np.sqrt(400)
    assert (jnp.abs(draws.mean(0) - exact.nodes) <= 4.5 * error + 1e-5).all()
    layer = dataclasses.replace(case.layer, dropout=0.4)
    with pytest.raises(ValueError, match=r"dropout=0\.4 needs key= in training"):
        layer.apply(params.layer, case.inputs(GRAPH), training=True)


@each_layer_and_normalizer
def test_parameters_survive_a_checkpoint(case, tmp_path):
    params = case.init()
    training.save_params(tmp_path / "params.npz", params)
    template = jax.tree.map(jnp.zeros_like, params)
    loaded = training.load_params(tmp_path / "params.npz", template)
    assert jax.tree.structure(loaded) == jax.tree.structure(params)
    jax.tree.map(np.testing.assert_array_equal, loaded, params)
