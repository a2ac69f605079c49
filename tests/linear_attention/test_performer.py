"""Estimates of softmax attention by random features."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _linear_rows import graph_of

from graphattn_jax import attention, graphs, models
from graphattn_jax import linear_attention as la

KEY = jax.random.key(0)


def errors(features, seeds=range(4)):
    """Of the estimated weights against those of the softmax, relative and root mean square over seeds."""
    layer = la.Performer(heads=2, features=features)
    graph = graphs.prepare(graph_of(), block_size=8)
    params = layer.init(KEY, 4)
    like = attention.GlobalAttention(heads=2)
    exact = like.init(KEY, 4)
    names = ("query", "key", "value")
    exact = exact._replace(
        **{f"{n}_weight": getattr(params.maps, n).weight.reshape(4, 2, 2) for n in names}
    )
    want = like.apply(exact, graph).attention.weights
    found = [replace(layer, seed=s).apply(params, graph).attention.weights for s in seeds]
    return float(np.sqrt(np.mean([np.square(x / want - 1) for x in found])))


@jax.disable_jit()
def test_weights_approach_those_of_softmax_as_one_over_the_root_of_features():
    """The relative error of a positive feature has a variance of about (e^{|q + k|²} − 1) / M, here below 1 / M."""
    found = {features: errors(features) for features in (16, 256, 4096)}
    assert found[16] > 2 * found[256] > 4 * found[4096] > 0
    for features, error in found.items():
        assert error < 1 / np.sqrt(features), (features, error)


def test_directions_are_orthogonal_gaussian_vectors():
    w = np.asarray(la.orthogonal_projection(KEY, 3, 10, 4))
    assert w.shape == (3, 10, 4)
    for group in (w[:, :4], w[:, 4:8], w[:, 8:]):
        products = group @ group.swapaxes(1, 2)
        np.testing.assert_allclose(products * (1 - np.eye(group.shape[1])), 0, atol=1e-4)
    many = np.asarray(la.orthogonal_projection(KEY, 1, 20_000, 4))[0]
    np.testing.assert_allclose(many.T @ many / 20_000, np.eye(4), atol=0.05)
    np.testing.assert_allclose(many.mean(0), 0, atol=0.03)
    assert not np.allclose(w[0], w[1])
    with pytest.raises(ValueError, match="features must be a positive integer"):
        la.orthogonal_projection(KEY, 1, 0, 4)


def test_directions_follow_the_seed_and_are_redrawn_where_asked():
    layer, graph = la.Performer(features=6), graph_of()
    params = layer.init(KEY, 4)

    def out(layer, **options):
        return np.asarray(
            jax.jit(layer.apply, static_argnames="training")(params, graph, **options).graph.nodes
        )

    fixed = out(layer)
    np.testing.assert_allclose(out(layer, training=True, key=KEY), fixed, rtol=1e-6)
    assert not np.allclose(out(replace(layer, seed=1)), fixed)
    redrawn = replace(layer, redraw=True)
    np.testing.assert_allclose(out(redrawn, key=KEY), fixed, rtol=1e-6)
    one, same, other = (out(redrawn, training=True, key=jax.random.key(i)) for i in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, other)
    with pytest.raises(ValueError, match="redraw=True draws directions and needs key= in training"):
        redrawn.apply(params, graph, training=True)


def test_large_logits_stay_finite_and_keep_their_order():
    """exp(q · k) would overflow."""
    graph = graph_of()._replace(nodes=100 * graph_of().nodes)
    layer = la.Performer(features=64)
    value, gradient = jax.value_and_grad(lambda p: jnp.sum(layer.apply(p, graph).graph.nodes))(
        layer.init(KEY, 4)
    )
    assert np.isfinite(value) and all(np.isfinite(x).all() for x in jax.tree.leaves(gradient))


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"features": 0}, "features must be a positive integer, got int 0"),
        ({"seed": -1}, "seed must be an integer, not negative, got int -1"),
        ({"redraw": 3}, "redraw must be one of True, False"),
        ({"output": 0}, "output must be a positive integer|output"),
        ({"implementation": "cpp"}, "implementation must be one of None, 'xla', 'reference'"),
        ({"channels": 1.5}, "channels must be a positive integer"),
    ],
)
def test_bad_choices(choice, message):
    with pytest.raises(ValueError, match=message):
        la.Performer(**choice)
    with pytest.raises(ValueError, match="in_features must be divisible by heads"):
        la.Performer(heads=3).init(KEY, 4)


@pytest.mark.parametrize(
    "layer", [la.Performer(heads=2, output=True), la.NodeFormerAttention(heads=2)], ids=str
)
def test_global_half_of_gps(layer):
    network = models.GPS(models.Inputs(nodes=4), width=8, num_layers=2, attention=layer)
    params, state = network.init(KEY)
    batch = graphs.batch([graph_of(0), graph_of(1, 4, 6)])
    run = jax.jit(network.apply)
    plain = run(params, state, graphs.prepare(batch)).prediction
    padded = graphs.pad(batch, graphs.Budget(20, 60, 4))
    np.testing.assert_allclose(
        run(params, state, padded).prediction[:2], plain, rtol=1e-4, atol=1e-5
    )
    maps = network.apply(params, state, graphs.prepare(batch, block_size=9)).attention
    assert [x.weights.shape for x in maps] in ([(2, 2, 9, 9)] * 2, [(len(batch.senders), 2)] * 2)
