import jax
import jax.numpy as jnp
import numpy as np
import pytest

import graphattn_jax as ga
from graphattn_jax.attention import exphormer, init_exphormer

GRAPH = ga.testing.random_graph(0, 6, 12, 4, undirected=True, self_loops=True, edge_width=3)


def init(seed=0, **options):
    return init_exphormer(jax.random.key(seed), 4, 3, 2, 3, **options)


def logits(params, graph=GRAPH, **options):
    return np.asarray(exphormer(params, graph, return_attention=True, **options)[1].logits)


def test_one_edge_by_hand():
    """q_0 = (1, 2), k_1 = (3, -4), W_e e = (2, 0.5): 1·3·2 - 2·4·0.5 = 2, over √2."""
    nodes = np.array([[1, 2], [3, -4]], np.float32)
    graph = ga.graphs.from_edge_list([1], [0], nodes=nodes, edges=np.array([[2.0]], np.float32))
    eye = jnp.eye(2)[:, None]
    params = init_exphormer(jax.random.key(0), 2, 2, 1, 1)
    params = params._replace(
        score=params.score._replace(
            query_weight=eye, key_weight=eye, edge_weight=jnp.array([[[1.0, 0.25]]])
        ),
        value_weight=eye,
    )
    out, attention = exphormer(params, graph, return_attention=True)
    np.testing.assert_allclose(attention.logits, [[2 / np.sqrt(2)]], rtol=1e-6)
    np.testing.assert_allclose(out.nodes, [[3, -4], [0, 0]], rtol=1e-6)


@pytest.mark.parametrize("score", ga.attention.SCORES)
def test_with_ones_on_the_edges_it_is_the_graph_transformer(score):
    ones = GRAPH._replace(edges=np.ones((len(GRAPH.senders), 1), np.float32))
    params = init_exphormer(jax.random.key(0), 4, 3, 2, 1, score=score, out_features=5)
    params = params._replace(score=params.score._replace(edge_weight=jnp.ones((1, 2, 3))))
    plain = ga.attention.init_graph_transformer(
        jax.random.key(1), 4, 3, 2, score=score, bias=False, out_features=5
    )
    plain = plain._replace(
        query_weight=params.score.query_weight,
        key_weight=params.score.key_weight,
        value_weight=params.value_weight,
        output=params.output,
    )
    np.testing.assert_allclose(
        exphormer(params, ones, score=score, clamp=None).nodes,
        ga.attention.graph_transformer(plain, ones, score=score).nodes,
        rtol=1e-5,
        atol=1e-6,
    )


def test_the_clamp_cuts_scores_and_not_the_bias():
    large = GRAPH._replace(nodes=10 * GRAPH.nodes)
    params = init()
    free = logits(params, large, clamp=None)
    assert np.abs(free).max() > 10 and np.abs(free).min() < 2
    np.testing.assert_allclose(logits(params, large), np.clip(free, -5, 5), rtol=1e-6)
    np.testing.assert_allclose(logits(params, large, clamp=2.0), np.clip(free, -2, 2), rtol=1e-6)
    bias = jnp.full(free.shape, 7.0)
    np.testing.assert_allclose(
        logits(params, large, bias=bias), np.clip(free, -5, 5) + 7, rtol=1e-6
    )


@pytest.mark.parametrize("score", ga.attention.SCORES)
def test_symmetric_scores_stay_symmetric_with_edges(score):
    params = init(score=score)
    if score == "pairwise":
        pairwise = jax.random.normal(jax.random.key(2), (2, 3, 3))
        params = params._replace(score=params.score._replace(pairwise=pairwise))
    error = ga.diagnostics.symmetry_error(
        logits(params, score=score), GRAPH.senders, GRAPH.receivers
    )
    if score == "standard":
        assert (error > 0.05).all()
    else:
        np.testing.assert_allclose(error, 0, atol=1e-6)


def test_symmetric_init_starts_with_symmetric_logits():
    error = ga.diagnostics.symmetry_error(
        logits(init(symmetric_init=True)), GRAPH.senders, GRAPH.receivers
    )
    np.testing.assert_allclose(error, 0, atol=1e-6)


def test_an_edge_without_features_has_no_score_but_that_of_a_bias():
    bare = GRAPH._replace(edges=0 * GRAPH.edges)
    assert not logits(init(), bare).any()
    params = init(bias=True)
    params = params._replace(score=params.score._replace(edge_bias=jnp.ones((2, 3))))
    assert np.abs(logits(params, bare)).min() > 0


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
        layers = [init_exphormer(key, 12, 3, 2, 4, out_features=12) for key in keys]

        def last_node(nodes, graph=graph, layers=layers):
            graph = graph._replace(nodes=nodes)
            for params in layers:
                graph = exphormer(params, graph)
            return graph.nodes[11].sum()

        reached = np.abs(jax.jit(jax.grad(last_node))(graph.nodes)).sum(1) > 0
        assert reached[:12].tolist() == [num_virtual > 0] * 9 + [True] * 3


@pytest.mark.parametrize("score", ga.attention.SCORES)
def test_parameters_fit_the_score(score):
    params = init(score=score)
    assert (params.score.key_weight is None) == (score in ("shared", "cosine", "pairwise"))
    assert (params.score.pairwise is None) == (score != "pairwise")
    assert params.score.edge_bias is params.score.query_bias is params.value_bias is None
    assert params.output is None
    with_bias = init(score=score, bias=True, out_features=5)
    assert with_bias.score.edge_bias.shape == with_bias.value_bias.shape == (2, 3)
    assert with_bias.output.bias.shape == (5,)


def test_errors():
    with pytest.raises(ValueError, match="edge_features must be a positive integer"):
        init_exphormer(jax.random.key(0), 4, 3, 2, 0)
    with pytest.raises(ValueError, match="out_features must be a positive integer"):
        init(out_features=0)
    with pytest.raises(ValueError, match=r"clamp must be positive, or None for no clamp, got 0"):
        exphormer(init(), GRAPH, clamp=0)
    with pytest.raises(ValueError, match=r"graph.edges must be .* \[E, 3\]"):
        exphormer(init(), GRAPH._replace(edges=None))
    with pytest.raises(ValueError, match=r"graph.nodes must be .* \[N, 4\]"):
        exphormer(init(), GRAPH._replace(nodes=None))
    with pytest.raises(ValueError, match=r"bias must have shape \[\d+, 2\], got \(2,\)"):
        exphormer(init(), GRAPH, bias=jnp.zeros(2))
    with pytest.raises(ValueError, match="same score= to init and to the layer"):
        exphormer(init(), GRAPH, score="shared")
    with pytest.raises(ValueError, match="temperature must be positive"):
        exphormer(init(score="cosine"), GRAPH, score="cosine", temperature=0.0)
