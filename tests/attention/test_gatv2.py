import jax
import jax.numpy as jnp
import numpy as np
import pytest

import graphattn_jax as ga
from graphattn_jax.attention import Cosine, GATv2, Pairwise, Shared, Standard, Symmetrized

KEY = jax.random.key(0)

FULL = ga.graphs.all_pairs(
    ga.graphs.from_edge_list(
        [0], [1], num_nodes=5, nodes=np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    )
)


def test_one_edge_by_hand():
    """W_r x_0 + W_s x_1 + W_e e = (1, 2) + (3, -4) + (-1, -2) = (3, -4)."""
    nodes = np.array([[1, 2], [3, -4]], np.float32)
    graph = ga.graphs.from_edge_list([1], [0], nodes=nodes, edges=np.array([[2.0]], np.float32))
    layer = GATv2(2, negative_slope=0.1)
    params = layer.init(KEY, 2, 1)._replace(
        sender_weight=jnp.eye(2)[:, None],
        receiver_weight=jnp.eye(2)[:, None],
        edge_weight=jnp.array([[[-0.5, -1.0]]]),
        vector=jnp.array([[1.0, 10.0]]),
    )
    out, attention = layer.apply(params, graph)
    np.testing.assert_allclose(attention.logits, [[3 - 4]], atol=1e-6)
    np.testing.assert_allclose(out.nodes, [[3, -4], [0, 0]], atol=1e-6)


def test_attention_is_dynamic():
    """Every receiver can prefer another sender: a . |x_i - x_j| with a < 0 selects j = i."""
    both_signs = jnp.concatenate([jnp.eye(4), -jnp.eye(4)], axis=1)[:, None]
    layer = GATv2(8)
    params = layer.init(KEY, 4)._replace(
        sender_weight=both_signs, receiver_weight=-both_signs, vector=-jnp.ones((1, 8))
    )
    attention = layer.apply(params, FULL).attention
    dense = ga.graphs.to_dense(FULL, np.asarray(attention.weights[:, 0]))
    np.testing.assert_array_equal(dense.argmax(axis=1), np.arange(5))


def test_without_the_kink_only_senders_matter():
    """With slope 1 the score is a . W_r x_i + a . W_s x_j, and softmax drops the receiver's part."""
    layer = GATv2(3, negative_slope=1.0)
    attention = layer.apply(layer.init(KEY, 4), FULL).attention
    dense = ga.graphs.to_dense(FULL, np.asarray(attention.weights[:, 0]))
    np.testing.assert_allclose(dense, np.broadcast_to(dense[0], (5, 5)), rtol=1e-5)


def test_values_have_the_senders_bias():
    params = GATv2(3).init(KEY, 4)._replace(sender_bias=jnp.array([[1.0, 2.0, 3.0]]))
    shifted = GATv2(3).apply(params._replace(vector=0 * params.vector), FULL).graph.nodes
    mean = (FULL.nodes @ np.asarray(params.sender_weight[:, 0])).mean(0) + np.array([1, 2, 3])
    np.testing.assert_allclose(shifted, np.tile(mean, (5, 1)), atol=1e-5)


def test_symmetric_init_starts_with_symmetric_logits():
    layer = GATv2(3, heads=2, symmetric_init=True)
    attention = layer.apply(layer.init(KEY, 4), FULL).attention
    for head in range(2):
        dense = ga.graphs.to_dense(FULL, np.asarray(attention.logits[:, head]))
        np.testing.assert_allclose(dense, dense.T, rtol=1e-6)


def test_mean_of_heads():
    layers = GATv2(3, 2), GATv2(3, 2, concat=False)
    side_by_side, mean = (x.apply(x.init(KEY, 4), FULL).graph.nodes for x in layers)
    np.testing.assert_allclose(mean, side_by_side.reshape(5, 2, 3).mean(1), atol=1e-6)


@pytest.mark.parametrize("score", [Standard(), Shared(), Symmetrized(), Cosine(), Pairwise()])
def test_parameters_fit_the_score(score):
    params = GATv2(3, 2, score=score).init(KEY, 4, 5)
    assert (params.vector is None) == score.is_dot
    assert (params.receiver_weight is None) == score.is_tied
    assert (params.score is None) == (score != Pairwise())
    assert params.edge_weight.shape == ((5, 2) if score.is_dot else (5, 2, 3))
    without_bias = GATv2(3, score=score, use_bias=False).init(KEY, 4)
    assert without_bias.bias is without_bias.sender_bias is without_bias.receiver_bias is None


def test_errors():
    layer = GATv2(3, heads=2)
    params = layer.init(KEY, 4)
    with pytest.raises(ValueError, match=r"graph.nodes must be an array of shape \[N, 4\]"):
        layer.apply(params, FULL._replace(nodes=FULL.nodes[:, :2]))
    with pytest.raises(ValueError, match=r"params.bias must have shape \[3\]"):
        GATv2(3, heads=2, concat=False).apply(params, FULL)
    dropping = GATv2(3, heads=2, dropout=0.5)
    with pytest.raises(ValueError, match="key must be a typed key"):
        dropping.apply(params, FULL, training=True, key=jnp.zeros(2, jnp.uint32))
    with pytest.raises(ValueError, match="edge_features must be a positive integer"):
        layer.init(KEY, 4, 0)
