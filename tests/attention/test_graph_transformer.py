import jax
import jax.numpy as jnp
import numpy as np
import pytest

import graphattn_jax as ga
from graphattn_jax.attention import (
    Cosine,
    GraphTransformer,
    Pairwise,
    Shared,
    Standard,
    Symmetrized,
)

KEY = jax.random.key(0)
SCORES = (Standard(), Shared(), Symmetrized(), Cosine(), Pairwise())

GRAPH = ga.testing.random_graph(0, 6, 12, 4, undirected=True, self_loops=True, edge_width=3)
FULL = ga.graphs.all_pairs(GRAPH._replace(edges=None))


LAYER = GraphTransformer(3, 2)
PARAMS = LAYER.init(KEY, 4)


def test_all_pairs_is_the_attention_of_a_transformer():
    q, k, v = (
        ga.attention.project(jnp.asarray(FULL.nodes), weight)
        for weight in (PARAMS.query_weight, PARAMS.key_weight, PARAMS.value_weight)
    )
    expected = jax.nn.dot_product_attention(q, k, v)
    np.testing.assert_allclose(
        LAYER.apply(PARAMS, FULL).graph.nodes, expected.reshape(6, 6), rtol=1e-4, atol=1e-5
    )


def test_separate_form_maps_the_node_beside_its_message():
    """ "-sep" is one linear map of [x ‖ m]."""
    layer = GraphTransformer(3, 2, separate=True, output=5)
    params = layer.init(KEY, 4)
    message = LAYER.apply(params._replace(output=None, root=None), GRAPH).graph.nodes
    joined = np.concatenate([GRAPH.nodes, message], axis=1)
    weight = np.concatenate([params.root.weight, params.output.weight])
    out = layer.apply(params, GRAPH).graph.nodes
    np.testing.assert_allclose(out, joined @ weight, rtol=1e-4, atol=1e-5)


def test_shaw_features_give_relative_position_attention():
    """e_ij = x_i W_q (x_j W_k + a_K)ᵀ / √C and z_i = Σ_j α_ij (x_j W_v + a_V), one head."""
    positions = np.arange(6)
    edges = ga.attention.shaw_features(positions, FULL.senders, FULL.receivers, max_distance=2)
    layer = GraphTransformer(3)
    params = layer.init(KEY, 4, 5)
    x = FULL.nodes
    q, k, v = (x @ np.asarray(w[:, 0]) for w in (params[0], params.key_weight, params.value_weight))
    relative = np.clip(positions[None] - positions[:, None], -2, 2) + 2  # j - i at [i, j]
    a_k, a_v = (np.asarray(w[:, 0])[relative] for w in (params.edge_key, params.edge_value))
    logits = np.einsum("ic,ijc->ij", q, k[None] + a_k) / np.sqrt(3)
    weights = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    expected = np.einsum("ij,ijc->ic", weights, v[None] + a_v)
    out = layer.apply(params, FULL._replace(edges=edges)).graph.nodes
    np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("score", SCORES)
def test_symmetric_scores_stay_symmetric_with_edge_terms(score):
    layer = GraphTransformer(3, 2, score=score)
    attention = layer.apply(layer.init(KEY, 4, 3), GRAPH).attention
    error = ga.diagnostics.symmetry_error(attention.logits, ga.graphs.pattern(GRAPH))
    if score == Standard():
        assert (error > 0.05).all()
    else:
        np.testing.assert_allclose(error, 0, atol=1e-6)


def test_dropout_drops_the_edge_message_with_its_edge():
    """With one feature on all edges, the edge message is a bias of the values."""
    graph = GRAPH._replace(edges=np.ones((len(GRAPH.senders), 1), np.float32))
    params = LAYER.init(KEY, 4, 1)
    params = params._replace(edge_key=0 * params.edge_key)
    as_bias = params._replace(
        edge_key=None, edge_value=None, value_bias=params.value_bias + params.edge_value[0]
    )
    layer, training = (
        GraphTransformer(3, 2, dropout=0.5),
        {"training": True, "key": jax.random.key(1)},
    )
    np.testing.assert_allclose(
        layer.apply(params, graph, **training).graph.nodes,
        layer.apply(as_bias, graph, **training).graph.nodes,
        rtol=1e-4,
        atol=1e-5,
    )


def test_heads_side_by_side_their_mean_or_mapped():
    side_by_side = LAYER.apply(PARAMS, GRAPH).graph.nodes
    mean = GraphTransformer(3, 2, concat=False).apply(PARAMS, GRAPH).graph.nodes
    np.testing.assert_allclose(mean, side_by_side.reshape(6, 2, 3).mean(1), atol=1e-6)
    for output, width in ((5, 5), (True, 4)):
        layer = GraphTransformer(3, 2, output=output)
        assert layer.apply(layer.init(KEY, 4), GRAPH).graph.nodes.shape == (6, width)


def test_the_node_itself_beside_the_mean_of_heads():
    layer = GraphTransformer(3, 2, concat=False, separate=True)
    params = layer.init(KEY, 4)
    mean = GraphTransformer(3, 2, concat=False).apply(params._replace(root=None), GRAPH).graph.nodes
    want = mean + GRAPH.nodes @ params.root.weight
    np.testing.assert_allclose(layer.apply(params, GRAPH).graph.nodes, want, rtol=1e-5, atol=1e-6)


def test_symmetric_init_starts_with_symmetric_logits():
    layer = GraphTransformer(3, 2, symmetric_init=True)
    attention = layer.apply(layer.init(KEY, 4), GRAPH).attention
    error = ga.diagnostics.symmetry_error(attention.logits, ga.graphs.pattern(GRAPH))
    np.testing.assert_allclose(error, 0, atol=1e-6)


@pytest.mark.parametrize("score", SCORES)
def test_parameters_fit_the_score(score):
    params = GraphTransformer(3, 2, score=score, use_bias=False, separate=True).init(KEY, 4)
    assert (params.key_weight is None) == score.is_tied
    assert (params.score is None) == (score != Pairwise())
    assert params.query_bias is params.key_bias is params.value_bias is params.output is None
    assert params.root.weight.shape == (4, 6)
    assert params.root.bias is None


def test_errors():
    for output in (0, -1, 2.0, None):
        with pytest.raises(ValueError, match="output must be a positive integer"):
            GraphTransformer(3, output=output)
    params = LAYER.init(KEY, 4, 2)
    with pytest.raises(ValueError, match=r"graph.edges must be .* \[E, 2\]"):
        LAYER.apply(params, GRAPH)
    integers = GRAPH._replace(edges=np.zeros((len(GRAPH.senders), 2), np.int32))
    with pytest.raises(ValueError, match=r"graph.edges must be floating point"):
        LAYER.apply(params, integers)
    with pytest.raises(ValueError, match=r"graph.nodes must be an array of shape \[N, 4\]"):
        LAYER.apply(PARAMS, GRAPH._replace(nodes=GRAPH.nodes[:, 0]))
