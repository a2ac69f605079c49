import jax
import jax.numpy as jnp
import numpy as np
import pytest

import graphattn_jax as ga
from graphattn_jax.attention import SAN, Cosine, Exphormer, Pairwise, Shared, Standard, Symmetrized
from graphattn_jax.nn import EdgeInputs

KEY = jax.random.key(0)
SCORES = (Standard(), Shared(), Symmetrized(), Cosine(), Pairwise())

OLD = ga.testing.random_graph(0, 6, 12, 4, undirected=True, self_loops=True)
PAIRS, IDS = ga.graphs.all_pairs(OLD, return_edge_ids=True)
REAL = IDS >= 0
GRAPH = PAIRS._replace(edges=np.random.default_rng(0).normal(size=(len(IDS), 3)).astype(np.float32))
PREPARED = ga.graphs.prepare(GRAPH)
PARAMS = SAN(3, 2).init(KEY, 4, 3)


def told(graph=GRAPH, real=REAL):
    """The graph that knows which pairs are edges."""
    return graph._replace(edges=EdgeInputs(graph.edges, real=real))


def weights(gamma, params=PARAMS, graph=GRAPH, real=REAL, **fields):
    layer = SAN(3, 2, gamma=gamma, **fields)
    return np.asarray(layer.apply(params, told(graph, real)).attention.weights)


def as_exphormer(params, score):
    return ga.attention.ExphormerParams(
        score, params.value_weight, params.value_bias, params.output
    )


@pytest.mark.parametrize("score", SCORES)
def test_without_the_second_maps_it_is_exphormer_on_the_complete_graph(score):
    layer = SAN(3, 2, full=False, score=score, output=5)
    params = layer.init(KEY, 4, 3)
    assert params.fake is None
    exphormer = Exphormer(3, 2, score=score, output=5)
    np.testing.assert_array_equal(
        layer.apply(params, GRAPH).graph.nodes,
        exphormer.apply(as_exphormer(params, params.real), GRAPH).graph.nodes,
    )


@pytest.mark.parametrize(
    "normalizer", [ga.ops.Softmax(), ga.ops.PostHoc(), ga.ops.Symmetric(), ga.ops.Sinkhorn()]
)
def test_equal_maps_and_gamma_one_forget_what_is_an_edge(normalizer):
    """A common factor ½ of all weights: nothing after the division by the sum."""
    params = PARAMS._replace(fake=PARAMS.real)
    exphormer = Exphormer(3, 2, normalizer=normalizer)
    plain = exphormer.apply(as_exphormer(params, params.real), GRAPH).graph.nodes
    got = SAN(3, 2, gamma=1.0, normalizer=normalizer).apply(params, told()).graph.nodes
    np.testing.assert_allclose(got, plain, rtol=1e-5, atol=1e-6)


def test_weights_by_hand():
    """Without edge features all scores are 0: what remains is γ."""
    bare = GRAPH._replace(edges=0 * GRAPH.edges)
    got = weights(0.25, graph=bare)[:, 0].reshape(6, 6)
    scaled = np.where(REAL, 1 / 1.25, 0.25 / 1.25).reshape(6, 6)
    np.testing.assert_allclose(got, scaled / scaled.sum(1, keepdims=True), rtol=1e-5)
    gates = weights(0.25, graph=bare, normalizer=ga.ops.Sigmoid())[:, 0]
    np.testing.assert_allclose(gates, np.where(REAL, 0.8 / 1.8, 0.2 / 1.2), rtol=1e-5)


def test_gamma_scales_the_odds_of_the_two_kinds():
    matrices = [weights(gamma).reshape(6, 6, 2) for gamma in (0.1, 0.5)]
    real = REAL.reshape(6, 6)

    def odds(matrix):
        return [matrix[i, real[i]].sum(0) / matrix[i, ~real[i]].sum(0) for i in range(6)]

    assert (real.any(1) & ~real.all(1)).all()
    np.testing.assert_allclose(odds(matrices[0]), np.multiply(odds(matrices[1]), 5), rtol=1e-4)


