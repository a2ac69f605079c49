"""Which scores have symmetric logits, and that this alone does not make attention symmetric."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import graphattn_jax as ga
from graphattn_jax.attention import (
    GAT,
    GRIT,
    Cosine,
    GATv2,
    GraphTransformer,
    Pairwise,
    Score,
    Shared,
    Standard,
    Symmetrized,
)
from graphattn_jax.diagnostics import off_diagonal_symmetry_error, symmetry_error

KEY = jax.random.key(0)
GRAPH = ga.testing.random_graph(0, 6, 14, 4, undirected=True, self_loops=True, edge_width=3)
EDGES = ga.graphs.pattern(GRAPH)
SCORES = (Standard(), Shared(), Symmetrized(), Cosine(), Pairwise())
each_layer = pytest.mark.parametrize("layer", [GAT, GATv2, GraphTransformer, GRIT])


def attend(layer, graph=GRAPH, **fields):
    layer = layer(3, 2, **fields)
    params = layer.init(KEY, 4, 3 if isinstance(layer, GRIT) else None)
    return layer.apply(params, graph).attention


@each_layer
@pytest.mark.parametrize("score", SCORES)
def test_all_scores_but_the_standard_one_have_symmetric_logits(layer, score):
    error = symmetry_error(attend(layer, score=score).logits, EDGES)
    if score == Standard():
        assert (error > 0.05).all()
    else:
        np.testing.assert_allclose(error, 0, atol=1e-6)


@each_layer
@pytest.mark.parametrize("score", SCORES[1:])
def test_softmax_of_symmetric_logits_is_not_symmetric(layer, score):
    weights = attend(layer, score=score).weights
    assert (off_diagonal_symmetry_error(weights, EDGES) > 0.05).all()


@each_layer
@pytest.mark.parametrize("normalizer", [ga.ops.PostHoc(), ga.ops.Symmetric(), ga.ops.Sinkhorn()])
@pytest.mark.parametrize("score", [Standard(), Shared()])
def test_a_symmetric_normalizer_makes_any_score_symmetric(layer, score, normalizer):
    weights = attend(layer, score=score, normalizer=normalizer).weights
    np.testing.assert_array_equal(off_diagonal_symmetry_error(weights, EDGES), [0, 0])


@each_layer
def test_cosine_has_a_constant_diagonal_and_ignores_lengths(layer):
    fields = {"score": Cosine(0.5), "use_bias": False}
    logits = attend(layer, **fields).logits
    loops = GRAPH.senders == GRAPH.receivers
    np.testing.assert_allclose(logits[loops], 2, rtol=1e-5)
    assert (abs(logits) <= 2 + 1e-5).all()
    lengths = np.linspace(0.1, 10, 6, dtype=np.float32)[:, None]
    longer = attend(layer, GRAPH._replace(nodes=lengths * GRAPH.nodes), **fields)
    np.testing.assert_allclose(longer.logits, logits, atol=1e-5)


def test_zero_features_have_cosine_zero():
    logits = attend(GAT, GRAPH._replace(nodes=0 * GRAPH.nodes), score=Cosine()).logits
    np.testing.assert_array_equal(logits, np.zeros_like(logits))


def test_pairwise_starts_as_the_shared_dot_product():
    np.testing.assert_allclose(
        attend(GraphTransformer, score=Pairwise()).logits,
        attend(GraphTransformer, score=Shared()).logits,
        rtol=1e-5,
        atol=1e-6,
    )


def test_only_the_symmetric_part_of_pairwise_counts():
    layer = GATv2(3, score=Pairwise())
    params = layer.init(KEY, 4)
    noise = jax.random.normal(jax.random.key(1), (1, 3, 3))
    skewed = params._replace(score=params.score + noise - noise.swapaxes(1, 2))
    np.testing.assert_allclose(
        layer.apply(skewed, GRAPH).graph.nodes,
        layer.apply(params, GRAPH).graph.nodes,
        rtol=1e-5,
        atol=1e-5,
    )


def test_symmetrized_dot_product_is_a_symmetric_bilinear_form():
    """½ x_i (M + Mᵀ) x_j / √C with M = W_q W_kᵀ."""
    layer = GraphTransformer(3, score=Symmetrized(), use_bias=False)
    params = layer.init(KEY, 4)
    m = np.asarray(params.query_weight[:, 0] @ params.key_weight[:, 0].T)
    form = GRAPH.nodes @ (m + m.T) @ GRAPH.nodes.T / (2 * np.sqrt(3))
    logits = layer.apply(params, GRAPH).attention.logits
    expected = form[GRAPH.receivers, GRAPH.senders]
    np.testing.assert_allclose(logits[:, 0], expected, rtol=1e-4, atol=1e-5)


@each_layer
@pytest.mark.parametrize(
    ("made_for", "used_as"),
    [
        (Standard(), Shared()),
        (Shared(), Standard()),
        (Standard(), Cosine()),
        (Symmetrized(), Pairwise()),
    ],
)
def test_parameters_of_another_score_are_refused(layer, made_for, used_as):
    edges = 3 if layer is GRIT else None
    params = layer(3, score=made_for).init(KEY, 4, edges)
    with pytest.raises(ValueError, match=r"params are not those of .* Fix: params = layer.init"):
        layer(3, score=used_as).apply(params, GRAPH)


@pytest.mark.parametrize("layer", [GAT, GATv2, GRIT])
def test_the_vector_of_the_additive_score_must_fit_too(layer):
    params = layer(3, score=Cosine()).init(KEY, 4, 3 if layer is GRIT else None)
    with pytest.raises(ValueError, match="vector is None"):
        layer(3, score=Shared()).apply(params, GRAPH)


@dataclasses.dataclass(frozen=True)
class Scaled(Score):
    """A score of one's own: the layer's, times a learned factor per head, by way of the query."""

    start: float = 2.0

    def init(self, heads, channels):
        return jnp.full((heads, 1), self.start, jnp.float32)

    def apply(self, params, query, key, own):
        return query * params[None], key, own


def test_a_score_of_ones_own():
    layer = GraphTransformer(3, 2, score=Scaled())
    params = layer.init(KEY, 4)
    assert params.score.shape == (2, 1)
    plain = GraphTransformer(3, 2)
    want = plain.apply(params._replace(score=None), GRAPH).attention.logits
    logits = jax.jit(layer.apply)(params, GRAPH).attention.logits
    np.testing.assert_allclose(logits, 2 * want, rtol=1e-5, atol=1e-6)
    assert hash(layer) == hash(GraphTransformer(3, 2, score=Scaled())) and layer != plain


def test_errors():
    for score in ("dot", None, Cosine):
        with pytest.raises(ValueError, match="score must be a value such as"):
            GAT(3, score=score)
    for temperature in (0.0, -1.0, jnp.nan, "1", True):
        with pytest.raises(ValueError, match="temperature must be a"):
            Cosine(temperature)
