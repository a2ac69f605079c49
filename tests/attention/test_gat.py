import jax
import jax.numpy as jnp
import numpy as np
import pytest

import graphattn_jax as ga
from graphattn_jax.attention import GAT, Cosine, Pairwise, Shared, Standard, Symmetrized

KEY = jax.random.key(0)

FULL = ga.graphs.all_pairs(
    ga.graphs.from_edge_list(
        [0], [1], num_nodes=5, nodes=np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    )
)


def test_equal_logits_give_the_mean_of_the_neighbours(rng):
    nodes = rng.normal(size=(4, 3)).astype(np.float32)
    graph = ga.graphs.from_edge_list([0, 1, 2, 3], [3, 3, 3, 0], nodes=nodes)
    layer = GAT(2)
    params = layer.init(KEY, 3)
    params = params._replace(
        receiver_vector=0 * params.receiver_vector,
        sender_vector=0 * params.sender_vector,
        bias=jnp.array([1.0, -1.0]),
    )
    x = nodes @ np.asarray(params.weight[:, 0])
    expected = np.stack([x[3], np.zeros(2), np.zeros(2), x[:3].mean(0)]) + np.array([1, -1])
    np.testing.assert_allclose(layer.apply(params, graph).graph.nodes, expected, rtol=1e-5)


def test_one_edge_by_hand():
    """x_0 = (1, 2) hears x_1 = (3, -1); both heads have W = I."""
    nodes = np.array([[1, 2], [3, -1]], np.float32)
    graph = ga.graphs.from_edge_list([1], [0], nodes=nodes, edges=np.array([[2.0]], np.float32))
    layer = GAT(2, 2, negative_slope=0.1)
    params = layer.init(KEY, 2, 1)._replace(
        weight=jnp.stack([jnp.eye(2), jnp.eye(2)], axis=1),
        receiver_vector=jnp.array([[1.0, 1.0], [-1.0, -1.0]]),
        sender_vector=jnp.array([[1.0, 0.0], [0.0, 1.0]]),
        edge_weight=jnp.array([[0.5, -0.5]]),
    )
    out, attention = layer.apply(params, graph)
    # 3 + 3 + 1 = 7 and LeakyReLU(-3 - 1 - 1) = -0.5
    np.testing.assert_allclose(attention.logits, [[7.0, -0.5]], rtol=1e-6)
    np.testing.assert_allclose(out.nodes, [[3, -1, 3, -1], [0, 0, 0, 0]], rtol=1e-6)


def test_attention_is_static():
    """All receivers rank the senders alike: the limit of GAT that GATv2 removes."""
    attention = GAT(3).apply(GAT(3).init(KEY, 4), FULL).attention
    dense = ga.graphs.to_dense(FULL, np.asarray(attention.weights[:, 0]))
    assert len(np.unique(np.argsort(dense, axis=1), axis=0)) == 1


def test_symmetric_init_starts_with_symmetric_logits():
    layer = GAT(3, symmetric_init=True)
    attention = layer.apply(layer.init(KEY, 4), FULL).attention
    dense = ga.graphs.to_dense(FULL, np.asarray(attention.logits[:, 0]))
    np.testing.assert_array_equal(dense, dense.T)


def test_mean_of_heads():
    layers = GAT(3, 2), GAT(3, 2, concat=False)
    side_by_side, mean = (x.apply(x.init(KEY, 4), FULL).graph.nodes for x in layers)
    np.testing.assert_allclose(mean, side_by_side.reshape(5, 2, 3).mean(1), atol=1e-6)


@pytest.mark.parametrize("score", [Standard(), Shared(), Symmetrized(), Cosine(), Pairwise()])
def test_parameters_fit_the_score(score):
    params = GAT(3, 2, score=score, use_bias=False).init(KEY, 4, 5)
    assert (params.receiver_vector is None) == score.is_dot
    assert (params.sender_vector is None) == score.is_tied
    assert (params.score is None) == (score != Pairwise())
    assert params.edge_weight.shape == (5, 2)
    assert params.bias is None


def test_parameters_are_float32_in_double_precision():
    with jax.enable_x64(True):
        params = GAT(3, score=Pairwise()).init(KEY, 4, 2)
    assert {x.dtype for x in jax.tree.leaves(params)} == {np.dtype(np.float32)}


def test_channels_from_the_width_of_the_input():
    assert GAT(heads=4).init(KEY, 12).weight.shape == (12, 4, 3)
    with pytest.raises(ValueError, match="in_features must be divisible by heads"):
        GAT(heads=5).init(KEY, 12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GAT(3, 2).init(KEY, 0), "in_features must be a positive integer, got int 0"),
        (lambda: GAT(3.0, 2), "channels must be a positive integer, got float 3.0"),
        (lambda: GAT(3, True), "heads must be a positive integer"),
        (lambda: GAT(3, 0), "heads must be a positive integer"),
        (lambda: GAT(3, negative_slope=-1.0), "negative_slope must be a finite number"),
        (lambda: GAT(3, dropout=1.0), r"dropout must be a number in \[0, 1\), got 1.0"),
        (lambda: GAT(3, concat=1), "concat must be True or False, got 1"),
        (lambda: GAT(3, normalizer="softmax"), r"normalizer must be a value such as .*Sinkhorn"),
        (lambda: GAT(3, score="cosine"), r"score must be a value such as ga\.attention\.Standard"),
        (lambda: GAT(3, implementation="fast"), "implementation must be one of 'triton', 'cpp'"),
        (lambda: GAT(3, 2, normalizer=ga.ops.PostHoc(heads=(True,))), "one bool for each of heads=2"),
    ],
)  # fmt: skip
def test_choices_are_checked_where_they_are_made(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_errors():
    layer = GAT(3, heads=2)
    params = layer.init(KEY, 4)
    with pytest.raises(
        ValueError, match=r"graph.nodes must be an array of shape \[N, 4\].*NoneType"
    ):
        layer.apply(params, FULL._replace(nodes=None))
    with pytest.raises(ValueError, match=r"graph.nodes must be floating point.*astype"):
        layer.apply(params, FULL._replace(nodes=FULL.nodes.astype(np.int32)))
    with pytest.raises(ValueError, match=r"params.bias must have shape \[3\], got \(6,\)"):
        GAT(3, heads=2, concat=False).apply(params, FULL)
    with pytest.raises(ValueError, match=r"dropout=0.5 needs key= in training"):
        GAT(3, heads=2, dropout=0.5).apply(params, FULL, training=True)
    with pytest.raises(ValueError, match=r"params must be the GATParams of GAT\(channels=3"):
        layer.apply(ga.attention.GATv2(3, 2).init(KEY, 4), FULL)
    with pytest.raises(ValueError, match=r"graph.edges must be .* \[E, 2\] .*edge_features=2"):
        layer.apply(layer.init(KEY, 4, 2), FULL)
