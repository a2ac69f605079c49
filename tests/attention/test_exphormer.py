import jax
import jax.numpy as jnp
import numpy as np
import pytest

import graphattn_jax as ga
from graphattn_jax.attention import (
    Cosine,
    Exphormer,
    GraphTransformer,
    Pairwise,
    Shared,
    Standard,
    Symmetrized,
)

KEY = jax.random.key(0)
SCORES = (Standard(), Shared(), Symmetrized(), Cosine(), Pairwise())

GRAPH = ga.testing.random_graph(0, 6, 12, 4, undirected=True, self_loops=True, edge_width=3)


LAYER = Exphormer(3, 2)
PARAMS = LAYER.init(KEY, 4, 3)


def logits(layer=LAYER, params=PARAMS, graph=GRAPH, **options):
    return np.asarray(layer.apply(params, graph, **options).attention.logits)


def error_of(layer, params):
    return ga.diagnostics.symmetry_error(logits(layer, params), ga.graphs.pattern(GRAPH))


def test_one_edge_by_hand():
    """q_0 = (1, 2), k_1 = (3, -4), W_e e = (2, 0.5): 1·3·2 - 2·4·0.5 = 2, over √2."""
    nodes = np.array([[1, 2], [3, -4]], np.float32)
    graph = ga.graphs.from_edge_list([1], [0], nodes=nodes, edges=np.array([[2.0]], np.float32))
    eye = jnp.eye(2)[:, None]
    layer = Exphormer(2)
    params = layer.init(KEY, 2, 1)
    params = params._replace(
        score=params.score._replace(
            query_weight=eye, key_weight=eye, edge_weight=jnp.array([[[1.0, 0.25]]])
        ),
        value_weight=eye,
    )
    out, attention = layer.apply(params, graph)
    np.testing.assert_allclose(attention.logits, [[2 / np.sqrt(2)]], rtol=1e-6)
    np.testing.assert_allclose(out.nodes, [[3, -4], [0, 0]], rtol=1e-6)


@pytest.mark.parametrize("score", SCORES)
def test_with_ones_on_the_edges_it_is_the_graph_transformer(score):
    ones = GRAPH._replace(edges=np.ones((len(GRAPH.senders), 1), np.float32))
    layer = Exphormer(3, 2, score=score, output=5, clamp=None)
    params = layer.init(KEY, 4, 1)
    params = params._replace(score=params.score._replace(edge_weight=jnp.ones((1, 2, 3))))
    transformer = GraphTransformer(3, 2, score=score, use_bias=False, output=5)
    plain = transformer.init(jax.random.key(1), 4)._replace(
        query_weight=params.score.query_weight,
        key_weight=params.score.key_weight,
        value_weight=params.value_weight,
        output=params.output,
    )
    np.testing.assert_allclose(
        layer.apply(params, ones).graph.nodes,
        transformer.apply(plain, ones).graph.nodes,
        rtol=1e-5,
        atol=1e-6,
    )


def test_the_clamp_cuts_scores_and_not_the_bias():
    large = GRAPH._replace(nodes=10 * GRAPH.nodes)
    free = logits(Exphormer(3, 2, clamp=None), graph=large)
    assert np.abs(free).max() > 10 and np.abs(free).min() < 2
    np.testing.assert_allclose(logits(graph=large), np.clip(free, -5, 5), rtol=1e-6)
    two = logits(Exphormer(3, 2, clamp=2.0), graph=large)
    np.testing.assert_allclose(two, np.clip(free, -2, 2), rtol=1e-6)
    bias = jnp.full(free.shape, 7.0)
    np.testing.assert_allclose(logits(graph=large, bias=bias), np.clip(free, -5, 5) + 7, rtol=1e-6)


@pytest.mark.parametrize("score", SCORES)
def test_symmetric_scores_stay_symmetric_with_edges(score):
    layer = Exphormer(3, 2, score=score)
    params = layer.init(KEY, 4, 3)
    if score == Pairwise():
        pairwise = jax.random.normal(jax.random.key(2), (2, 3, 3))
        params = params._replace(score=params.score._replace(score=pairwise))
    if score == Standard():
        assert (error_of(layer, params) > 0.05).all()
    else:
        np.testing.assert_allclose(error_of(layer, params), 0, atol=1e-6)


