"""Which scores have symmetric logits, and that this alone does not make attention symmetric."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import graphattn_jax as ga
from graphattn_jax.attention import SCORES
from graphattn_jax.diagnostics import off_diagonal_symmetry_error, symmetry_error

GRAPH = ga.testing.random_graph(0, 6, 14, 4, undirected=True, self_loops=True, edge_width=3)
EDGES = (GRAPH.senders, GRAPH.receivers)
LAYERS = {
    "gat": (ga.attention.init_gat, ga.attention.gat),
    "gatv2": (ga.attention.init_gatv2, ga.attention.gatv2),
    "graph_transformer": (ga.attention.init_graph_transformer, ga.attention.graph_transformer),
    "grit": (partial(ga.attention.init_grit, edge_features=3), ga.attention.grit),
}
each_layer = pytest.mark.parametrize("layer", LAYERS)


def attend(layer, score, graph=GRAPH, *, bias=True, **options):
    init, apply = LAYERS[layer]
    params = init(jax.random.key(0), 4, 3, heads=2, score=score, bias=bias)
    return apply(params, graph, score=score, return_attention=True, **options)[1]


@each_layer
@pytest.mark.parametrize("score", SCORES)
def test_all_scores_but_the_standard_one_have_symmetric_logits(layer, score):
    error = symmetry_error(attend(layer, score).logits, *EDGES)
    if score == "standard":
        assert (error > 0.05).all()
    else:
        np.testing.assert_allclose(error, 0, atol=1e-6)


@each_layer
@pytest.mark.parametrize("score", [s for s in SCORES if s != "standard"])
def test_softmax_of_symmetric_logits_is_not_symmetric(layer, score):
    weights = attend(layer, score).weights
    assert (off_diagonal_symmetry_error(weights, *EDGES) > 0.05).all()


@each_layer
@pytest.mark.parametrize("normalizer", ["post_hoc", "symmetric", "sinkhorn"])
@pytest.mark.parametrize("score", ["standard", "shared"])
def test_a_symmetric_normalizer_makes_any_score_symmetric(layer, score, normalizer):
    weights = attend(layer, score, normalizer=normalizer).weights
    np.testing.assert_array_equal(off_diagonal_symmetry_error(weights, *EDGES), [0, 0])


@each_layer
def test_cosine_has_a_constant_diagonal_and_ignores_lengths(layer):
    logits = attend(layer, "cosine", temperature=0.5).logits
    loops = GRAPH.senders == GRAPH.receivers
    np.testing.assert_allclose(logits[loops], 2, rtol=1e-5)
    assert (abs(logits) <= 2 + 1e-5).all()
    lengths = np.linspace(0.1, 10, 6, dtype=np.float32)[:, None]
    longer = attend(
        layer, "cosine", GRAPH._replace(nodes=lengths * GRAPH.nodes), bias=False, temperature=0.5
    )
    np.testing.assert_allclose(
        longer.logits, attend(layer, "cosine", bias=False, temperature=0.5).logits, atol=1e-5
    )


def test_zero_features_have_cosine_zero():
    logits = attend("gat", "cosine", GRAPH._replace(nodes=0 * GRAPH.nodes)).logits
    np.testing.assert_array_equal(logits, np.zeros_like(logits))


def test_pairwise_starts_as_the_shared_dot_product():
    np.testing.assert_allclose(
        attend("graph_transformer", "pairwise").logits,
        attend("graph_transformer", "shared").logits,
        rtol=1e-5,
        atol=1e-6,
    )


def test_only_the_symmetric_part_of_pairwise_counts():
    init, apply = LAYERS["gatv2"]
    params = init(jax.random.key(0), 4, 3, score="pairwise")
    noise = jax.random.normal(jax.random.key(1), (1, 3, 3))
    skewed = params._replace(pairwise=params.pairwise + noise - noise.swapaxes(1, 2))
    np.testing.assert_allclose(
        apply(skewed, GRAPH, score="pairwise").nodes,
        apply(params, GRAPH, score="pairwise").nodes,
        rtol=1e-5,
        atol=1e-5,
    )


def test_symmetrized_dot_product_is_a_symmetric_bilinear_form():
    """½ x_i (M + Mᵀ) x_j / √C with M = W_q W_kᵀ."""
    init, apply = LAYERS["graph_transformer"]
    params = init(jax.random.key(0), 4, 3, score="symmetrized", bias=False)
    m = np.asarray(params.query_weight[:, 0] @ params.key_weight[:, 0].T)
    form = GRAPH.nodes @ (m + m.T) @ GRAPH.nodes.T / (2 * np.sqrt(3))
    _, attention = apply(params, GRAPH, score="symmetrized", return_attention=True)
    expected = form[GRAPH.receivers, GRAPH.senders]
    np.testing.assert_allclose(attention.logits[:, 0], expected, rtol=1e-4, atol=1e-5)


@each_layer
@pytest.mark.parametrize(
    ("made_for", "used_as"),
    [
        ("standard", "shared"),
        ("shared", "standard"),
        ("standard", "cosine"),
        ("pairwise", "cosine"),
        ("cosine", "pairwise"),
        ("symmetrized", "pairwise"),
    ],
)
def test_parameters_of_another_score_are_refused(layer, made_for, used_as):
    init, apply = LAYERS[layer]
    params = init(jax.random.key(0), 4, 3, score=made_for)
    with pytest.raises(
        ValueError, match=f"params do not fit score='{used_as}': .*same score= to init"
    ):
        apply(params, GRAPH, score=used_as)


@pytest.mark.parametrize("layer", ["gat", "gatv2", "grit"])
def test_the_vector_of_the_additive_score_must_fit_too(layer):
    init, apply = LAYERS[layer]
    params = init(jax.random.key(0), 4, 3, score="cosine")
    with pytest.raises(ValueError, match="vector is None"):
        apply(params, GRAPH, score="shared")


@each_layer
def test_errors(layer):
    init, apply = LAYERS[layer]
    with pytest.raises(ValueError, match=r"score must be one of 'standard', 'shared'.* got 'dot'"):
        init(jax.random.key(0), 4, 3, score="dot")
    with pytest.raises(ValueError, match="score must be one of"):
        apply(init(jax.random.key(0), 4, 3), GRAPH, score=None)
    params = init(jax.random.key(0), 4, 3, score="cosine")
    for temperature in (0.0, -1.0, jnp.nan):
        with pytest.raises(ValueError, match="temperature must be positive"):
            apply(params, GRAPH, score="cosine", temperature=temperature)