@pytest.mark.parametrize(
    ("normalizer", "graph"),
    [
        (ga.ops.Softmax(), PREPARED),
        (ga.ops.Sigmoid(), GRAPH),
        (ga.ops.PostHoc(), PREPARED),
        (ga.ops.Symmetric(), GRAPH),
        (ga.ops.Sinkhorn(), PREPARED),
    ],
)
@pytest.mark.usefixtures("debug_nans")
def test_gamma_zero_leaves_the_edges(normalizer, graph):
    """Values and gradients of the graph of the real pairs alone, without a NaN on the way."""
    layer, exphormer = (
        SAN(3, 2, gamma=0.0, normalizer=normalizer),
        Exphormer(3, 2, normalizer=normalizer),
    )
    kept = ga.graphs.from_edge_list(
        GRAPH.senders[REAL], GRAPH.receivers[REAL], nodes=GRAPH.nodes, edges=GRAPH.edges[REAL]
    )

    def full(params, nodes, edges):
        out = layer.apply(params, told(graph._replace(nodes=nodes, edges=edges))).graph.nodes
        return jnp.sum(jnp.sin(out)), out

    def alone(params, nodes, edges):
        graph = kept._replace(nodes=nodes, edges=edges[REAL])
        out = exphormer.apply(as_exphormer(params, params.real), graph).graph.nodes
        return jnp.sum(jnp.sin(out)), out

    arguments = (PARAMS, jnp.asarray(GRAPH.nodes), jnp.asarray(GRAPH.edges))
    (gradient, out), (wanted_gradient, wanted) = (
        jax.jit(jax.grad(f, argnums=(0, 1, 2), has_aux=True))(*arguments) for f in (full, alone)
    )
    np.testing.assert_allclose(out, wanted, rtol=1e-4, atol=1e-5)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5),
        gradient,
        wanted_gradient,
    )
    assert not jax.tree.reduce(lambda a, g: a or bool(g.any()), gradient[0].fake, False)
    got = weights(0.0, graph=graph, normalizer=normalizer)
    assert not got[~REAL].any() and got[REAL].all()


def test_a_small_gamma_is_near_zero_and_a_large_one_leaves_the_others():
    np.testing.assert_allclose(weights(1e-7), weights(0.0), atol=1e-4)
    swapped = PARAMS._replace(real=PARAMS.fake, fake=PARAMS.real)
    others = weights(0.0, swapped, real=~REAL)
    np.testing.assert_allclose(weights(1e7), others, atol=1e-4)


def test_a_node_without_edges():
    """With γ > 0 it attends to the others by their scores alone, however small γ is; with γ = 0 to none."""
    real = REAL & (GRAPH.receivers != 2)
    row = GRAPH.receivers == 2
    tiny, small = (weights(gamma, real=real)[row] for gamma in (1e-30, 0.1))
    np.testing.assert_allclose(tiny, small, rtol=1e-4)
    np.testing.assert_allclose(tiny.sum(0), 1, rtol=1e-5)
    alone = SAN(3, 2, gamma=0.0).apply(PARAMS, told(real=real)).graph.nodes
    assert not alone[2].any()


def test_padding_with_gamma_zero():
    padded = ga.graphs.pad(GRAPH, ga.graphs.Budget(n_node=8, n_edge=40, n_graph=2))
    real = np.concatenate([REAL, np.ones(4, bool)])  # what padding says of itself does not matter
    layer = SAN(3, 2, gamma=0.0)
    want = layer.apply(PARAMS, told()).graph.nodes
    for graph in (ga.graphs.PaddedGraphsTuple(*padded), padded):
        got = layer.apply(PARAMS, told(graph, real)).graph.nodes
        np.testing.assert_allclose(got[:6], want, rtol=1e-5, atol=1e-6)


def test_the_mask_may_be_traced():
    layer = SAN(3, 2, gamma=0.1)
    run = jax.jit(lambda params, graph, real: layer.apply(params, told(graph, real)).graph.nodes)
    want = layer.apply(PARAMS, told()).graph.nodes
    np.testing.assert_allclose(run(PARAMS, GRAPH, REAL), want, rtol=1e-5, atol=1e-6)


def test_errors():
    with pytest.raises(
        ValueError, match=r"must say which pairs are edges, for full=True\. Fix: graph"
    ):
        SAN(3, 2).apply(PARAMS, GRAPH)
    with pytest.raises(ValueError, match=r"fake is given\. Fix: params = layer\.init"):
        SAN(3, 2, full=False).apply(PARAMS, told())
    for gamma in (-0.1, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="gamma must be a finite number, not negative, got"):
            SAN(3, gamma=gamma)
    with pytest.raises(ValueError, match=r"graph.edges.real must be boolean \(True = real\)"):
        SAN(3, 2).apply(PARAMS, told(real=IDS))
    with pytest.raises(ValueError, match=r"graph.edges.real must have shape \[36\], got \(3,\)"):
        SAN(3, 2).apply(PARAMS, told(real=REAL[:3]))
    with pytest.raises(ValueError, match="edge_features must be a positive integer"):
        SAN(3, 2).init(KEY, 4, 0)
    with pytest.raises(ValueError, match=r"key_weight is given\. Fix: params = layer\.init"):
        SAN(3, 2, score=Shared()).apply(PARAMS, told())
