import jax
import jax.numpy as jnp
import numpy as np
import pytest

import graphattn_jax as ga
from graphattn_jax.attention import exphormer, init_san, san

OLD = ga.testing.random_graph(0, 6, 12, 4, undirected=True, self_loops=True)
PAIRS, IDS = ga.graphs.all_pairs(OLD, return_edge_ids=True)
REAL = IDS >= 0
GRAPH = PAIRS._replace(edges=np.random.default_rng(0).normal(size=(len(IDS), 3)).astype(np.float32))
LAYOUT = ga.graphs.layout(GRAPH)


def init(**options):
    return init_san(jax.random.key(0), 4, 3, 2, 3, **options)


def weights(params, gamma, graph=GRAPH, real=REAL, **options):
    _, attention = san(params, graph, real=real, gamma=gamma, return_attention=True, **options)
    return np.asarray(attention.weights)


def as_exphormer(params, score):
    return ga.attention.ExphormerParams(
        score, params.value_weight, params.value_bias, params.output
    )


@pytest.mark.parametrize("score", ga.attention.SCORES)
def test_without_the_second_maps_it_is_exphormer_on_the_complete_graph(score):
    params = init(full=False, score=score, out_features=5)
    assert params.fake is None
    np.testing.assert_array_equal(
        san(params, GRAPH, score=score).nodes,
        exphormer(as_exphormer(params, params.real), GRAPH, score=score).nodes,
    )


@pytest.mark.parametrize("normalizer", ["softmax", "post_hoc", "symmetric", "sinkhorn"])
def test_equal_maps_and_gamma_one_forget_what_is_an_edge(normalizer):
    """A common factor ½ of all weights: nothing after the division by the sum."""
    params = init()
    params = params._replace(fake=params.real)
    plain = exphormer(as_exphormer(params, params.real), GRAPH, normalizer=normalizer)
    got = san(params, GRAPH, real=REAL, gamma=1.0, normalizer=normalizer)
    np.testing.assert_allclose(got.nodes, plain.nodes, rtol=1e-5, atol=1e-6)


def test_weights_by_hand():
    """Without edge features all scores are 0: what remains is γ."""
    bare = GRAPH._replace(edges=0 * GRAPH.edges)
    got = weights(init(), 0.25, bare)[:, 0].reshape(6, 6)
    scaled = np.where(REAL, 1 / 1.25, 0.25 / 1.25).reshape(6, 6)
    np.testing.assert_allclose(got, scaled / scaled.sum(1, keepdims=True), rtol=1e-5)
    gates = weights(init(), 0.25, bare, normalizer="sigmoid")[:, 0]
    np.testing.assert_allclose(gates, np.where(REAL, 0.8 / 1.8, 0.2 / 1.2), rtol=1e-5)


def test_gamma_scales_the_odds_of_the_two_kinds():
    params = init()
    matrices = [weights(params, gamma).reshape(6, 6, 2) for gamma in (0.1, 0.5)]
    real = REAL.reshape(6, 6)

    def odds(matrix):
        return [matrix[i, real[i]].sum(0) / matrix[i, ~real[i]].sum(0) for i in range(6)]

    assert (real.any(1) & ~real.all(1)).all()
    np.testing.assert_allclose(odds(matrices[0]), np.multiply(odds(matrices[1]), 5), rtol=1e-4)


