import jax
import jax.numpy as jnp
import numpy as np
import pytest

import graphattn_jax as ga
from graphattn_jax.attention import gat, init_gat

FULL = ga.graphs.all_pairs(
    ga.graphs.from_edge_list(
        [0], [1], num_nodes=5, nodes=np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    )
)


def test_equal_logits_give_the_mean_of_the_neighbours(rng):
    nodes = rng.normal(size=(4, 3)).astype(np.float32)
    graph = ga.graphs.from_edge_list([0, 1, 2, 3], [3, 3, 3, 0], nodes=nodes)
    params = init_gat(jax.random.key(0), 3, 2)
    params = params._replace(
        receiver_vector=0 * params.receiver_vector,
        sender_vector=0 * params.sender_vector,
        bias=jnp.array([1.0, -1.0]),
    )
    x = nodes @ np.asarray(params.weight[:, 0])
    expected = np.stack([x[3], np.zeros(2), np.zeros(2), x[:3].mean(0)]) + np.array([1, -1])
    np.testing.assert_allclose(gat(params, graph).nodes, expected, rtol=1e-5)


def test_one_edge_by_hand():
    """x_0 = (1, 2) hears x_1 = (3, -1); both heads have W = I."""
    nodes = np.array([[1, 2], [3, -1]], np.float32)
    graph = ga.graphs.from_edge_list([1], [0], nodes=nodes, edges=np.array([[2.0]], np.float32))
    params = init_gat(jax.random.key(0), 2, 2, heads=2, edge_features=1)._replace(
        weight=jnp.stack([jnp.eye(2), jnp.eye(2)], axis=1),
        receiver_vector=jnp.array([[1.0, 1.0], [-1.0, -1.0]]),
        sender_vector=jnp.array([[1.0, 0.0], [0.0, 1.0]]),
        edge_weight=jnp.array([[0.5, -0.5]]),
    )
    out, attention = gat(params, graph, negative_slope=0.1, return_attention=True)
    # 3 + 3 + 1 = 7 and LeakyReLU(-3 - 1 - 1) = -0.5
    np.testing.assert_allclose(attention.logits, [[7.0, -0.5]], rtol=1e-6)
    np.testing.assert_allclose(out.nodes, [[3, -1, 3, -1], [0, 0, 0, 0]], rtol=1e-6)


def test_attention_is_static():
    """All receivers rank the senders alike: the limit of GAT that GATv2 removes."""
    _, attention = gat(init_gat(jax.random.key(0), 4, 3), FULL, return_attention=True)
    dense = ga.graphs.to_dense(FULL, np.asarray(attention.weights[:, 0]))
    assert len(np.unique(np.argsort(dense, axis=1), axis=0)) == 1


def test_symmetric_init_starts_with_symmetric_logits():
    params = init_gat(jax.random.key(0), 4, 3, symmetric_init=True)
    _, attention = gat(params, FULL, return_attention=True)
    dense = ga.graphs.to_dense(FULL, np.asarray(attention.logits[:, 0]))
    np.testing.assert_array_equal(dense, dense.T)


def test_mean_of_heads():
    key = jax.random.key(0)
    side_by_side = gat(init_gat(key, 4, 3, heads=2), FULL).nodes
    mean = gat(init_gat(key, 4, 3, heads=2, concat=False), FULL, concat=False).nodes
    np.testing.assert_allclose(mean, side_by_side.reshape(5, 2, 3).mean(1), atol=1e-6)


@pytest.mark.parametrize("score", ga.attention.SCORES)
def test_parameters_fit_the_score(score):
    params = init_gat(jax.random.key(0), 4, 3, heads=2, score=score, edge_features=5, bias=False)
    assert (params.receiver_vector is None) == (score in ("cosine", "pairwise"))
    assert (params.sender_vector is None) == (score in ("shared", "cosine", "pairwise"))
    assert (params.pairwise is None) == (score != "pairwise")
    assert params.edge_weight.shape == (5, 2)
    assert params.bias is None


def test_parameters_are_float32_in_double_precision():
    with jax.enable_x64(True):
        params = init_gat(jax.random.key(0), 4, 3, score="pairwise", edge_features=2)
    assert {x.dtype for x in jax.tree.leaves(params)} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 3, 2), "in_features must be a positive integer, got int 0"),
        ((4, 3.0, 2), "channels must be a positive integer, got float 3.0"),
        ((4, 3, True), "heads must be a positive integer"),
    ],
)
def test_sizes_must_be_positive(arguments, message):
    with pytest.raises(ValueError, match=message):
        init_gat(jax.random.key(0), *arguments)


def test_errors():
    params = init_gat(jax.random.key(0), 4, 3, heads=2)
    with pytest.raises(
        ValueError, match=r"graph.nodes must be an array of shape \[N, 4\].*NoneType"
    ):
        gat(params, FULL._replace(nodes=None))
    with pytest.raises(ValueError, match=r"graph.nodes must be floating point.*astype"):
        gat(params, FULL._replace(nodes=FULL.nodes.astype(np.int32)))
    with pytest.raises(ValueError, match=r"one entry for each of 3 outputs.*same concat="):
        gat(params, FULL, concat=False)
    with pytest.raises(ValueError, match=r"dropout_rate=0.5 needs dropout_key"):
        gat(params, FULL, dropout_rate=0.5)
    with pytest.raises(ValueError, match=r"normalizer must be one of 'softmax'.*'sinkhorn'"):
        gat(params, FULL, normalizer="soft")
    with_edges = init_gat(jax.random.key(0), 4, 3, edge_features=2)
    with pytest.raises(ValueError, match=r"graph.edges must be .* \[E, 2\] .*edge_features=2"):
        gat(with_edges, FULL)
