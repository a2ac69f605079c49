"""Layers that learn which edges to keep: against attention on the edges that are left."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from graphattn_jax import attention, graphs, models, ops, testing, values

KEY, WIDTH = jax.random.key(0), 4
TOP = attention.TopKAttention(heads=2, k=2)
GATED = attention.GatedEdges(attention.GraphTransformer(heads=2))


def graph_of(seed=0):
    """The last node hears nobody."""
    graph = testing.random_graph(seed, 7, 24, WIDTH, self_loops=True)
    alone = np.ones((1, WIDTH), np.float32)
    return graph._replace(
        nodes=np.concatenate([graph.nodes, alone]), n_node=np.array([8], np.int32)
    )


def dense_top_k(params, graph, layer):
    """By matrices of all pairs, with the k largest scores of each row."""
    x, n = jnp.asarray(graph.nodes), len(graph.nodes)
    s = (x @ params.select_receiver.weight) @ (x @ params.select_sender.weight).T
    s = s / np.sqrt(layer.select_channels)
    edge = np.zeros((n, n), bool)
    edge[graph.receivers, graph.senders] = True
    ranks = jnp.argsort(jnp.argsort(-jnp.where(edge, s, -jnp.inf), axis=1), axis=1)
    kept = edge & (ranks < layer.k)
    query, key, value = (jnp.einsum("nd,dhc->nhc", x, w) for w in params[:3])
    logits = jnp.einsum("ihc,jhc->hij", query, key) / np.sqrt(query.shape[-1])
    powers = jnp.where(kept[None], jnp.exp(logits + s[None] / layer.temperature), 0)
    total = powers.sum(2, keepdims=True)
    weights = powers / jnp.where(total == 0, 1, total)
    out = jnp.einsum("hij,jhc->ihc", weights, value).reshape(n, -1)
    return out @ params.output.weight + params.output.bias[None], weights


def without_biases(params):
    return params._replace(
        select_receiver=params.select_receiver._replace(bias=None),
        select_sender=params.select_sender._replace(bias=None),
    )


def test_top_k_equals_matrices_padded_too_in_values_and_gradients():
    layer = replace(TOP, temperature=0.7)
    graph, params = graph_of(), without_biases(layer.init(KEY, WIDTH))
    padded = graphs.pad(graph, graphs.Budget(12, 40, 3))
    padded.nodes[8:] = np.nan

    def run(apply):
        def loss(params):
            out, weights = apply(params)
            return jnp.sum(jnp.sin(out[:8])), (out[:8], weights)

        return jax.jit(jax.grad(loss, has_aux=True))(params)

    def of_layer(graph):
        def apply(params):
            out = layer.apply(params, graph)
            return out.graph.nodes, out.attention.weights

        return run(apply)

    want, (nodes, weights) = run(lambda p: dense_top_k(p, graph, layer))
    on_edges = np.asarray(weights)[:, graph.receivers, graph.senders].T
    for given in (graph, padded):
        gradient, (got, found) = of_layer(given)
        np.testing.assert_allclose(got, nodes, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(found[: len(on_edges)], on_edges, rtol=1e-5, atol=1e-6)
        assert not np.asarray(found[len(on_edges) :]).any()
        jax.tree.map(
            lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-5), gradient, want
        )
    assert any(np.abs(x).max() > 0 for x in jax.tree.leaves(want.select_sender))
    assert (on_edges > 0).sum() < on_edges.size


def test_with_k_of_the_largest_degree_it_is_attention_with_a_bias():
    graph, layer = graph_of(), replace(TOP, k=8, output=False)
    params = without_biases(layer.init(KEY, WIDTH))
    like = attention.GraphTransformer(heads=2)
    plain = like.init(KEY, WIDTH)._replace(
        query_weight=params.query, key_weight=params.key, value_weight=params.value
    )
    i, j = (graph.nodes @ p.weight for p in (params.select_receiver, params.select_sender))
    bias = np.sum(i[graph.receivers] * j[graph.senders], 1) / np.sqrt(8)
    want = like.apply(plain, graph, bias=np.stack([bias, bias], 1)).graph.nodes
    np.testing.assert_allclose(layer.apply(params, graph).graph.nodes, want, rtol=1e-5, atol=1e-5)


def test_no_edges():
    graph = graphs.from_edge_list([], [], num_nodes=2, nodes=np.ones((2, WIDTH), np.float32))
    params = TOP.init(KEY, WIDTH)
    out = TOP.apply(params, graph)
    np.testing.assert_allclose(out.graph.nodes, jnp.stack([params.output.bias] * 2))
    assert out.attention.weights.shape == (0, 2)


def test_nothing_of_size_edges_times_channels():
    layer = attention.TopKAttention(channels=16, heads=4, k=2, select_channels=2)
    graph = testing.random_graph(0, 30, 400, WIDTH)
    params = layer.init(KEY, WIDTH)
    run = jax.grad(lambda p: jnp.sum(layer.apply(p, graph).graph.nodes))
    jaxpr = jax.make_jaxpr(run)(params)
    sizes = [v.aval.size for e in jaxpr.eqns for v in e.outvars if hasattr(v.aval, "size")]
    assert max(sizes) <= 30 * 2 * 64


@pytest.mark.parametrize("layer", [TOP, GATED], ids=["top_k", "gated"])
def test_training_follows_its_key_and_a_schedule(layer):
    graph = graph_of()
    params = layer.init(KEY, WIDTH)
    cooling = optax.exponential_decay(1.0, 10, 0.1)
    run = jax.jit(
        lambda key, step: (
            layer.apply(
                params, graph, temperature=cooling(step), training=True, key=key
            ).graph.nodes
        )
    )
    one, same, other, colder = (
        np.asarray(run(jax.random.key(k), s)) for k, s in ((1, 0), (1, 0), (2, 0), (1, 20))
    )
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, other) and not np.allclose(one, colder)
    assert run._cache_size() == 1
    with pytest.raises(ValueError, match="needs key= in training"):
        layer.apply(params, graph, training=True)
    assert values.from_json(values.to_json(layer)) == layer
    network = models.GPS(
        models.Inputs(nodes=WIDTH), width=8, num_layers=1, attention=layer, pool=None
    )
    made, state = jax.eval_shape(network.init, KEY)
    assert jax.eval_shape(network.apply, made, state, graph).prediction.shape == (8, 1)


def test_noise_draws_edges_in_proportion_to_their_scores():
    """With k = 1, the first choice is a draw from the softmax of the scores."""
    layer = attention.TopKAttention(k=1, select_channels=1, output=False)
    x = np.array([[1.0], [0.0], [1.0], [2.0]], np.float32)
    graph = graphs.from_edge_list([1, 2, 3], [0, 0, 0], nodes=x)
    params = layer.init(KEY, 1)
    one = ops.take(jnp.ones((1, 1)), jnp.zeros(1, int))
    params = params._replace(
        select_receiver=params.select_receiver._replace(weight=one),
        select_sender=params.select_sender._replace(weight=one),
    )
    draws = jax.vmap(
        lambda key: layer.apply(params, graph, training=True, key=key).attention.weights[:, 0]
    )(jax.random.split(KEY, 4000))
    np.testing.assert_allclose(draws.mean(0), jax.nn.softmax(x[1:, 0]), atol=0.03)


@pytest.mark.parametrize("gate", ["hard_concrete", "binary_concrete", "straight_through"])
def test_gates_scale_the_weights_before_they_are_normalised(gate):
    layer, graph = replace(GATED, gate=gate), graph_of()
    params = layer.init(KEY, WIDTH)
    params = params._replace(
        bias=jnp.full(1, -1.5),
        receivers=params.receivers._replace(weight=6 * params.receivers.weight),
    )
    logits = layer.gate_logits(params, graph)
    m = {"hard_concrete": ops.hard_concrete}.get(gate, ops.binary_concrete)(logits)
    m = np.asarray(ops.straight_through(m) if gate == "straight_through" else m)
    plain = layer.layer.apply(params.layer, graph).attention.weights
    sums = ops.segment_sum(m[:, None] * plain, graph.receivers, 8)[graph.receivers]
    want = np.where(sums > 0, m[:, None] * plain / np.where(sums > 0, sums, 1), 0)
    got = layer.apply(params, graph).attention.weights
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)
    assert (np.asarray(got) == 0).any() == (gate != "binary_concrete")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: attention.TopKAttention(k=0), "k must be a positive integer"),
        (lambda: attention.TopKAttention(temperature=0), "temperature must be a finite number"),
        (lambda: attention.TopKAttention(heads=3).init(KEY, 4), "divisible by heads"),
        (lambda: attention.GatedEdges(TOP), "layer must be an attention layer over edges"),
        (lambda: attention.GatedEdges(attention.GAT(), gate="soft"), "gate must be one of"),
        (
            lambda: TOP.apply(
                TOP.init(KEY, WIDTH), graph_of()._replace(nodes=np.ones((8, 3), np.float32))
            ),
            "graph.nodes",
        ),
    ],
)
def test_bad_choices_of_dynamic_sparse_layers(make, message):
    with pytest.raises(ValueError, match=message):
        make()
