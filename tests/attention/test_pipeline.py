import jax
import jax.numpy as jnp
import numpy as np
import pytest

import graphattn_jax as ga
from graphattn_jax.attention import Attention, attend, attend_from_logits, combine_heads, project

GRAPH = ga.testing.random_graph(0, 6, 14, 4, edge_width=2)
X = jnp.asarray(GRAPH.nodes).reshape(6, 2, 2)


def test_default_score_is_the_scaled_dot_product(rng):
    q, k, v = (jnp.asarray(rng.normal(size=(6, 2, 3)), jnp.float32) for _ in range(3))
    result = attend(q, k, v, GRAPH)
    expected = (q[GRAPH.receivers] * k[GRAPH.senders]).sum(-1) / np.sqrt(3)
    np.testing.assert_allclose(result.logits, expected, rtol=1e-4, atol=1e-6)
    ga.testing.assert_row_stochastic(result.weights, GRAPH.receivers)


def test_messages_go_from_sender_to_receiver():
    graph = ga.graphs.from_edge_list([0, 1], [1, 2], num_nodes=3)
    value = jnp.array([1.0, 10.0, 100.0]).reshape(3, 1, 1)
    out = attend(value, value, value, graph).out
    assert out.ravel().tolist() == [0.0, 1.0, 10.0]  # node 0 hears nobody


def test_a_bias_equal_over_the_edges_of_a_receiver_changes_nothing():
    """Softmax sees differences within a receiver only."""
    per_receiver = jax.random.normal(jax.random.key(0), (6, 2))[GRAPH.receivers]
    np.testing.assert_allclose(
        attend(X, X, X, GRAPH, bias=5 * per_receiver).out, attend(X, X, X, GRAPH).out, atol=1e-5
    )


def test_a_bias_of_minus_infinity_masks_an_edge():
    bias = jnp.zeros((14, 2)).at[3].set(-jnp.inf)
    weights = attend(X, X, X, GRAPH, bias=bias).weights
    np.testing.assert_array_equal(weights[3], [0, 0])
    others = np.arange(14) != 3
    rest = GRAPH._replace(senders=GRAPH.senders[others], receivers=GRAPH.receivers[others])
    np.testing.assert_allclose(weights[others], attend(X, X, X, rest).weights, rtol=1e-5)


def test_layout_masks_padding_edges():
    padded = ga.graphs.pad(GRAPH, ga.graphs.Budget(9, 20, 2))
    x = jnp.concatenate([X, jnp.ones((3, 2, 2))])
    result = attend(x, x, x, padded, layout=ga.graphs.layout(padded))
    np.testing.assert_array_equal(result.weights[14:], np.zeros((6, 2)))
    np.testing.assert_array_equal(result.out[6:], np.zeros((3, 2, 2)))
    np.testing.assert_allclose(result.out[:6], attend(X, X, X, GRAPH).out, atol=1e-6)


def test_from_logits_with_edges_left_out_and_padding():
    """The same as without these edges, whatever the mask says of padding."""
    logits = jax.random.normal(jax.random.key(0), (14, 2))
    where = np.arange(14) % 3 > 0
    rest = GRAPH._replace(senders=GRAPH.senders[where], receivers=GRAPH.receivers[where])
    want = attend_from_logits(logits[where], X, rest)
    padded = ga.graphs.pad(GRAPH, ga.graphs.Budget(9, 20, 2))
    x = jnp.concatenate([X, jnp.ones((3, 2, 2))])
    got = attend_from_logits(
        jnp.concatenate([logits, jnp.ones((6, 2))]),
        x,
        padded,
        where=np.concatenate([where, np.ones(6, bool)]),
        layout=ga.graphs.layout(padded),
    )
    np.testing.assert_allclose(got.out[:6], want.out, atol=1e-6)
    np.testing.assert_allclose(got.weights[:14][where], want.weights, rtol=1e-5)
    assert not got.weights[14:].any() and not got.weights[:14][~where].any()
    alone = attend_from_logits(logits, X, GRAPH, where=where)
    np.testing.assert_allclose(alone.out, want.out, atol=1e-6)


def test_a_layer_changes_the_nodes_only():
    params = ga.attention.init_gatv2(jax.random.key(0), 4, 3)
    out, attention = ga.attention.gatv2(params, GRAPH, return_attention=True)
    assert isinstance(attention, Attention)
    assert attention.residual is None
    for name in GRAPH._fields:
        assert (getattr(out, name) is getattr(GRAPH, name)) == (name != "nodes")


def test_a_padded_graph_stays_one():
    params = ga.attention.init_gatv2(jax.random.key(0), 4, 3)
    padded = ga.graphs.pad(GRAPH, ga.graphs.Budget(9, 20, 2))
    assert isinstance(ga.attention.gatv2(params, padded), ga.graphs.PaddedGraphsTuple)


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
        attend(X, X, X, GRAPH, bias=jnp.ones(14))
    with pytest.raises(ValueError, match=r"value must have shape \[6, 2, C\], got \(5, 2, 2\)"):
        attend(X, X, X[:5], GRAPH)
    other = ga.graphs.layout(ga.testing.random_graph(1, 6, 15, 4))
    with pytest.raises(ValueError, match=r"where must have shape \[14\], got \(15,\)"):
        attend(X, X, X, GRAPH, layout=other)