def test_symmetric_init_starts_with_symmetric_logits():
    layer = Exphormer(3, 2, symmetric_init=True)
    np.testing.assert_allclose(error_of(layer, layer.init(KEY, 4, 3)), 0, atol=1e-6)


def test_an_edge_without_features_has_no_score_but_that_of_a_bias():
    bare = GRAPH._replace(edges=0 * GRAPH.edges)
    assert not logits(graph=bare).any()
    layer = Exphormer(3, 2, use_bias=True)
    params = layer.init(KEY, 4, 3)
    params = params._replace(score=params.score._replace(edge_bias=jnp.ones((2, 3))))
    assert np.abs(logits(layer, params, bare)).min() > 0


def test_two_layers_on_its_pattern_reach_everywhere():
    """A path of 12 nodes: from end to end in two hops over the virtual node, not without it."""
    i = np.arange(11)
    path = ga.graphs.add_reverse_edges(
        ga.graphs.from_edge_list(i, i + 1, nodes=np.eye(12, dtype=np.float32))
    )
    for num_virtual in (0, 1):
        graph, kinds, _, virtual = ga.graphs.exphormer_pattern(
            path, degree=None, num_virtual=num_virtual
        )
        graph = graph._replace(
            nodes=graph.nodes + (virtual > 0)[:, None].astype(np.float32),
            edges=np.eye(4, dtype=np.float32)[kinds],
        )
        keys = jax.random.split(jax.random.key(0))
        layer = Exphormer(3, 2, output=True)
        layers = [layer.init(key, 12, 4) for key in keys]

        def last_node(nodes, graph=graph, layers=layers, layer=layer):
            graph = graph._replace(nodes=nodes)
            for params in layers:
                graph = layer.apply(params, graph).graph
            return graph.nodes[11].sum()

        reached = np.abs(jax.jit(jax.grad(last_node))(graph.nodes)).sum(1) > 0
        assert reached[:12].tolist() == [num_virtual > 0] * 9 + [True] * 3


@pytest.mark.parametrize("score", SCORES)
def test_parameters_fit_the_score(score):
    params = Exphormer(3, 2, score=score).init(KEY, 4, 3)
    assert (params.score.key_weight is None) == score.is_tied
    assert (params.score.score is None) == (score != Pairwise())
    assert params.score.edge_bias is params.score.query_bias is params.value_bias is None
    assert params.output is None
    with_bias = Exphormer(3, 2, score=score, use_bias=True, output=5).init(KEY, 4, 3)
    assert with_bias.score.edge_bias.shape == with_bias.value_bias.shape == (2, 3)
    assert with_bias.output.bias.shape == (5,)


def test_errors():
    with pytest.raises(ValueError, match=r"reads edge features\. Fix: layer\.init"):
        LAYER.init(KEY, 4)
    with pytest.raises(ValueError, match="edge_features must be a positive integer"):
        LAYER.init(KEY, 4, 0)
    for clamp in (0, -1.0, float("nan"), True):
        with pytest.raises(ValueError, match="clamp must be a finite number, positive, got"):
            Exphormer(3, clamp=clamp)
    with pytest.raises(ValueError, match=r"graph.edges must be .* \[E, 3\]"):
        LAYER.apply(PARAMS, GRAPH._replace(edges=None))
    with pytest.raises(ValueError, match=r"graph.nodes must be .* \[N, 4\]"):
        LAYER.apply(PARAMS, GRAPH._replace(nodes=None))
    with pytest.raises(ValueError, match=r"bias must have shape \[\d+, 2\], got \(2,\)"):
        LAYER.apply(PARAMS, GRAPH, bias=jnp.zeros(2))
    with pytest.raises(ValueError, match=r"key_weight is given\. Fix: params = layer\.init"):
        Exphormer(3, 2, score=Shared()).apply(PARAMS, GRAPH)
