import jax
import jax.numpy as jnp
import numpy as np
import pytest

import graphattn_jax as ga
from graphattn_jax.attention import graph_transformer, init_graph_transformer

GRAPH = ga.testing.random_graph(0, 6, 12, 4, undirected=True, self_loops=True, edge_width=3)
FULL = ga.graphs.all_pairs(GRAPH._replace(edges=None))


def init(seed=0, **options):
    return init_graph_transformer(jax.random.key(seed), 4, 3, heads=2, **options)


def test_all_pairs_is_the_attention_of_a_transformer():
    params = init()
    q, k, v = (
        ga.attention.project(jnp.asarray(FULL.nodes), weight)
        for weight in (params.query_weight, params.key_weight, params.value_weight)
    )
    expected = jax.nn.dot_product_attention(q, k, v)
    np.testing.assert_allclose(
        graph_transformer(params, FULL).nodes, expected.reshape(6, 6), rtol=1e-4, atol=1e-5
    )


def test_separate_form_maps_the_node_beside_its_message():
    """ "-sep" is one linear map of [x ‖ m]."""
    params = init(separate=True, out_features=5)
    message = graph_transformer(params._replace(output=None, root=None), GRAPH).nodes
    joined = np.concatenate([GRAPH.nodes, message], axis=1)
    weight = np.concatenate([params.root.weight, params.output.weight])
    out = graph_transformer(params, GRAPH).nodes
    np.testing.assert_allclose(out, joined @ weight, rtol=1e-4, atol=1e-5)


def test_shaw_features_give_relative_position_attention():
    """e_ij = x_i W_q (x_j W_k + a_K)ᵀ / √C and z_i = Σ_j α_ij (x_j W_v + a_V), one head."""
    positions = np.arange(6)
    edges = ga.attention.shaw_features(positions, FULL.senders, FULL.receivers, max_distance=2)
    params = init_graph_transformer(jax.random.key(0), 4, 3, edge_features=5)
    x = FULL.nodes
    q, k, v = (x @ np.asarray(w[:, 0]) for w in (params[0], params.key_weight, params.value_weight))
    relative = np.clip(positions[None] - positions[:, None], -2, 2) + 2  # j - i at [i, j]
    a_k, a_v = (np.asarray(w[:, 0])[relative] for w in (params.edge_key, params.edge_value))
    logits = np.einsum("ic,ijc->ij", q, k[None] + a_k) / np.sqrt(3)
    weights = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    expected = np.einsum("ij,ijc->ic", weights, v[None] + a_v)
    out = graph_transformer(params, FULL._replace(edges=edges)).nodes
    np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("score", ga.attention.SCORES)
def test_symmetric_scores_stay_symmetric_with_edge_terms(score):
    params = init(score=score, edge_features=3)
    _, attention = graph_transformer(params, GRAPH, score=score, return_attention=True)
    error = ga.diagnostics.symmetry_error(attention.logits, GRAPH.senders, GRAPH.receivers)
    if score == "standard":
        assert (error > 0.05).all()
    else:
        np.testing.assert_allclose(error, 0, atol=1e-6)


def test_dropout_drops_the_edge_message_with_its_edge():
    """With one feature on all edges, the edge message is a bias of the values."""
    graph = GRAPH._replace(edges=np.ones((len(GRAPH.senders), 1), np.float32))
    params = init(edge_features=1)
    params = params._replace(edge_key=0 * params.edge_key)
    as_bias = params._replace(
        edge_key=None, edge_value=None, value_bias=params.value_bias + params.edge_value[0]
    )
    dropout = {"dropout_rate": 0.5, "dropout_key": jax.random.key(1)}
    np.testing.assert_allclose(
        graph_transformer(params, graph, **dropout).nodes,
        graph_transformer(as_bias, graph, **dropout).nodes,
        rtol=1e-4,
        atol=1e-5,
    )


def test_heads_side_by_side_their_mean_or_mapped():
    params = init()
    side_by_side = graph_transformer(params, GRAPH).nodes
    mean = graph_transformer(params, GRAPH, concat=False).nodes
    np.testing.assert_allclose(mean, side_by_side.reshape(6, 2, 3).mean(1), atol=1e-6)
    mapped = graph_transformer(init(out_features=5), GRAPH).nodes
    assert mapped.shape == (6, 5)


def test_symmetric_init_starts_with_symmetric_logits():
    _, attention = graph_transformer(init(symmetric_init=True), GRAPH, return_attention=True)
    error = ga.diagnostics.symmetry_error(attention.logits, GRAPH.senders, GRAPH.receivers)
    np.testing.assert_allclose(error, 0, atol=1e-6)


@pytest.mark.parametrize("score", ga.attention.SCORES)
def test_parameters_fit_the_score(score):
    params = init(score=score, bias=False, separate=True)
    assert (params.key_weight is None) == (score in ("shared", "cosine", "pairwise"))
    assert (params.pairwise is None) == (score != "pairwise")
    assert params.query_bias is params.key_bias is params.value_bias is params.output is None
    assert params.root.weight.shape == (4, 6)
    assert params.root.bias is None


def test_errors():
    with pytest.raises(ValueError, match="out_features must be a positive integer"):
        init(out_features=0)
    with pytest.raises(ValueError, match=r"graph.edges must be .* \[E, 2\]"):
        graph_transformer(init(edge_features=2), GRAPH)
    integers = GRAPH._replace(edges=np.zeros((len(GRAPH.senders), 2), np.int32))
    with pytest.raises(ValueError, match=r"graph.edges must be floating point"):
        graph_transformer(init(edge_features=2), integers)
    with pytest.raises(ValueError, match=r"graph.nodes must be an array of shape \[N, 4\]"):
        graph_transformer(init(), GRAPH._replace(nodes=GRAPH.nodes[:, 0]))