@pytest.mark.parametrize(
    ("normalizer", "layout"),
    [
        ("softmax", LAYOUT),
        ("sigmoid", None),
        ("post_hoc", LAYOUT),
        ("symmetric", None),
        ("sinkhorn", LAYOUT),
    ],
)
@pytest.mark.usefixtures("debug_nans")
def test_gamma_zero_leaves_the_edges(normalizer, layout):
    """Values and gradients of the graph of the real pairs alone, without a NaN on the way."""
    params = init()
    kept = ga.graphs.from_edge_list(
        GRAPH.senders[REAL], GRAPH.receivers[REAL], nodes=GRAPH.nodes, edges=GRAPH.edges[REAL]
    )

    def full(params, nodes, edges):
        graph = GRAPH._replace(nodes=nodes, edges=edges)
        options = {"real": REAL, "gamma": 0.0, "layout": layout}
        out = san(params, graph, normalizer=normalizer, **options).nodes
        return jnp.sum(jnp.sin(out)), out

    def alone(params, nodes, edges):
        graph = kept._replace(nodes=nodes, edges=edges[REAL])
        layer = as_exphormer(params, params.real)
        out = exphormer(layer, graph, normalizer=normalizer).nodes
        return jnp.sum(jnp.sin(out)), out

    arguments = (params, jnp.asarray(GRAPH.nodes), jnp.asarray(GRAPH.edges))
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
    got = weights(params, 0.0, normalizer=normalizer, layout=layout)
    assert not got[~REAL].any() and got[REAL].all()


def test_a_small_gamma_is_near_zero_and_a_large_one_leaves_the_others():
    params = init()
    np.testing.assert_allclose(weights(params, 1e-7), weights(params, 0.0), atol=1e-4)
    others = weights(params._replace(real=params.fake, fake=params.real), 0.0, real=~REAL)
    np.testing.assert_allclose(weights(params, 1e7), others, atol=1e-4)


def test_a_node_without_edges():
    """With γ > 0 it attends to the others by their scores alone, however small γ is; with γ = 0 to none."""
    real = REAL & (GRAPH.receivers != 2)
    row = GRAPH.receivers == 2
    params = init()
    tiny, small = (weights(params, gamma, real=real)[row] for gamma in (1e-30, 0.1))
    np.testing.assert_allclose(tiny, small, rtol=1e-4)
    np.testing.assert_allclose(tiny.sum(0), 1, rtol=1e-5)
    assert not san(params, GRAPH, real=real, gamma=0.0).nodes[2].any()


def test_padding_with_gamma_zero():
    padded = ga.graphs.pad(GRAPH, ga.graphs.Budget(n_node=8, n_edge=40, n_graph=2))
    real = np.concatenate([REAL, np.ones(4, bool)])  # what padding says of itself does not matter
    params = init()
    want = san(params, GRAPH, real=REAL, gamma=0.0).nodes
    for layout in (None, ga.graphs.layout(padded)):
        got = san(params, padded, real=real, gamma=0.0, layout=layout).nodes
        np.testing.assert_allclose(got[:6], want, rtol=1e-5, atol=1e-6)


def test_the_mask_may_be_traced():
    params = init()
    run = jax.jit(lambda params, graph, real: san(params, graph, real=real, gamma=0.1).nodes)
    want = san(params, GRAPH, real=REAL, gamma=0.1).nodes
    np.testing.assert_allclose(run(params, GRAPH, REAL), want, rtol=1e-5, atol=1e-6)


def test_errors():
    with pytest.raises(ValueError, match=r"full=True without it\. Fix: full=True with real="):
        san(init(), GRAPH)
    with pytest.raises(ValueError, match="got full=False and real="):
        san(init(full=False), GRAPH, real=REAL)
    with pytest.raises(ValueError, match=r"gamma must be a number in \[0, inf\), got -0.1"):
        san(init(), GRAPH, real=REAL, gamma=-0.1)
    with pytest.raises(ValueError, match=r"real must be boolean \(True = real\)"):
        san(init(), GRAPH, real=IDS)
    with pytest.raises(ValueError, match=r"real must have shape \[36\], got \(3,\)"):
        san(init(), GRAPH, real=REAL[:3])
    with pytest.raises(ValueError, match="edge_features must be a positive integer"):
        init_san(jax.random.key(0), 4, 3, 2, 0)
    with pytest.raises(ValueError, match="same score= to init and to the layer"):
        san(init(score="shared"), GRAPH, real=REAL)
