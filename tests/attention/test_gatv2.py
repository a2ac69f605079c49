import jax
import jax.numpy as jnp
import numpy as np
import pytest

import graphattn_jax as ga
from graphattn_jax.attention import gatv2, init_gatv2

FULL = ga.graphs.all_pairs(
    ga.graphs.from_edge_list(
        [0], [1], num_nodes=5, nodes=np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    )
)


def test_one_edge_by_hand():
    """W_r x_0 + W_s x_1 + W_e e = (1, 2) + (3, -4) + (-1, -2) = (3, -4)."""
    nodes = np.array([[1, 2], [3, -4]], np.float32)
    graph = ga.graphs.from_edge_list([1], [0], nodes=nodes, edges=np.array([[2.0]], np.float32))
    params = init_gatv2(jax.random.key(0), 2, 2, edge_features=1)._replace(
        sender_weight=jnp.eye(2)[:, None],
        receiver_weight=jnp.eye(2)[:, None],
        edge_weight=jnp.array([[[-0.5, -1.0]]]),
        vector=jnp.array([[1.0, 10.0]]),
    )
    out, attention = gatv2(params, graph, negative_slope=0.1, return_attention=True)
    np.testing.assert_allclose(attention.logits, [[3 - 4]], atol=1e-6)
    np.testing.assert_allclose(out.nodes, [[3, -4], [0, 0]], atol=1e-6)


def test_attention_is_dynamic():
    """Every receiver can prefer another sender: a . |x_i - x_j| with a < 0 selects j = i."""
    both_signs = jnp.concatenate([jnp.eye(4), -jnp.eye(4)], axis=1)[:, None]
    params = init_gatv2(jax.random.key(0), 4, 8)._replace(
        sender_weight=both_signs, receiver_weight=-both_signs, vector=-jnp.ones((1, 8))
    )
    _, attention = gatv2(params, FULL, return_attention=True)
    dense = ga.graphs.to_dense(FULL, np.asarray(attention.weights[:, 0]))
    np.testing.assert_array_equal(dense.argmax(axis=1), np.arange(5))


def test_without_the_kink_only_senders_matter():
    """With slope 1 the score is a . W_r x_i + a . W_s x_j, and softmax drops the receiver's part."""
    params = init_gatv2(jax.random.key(0), 4, 3)
    _, attention = gatv2(params, FULL, negative_slope=1.0, return_attention=True)
    dense = ga.graphs.to_dense(FULL, np.asarray(attention.weights[:, 0]))
    np.testing.assert_allclose(dense, np.broadcast_to(dense[0], (5, 5)), rtol=1e-5)


def test_values_have_the_senders_bias():
    params = init_gatv2(jax.random.key(0), 4, 3)._replace(sender_bias=jnp.array([[1.0, 2.0, 3.0]]))
    shifted = gatv2(params._replace(vector=0 * params.vector), FULL).nodes
    mean = (FULL.nodes @ np.asarray(params.sender_weight[:, 0])).mean(0) + np.array([1, 2, 3])
    np.testing.assert_allclose(shifted, np.tile(mean, (5, 1)), atol=1e-5)


def test_symmetric_init_starts_with_symmetric_logits():
    params = init_gatv2(jax.random.key(0), 4, 3, heads=2, symmetric_init=True)
    _, attention = gatv2(params, FULL, return_attention=True)
    for head in range(2):
        dense = ga.graphs.to_dense(FULL, np.asarray(attention.logits[:, head]))
        np.testing.assert_allclose(dense, dense.T, rtol=1e-6)


def test_mean_of_heads():
    key = jax.random.key(0)
    side_by_side = gatv2(init_gatv2(key, 4, 3, heads=2), FULL).nodes
    mean = gatv2(init_gatv2(key, 4, 3, heads=2, concat=False), FULL, concat=False).nodes
    np.testing.assert_allclose(mean, side_by_side.reshape(5, 2, 3).mean(1), atol=1e-6)


@pytest.mark.parametrize("score", ga.attention.SCORES)
def test_parameters_fit_the_score(score):
    dot_form = score in ("cosine", "pairwise")
    params = init_gatv2(jax.random.key(0), 4, 3, heads=2, score=score, edge_features=5)
    assert (params.vector is None) == dot_form
    assert (params.receiver_weight is None) == (dot_form or score == "shared")
    assert (params.pairwise is None) == (score != "pairwise")
    assert params.edge_weight.shape == ((5, 2) if dot_form else (5, 2, 3))
    without_bias = init_gatv2(jax.random.key(0), 4, 3, score=score, bias=False)
    assert without_bias.bias is without_bias.sender_bias is without_bias.receiver_bias is None


def test_errors():
    params = init_gatv2(jax.random.key(0), 4, 3, heads=2)
    with pytest.raises(ValueError, match=r"graph.nodes must be an array of shape \[N, 4\]"):
        gatv2(params, FULL._replace(nodes=FULL.nodes[:, :2]))
    with pytest.raises(ValueError, match=r"one entry for each of 3 outputs.*same concat="):
        gatv2(params, FULL, concat=False)
    with pytest.raises(ValueError, match="dropout_key must be a typed key"):
        gatv2(params, FULL, dropout_rate=0.5, dropout_key=jnp.zeros(2, jnp.uint32))
    with pytest.raises(
        ValueError,
        match="implementation must be one of 'triton', 'xla', 'block_dense', 'reference'",
    ):
        gatv2(params, FULL, implementation="fast")
    with pytest.raises(ValueError, match="edge_features must be a positive integer"):
        init_gatv2(jax.random.key(0), 4, 3, edge_features=0)
