"""Layers in a loop are the layers one after the other."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _networks import MOLECULES, NETWORKS, ready, start

import graphattn_jax as ga

NAMES = ("gps-zinc", "gps-gated", "gps-message-passing-alone", "exphormer", "grit", "graphormer")
GRAPHS = {name: ready(name, MOLECULES) for name in NAMES}
RESIDUAL = ga.models.ResidualNetwork(
    5, 2, ga.attention.GraphTransformer(heads=2, output=True), width=4, num_layers=2
)


def case(name):
    if name in NAMES:
        return NETWORKS[name].network, *start(name), GRAPHS[name]
    graph = ga.testing.random_graph(0, 9, 24, 5)
    return RESIDUAL, *RESIDUAL.init(jax.random.key(0)), graph


def run(network, params, state, graph, training):
    key = jax.random.key(3) if training else None

    def loss(params):
        out = network.apply(params, state, graph, training=training, key=key)
        return jnp.vdot(out.prediction.ravel(), jnp.cos(jnp.arange(out.prediction.size))), out

    return jax.jit(jax.value_and_grad(loss, has_aux=True))(params)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", [*NAMES, "residual"])
def test_scan_changes_nothing(name, training):
    """Predictions, statistics, attention of every layer, gradients; the same keys in training."""
    network, *arrays = case(name)
    with jax.enable_x64(True):
        arrays = jax.tree.map(doubled, arrays)
        want = run(network, *arrays, training)
        got = run(replace(network, scan=True), *arrays, training)
        assert jax.tree.structure(got) == jax.tree.structure(want)
        jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-6, atol=1e-7), got, want)


def doubled(x):
    return np.asarray(x, np.float64) if np.asarray(x).dtype == np.float32 else x


def test_scan_holds_one_layer():
    """Of GPS with ten layers there is a tenth of the program; attention that nobody reads is not in it."""
    network, *_, graph = case("gps-zinc")

    def size(**choices):
        deep = replace(network, num_layers=10, **choices)
        arrays = jax.eval_shape(deep.init, jax.random.key(0))
        traced = jax.make_jaxpr(lambda *a: deep.apply(*a, graph).prediction)(*arrays)
        return str(traced).count("dot_general")

    assert size(scan=True) < size() / 5


def test_init_inside_jit_and_outside():
    """Bits of the draws are the same; what is made of them may be rounded otherwise."""
    network = NETWORKS["gps-zinc"].network
    inside, outside = jax.jit(network.init)(jax.random.key(0)), network.init(jax.random.key(0))
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-6), inside, outside)
