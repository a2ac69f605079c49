import jax
import jax.numpy as jnp
import numpy as np
import pytest

import graphattn_jax as ga
from graphattn_jax.attention import GATv2, combine_heads, project

GRAPH = ga.testing.random_graph(0, 6, 14, 4, edge_width=2)
EDGES = ga.graphs.pattern(GRAPH)
X = jnp.asarray(GRAPH.nodes).reshape(6, 2, 2)
LAYER, LAYER_2 = GATv2(3), GATv2(3, 2)
PARAMS = LAYER.init(jax.random.key(0), 4)


def attend(x, edges, bias=None):
    return ga.ops.edge_attention(x, x, x, edges, score=ga.ops.DotScore(bias=bias))


def test_default_score_is_the_scaled_dot_product(rng):
    q, k, v = (jnp.asarray(rng.normal(size=(6, 2, 3)), jnp.float32) for _ in range(3))
    attention = ga.ops.edge_attention(q, k, v, EDGES).attention
    expected = (q[GRAPH.receivers] * k[GRAPH.senders]).sum(-1) / np.sqrt(3)
    np.testing.assert_allclose(attention.logits, expected, rtol=1e-4, atol=1e-6)
    ga.testing.assert_row_stochastic(attention.weights, EDGES)


def test_messages_go_from_sender_to_receiver():
    graph = ga.graphs.from_edge_list([0, 1], [1, 2], num_nodes=3)
    value = jnp.array([1.0, 10.0, 100.0]).reshape(3, 1, 1)
    out = attend(value, ga.graphs.pattern(graph)).out
    assert out.ravel().tolist() == [0.0, 1.0, 10.0]  # node 0 hears nobody


def test_a_bias_equal_over_the_edges_of_a_receiver_changes_nothing():
    """Softmax sees differences within a receiver only."""
    per_receiver = jax.random.normal(jax.random.key(0), (6, 2))[GRAPH.receivers]
    got = attend(X, EDGES, 5 * per_receiver).out
    np.testing.assert_allclose(got, attend(X, EDGES).out, atol=1e-5)


def test_a_bias_of_minus_infinity_masks_an_edge():
    bias = jnp.zeros((14, 2)).at[3].set(-jnp.inf)
    weights = attend(X, EDGES, bias).attention.weights
    np.testing.assert_array_equal(weights[3], [0, 0])
    others = np.arange(14) != 3
    np.testing.assert_allclose(weights, attend(X, EDGES.where(others)).attention.weights, rtol=1e-5)


def test_padding_edges_are_masked():
    padded = ga.graphs.pad(GRAPH, ga.graphs.Budget(9, 20, 2))
    x = jnp.concatenate([X, jnp.ones((3, 2, 2))])
    out, attention = attend(x, ga.graphs.pattern(padded))
    np.testing.assert_array_equal(attention.weights[14:], np.zeros((6, 2)))
    np.testing.assert_array_equal(out[6:], np.zeros((3, 2, 2)))
    np.testing.assert_allclose(out[:6], attend(X, EDGES).out, atol=1e-6)


def test_from_logits_with_edges_left_out_and_padding():
    """The same as without these edges, whatever the mask says of padding."""
    logits = jax.random.normal(jax.random.key(0), (14, 2))
    where = np.arange(14) % 3 > 0
    rest = ga.ops.Edges(GRAPH.senders[where], GRAPH.receivers[where], num_senders=6)
    want = ga.ops.attend_from_logits(logits[where], X, rest)
    padded = ga.graphs.pattern(ga.graphs.pad(GRAPH, ga.graphs.Budget(9, 20, 2)))
    got = ga.ops.attend_from_logits(
        jnp.concatenate([logits, jnp.ones((6, 2))]),
        jnp.concatenate([X, jnp.ones((3, 2, 2))]),
        padded.where(np.concatenate([where, np.ones(6, bool)])),
    )
    weights = got.attention.weights
    np.testing.assert_allclose(got.out[:6], want.out, atol=1e-6)
    np.testing.assert_allclose(weights[:14][where], want.attention.weights, rtol=1e-5)
    assert not weights[14:].any() and not weights[:14][~where].any()
    alone = ga.ops.attend_from_logits(logits, X, EDGES.where(where))
    np.testing.assert_allclose(alone.out, want.out, atol=1e-6)


def test_a_layer_changes_the_nodes_only():
    out, attention = LAYER.apply(PARAMS, GRAPH)
    assert isinstance(attention, ga.ops.Attention)
    assert attention.residual is None
    for name in GRAPH._fields:
        assert (getattr(out, name) is getattr(GRAPH, name)) == (name != "nodes")


def test_a_prepared_or_padded_graph_stays_one():
    padded = ga.graphs.pad(GRAPH, ga.graphs.Budget(9, 20, 2))
    out = LAYER.apply(PARAMS, padded).graph
    assert isinstance(out, ga.graphs.PreparedGraph) and out.layout is padded.layout
    marked = ga.graphs.PaddedGraphsTuple(*padded)
    assert isinstance(LAYER.apply(PARAMS, marked).graph, ga.graphs.PaddedGraphsTuple)


def test_project_is_a_linear_map_per_head(rng):
    x = rng.normal(size=(5, 3)).astype(np.float32)
    weight = rng.normal(size=(3, 2, 4)).astype(np.float32)
    bias = rng.normal(size=(2, 4)).astype(np.float32)
    expected = np.stack([x @ weight[:, h] + bias[h] for h in range(2)], axis=1)
    np.testing.assert_allclose(project(jnp.asarray(x), weight, bias), expected, rtol=1e-5)


def test_project_accumulates_in_float32():
    """256 + 1 has no bfloat16: rounding the sum once gives 258 with the bias, twice 256."""
    x, weight = jnp.ones((1, 257), jnp.bfloat16), jnp.ones((257, 1, 1))
    out = project(x, weight, jnp.ones((1, 1)))
    assert out.dtype == jnp.bfloat16
    assert float(out[0, 0, 0]) == 258


def test_combine_heads(rng):
    x = jnp.asarray(rng.normal(size=(5, 2, 3)), jnp.float32)
    np.testing.assert_array_equal(combine_heads(x, True)[:, 3:], x[:, 1])
    np.testing.assert_allclose(combine_heads(x, False), (x[:, 0] + x[:, 1]) / 2, rtol=1e-6)
    assert combine_heads(x[:0], True).shape == (0, 6)
    assert combine_heads(x.astype(jnp.bfloat16), False).dtype == jnp.bfloat16


def test_errors():
    with pytest.raises(ValueError, match=r"bias must have shape \[14, 2\], got \(14,\)"):
        LAYER_2.apply(LAYER_2.init(jax.random.key(0), 4), GRAPH, bias=jnp.ones(14))
    with pytest.raises(ValueError, match=r"in_features must be an integer, or one for"):
        LAYER.init(jax.random.key(0), (4, 4, 4))
