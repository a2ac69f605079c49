"""Noise, directions and the loss of the edges."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _linear_rows import averages, graph_of, heads_of, softmax_kernel

from graphattn_jax import graphs
from graphattn_jax import linear_attention as la

KEY = jax.random.key(0)
PLAIN = la.NodeFormerAttention(heads=2, features=5, relational=False, redraw=False, samples=3)


@jax.disable_jit()
def test_noise_of_a_sender_is_added_to_its_logits():
    """The mean over samples of attention by all pairs with the same noise."""
    graph, params = graph_of(), PLAIN.init(KEY, 4)
    found = PLAIN.apply(params, graph, training=True, key=KEY).graph.nodes
    noise = jax.random.gumbel(jax.random.split(KEY)[1], (8, 2, 3))
    query, key, value = (heads_of(p, graph.nodes, 2) for p in params.maps)
    kernel = softmax_kernel(PLAIN, 2 * query, 2 * key)
    samples = [
        averages(kernel * jnp.exp(noise[:, :, s].T / 0.25)[:, None], value) for s in range(3)
    ]
    want = heads_of(params.output, sum(samples).reshape(8, -1) / 3, 1)[:, 0]
    np.testing.assert_allclose(found, want, rtol=1e-4, atol=1e-5)


def test_training_follows_its_key_and_evaluation_ignores_it():
    graph = graphs.batch([graph_of(0), graph_of(1)])
    layer = replace(PLAIN, redraw=True)
    params = layer.init(KEY, 4)
    run = jax.jit(layer.apply, static_argnames="training")

    def out(**options):
        return np.asarray(run(params, graph, **options).graph.nodes)

    one, same, other = (out(training=True, key=jax.random.key(i)) for i in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, other)
    np.testing.assert_array_equal(out(key=KEY), out())
    with pytest.raises(ValueError, match="needs key= in training"):
        layer.apply(params, graph, training=True)
    quiet = replace(PLAIN, samples=0)
    np.testing.assert_allclose(
        quiet.apply(params, graph, training=True).graph.nodes, out(), rtol=1e-5, atol=1e-6
    )


@jax.disable_jit()
def test_attention_on_edges_and_their_loss():
    graph = graph_of()
    layer = replace(PLAIN, relational=True)
    params = layer.init(KEY, 4)
    weights = layer.apply(params, graph).attention.weights
    query, key, _ = (heads_of(p, graph.nodes, 2) for p in params.maps)
    kernel = softmax_kernel(layer, 2 * query, 2 * key)
    want = (kernel / kernel.sum(2, keepdims=True))[:, graph.receivers, graph.senders].T
    np.testing.assert_allclose(weights, want, rtol=1e-5)
    total, count = la.edge_regularization(weights, graph)
    degree = np.bincount(graph.receivers, minlength=8)[graph.receivers]
    assert count == len(degree)
    np.testing.assert_allclose(total, -np.sum(np.log(want).mean(1) / degree), rtol=1e-5)
    padded = graphs.pad(graph, graphs.Budget(12, 40, 3))
    weights = layer.apply(params, padded).attention.weights
    found, gradient = jax.value_and_grad(lambda w: la.edge_regularization(w, padded)[0])(weights)
    np.testing.assert_allclose(found, total, rtol=1e-5)
    assert np.isfinite(gradient).all() and not np.asarray(gradient[25:]).any()
    with pytest.raises(ValueError, match=r"weights must have shape \[25, H\]"):
        la.edge_regularization(np.ones((3, 2), np.float32), graph)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"temperature": 0}, "temperature must be a finite number, positive, got 0"),
        ({"samples": -1}, "samples must be a positive integer"),
        ({"relational": None}, "relational must be one of True, False"),
    ],
)
def test_bad_choices_of_nodeformer(choice, message):
    with pytest.raises(ValueError, match=message):
        la.NodeFormerAttention(**choice)
