"""SGFormer, Polynormer, NodeFormer and DIFFormer: their equations, padding, statistics, randomness."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graphattn_jax import graphs, models, nn, testing, values

KEY, WIDTH = jax.random.key(0), 4
NETWORKS = {
    "sgformer": models.SGFormer(WIDTH, 3, width=8, num_layers=(1, 2)),
    "difformer": models.DIFFormer(WIDTH, 3, width=8, num_layers=1),
    "nodeformer": models.NodeFormer(WIDTH, 3, width=8, num_layers=1),
    "polynormer": models.Polynormer(WIDTH, 3, width=8, num_layers=(1, 1), heads=2),
}
GRAPH = graphs.add_self_loops(testing.random_graph(0, 7, 16, WIDTH, undirected=True))


def by_hand(name, network, params, state):
    """In evaluation, layer by layer."""
    x, nodes = (
        jnp.asarray(GRAPH.nodes),
        lambda layer, p, x: layer.apply(p, GRAPH._replace(nodes=x)).graph.nodes,
    )
    if name == "polynormer":
        (own,), (last,) = params.blocks, params.layers
        x = nn.linear(params.input, x)
        a = jax.nn.relu(nodes(network.local, own.layer, x) + nn.linear(own.skip, x))
        beta = jax.nn.sigmoid(own.beta)[None]
        x = (1 - beta) * nn.layer_norm(own.norm, jax.nn.relu(nn.linear(own.gate, x)) * a) + beta * a
        g = nodes(network._attention, last, nn.layer_norm(params.norm, x))
        return nn.linear(params.global_output, jax.nn.relu(nn.linear(params.shared, g)))
    trunk, (block,) = params.trunk, nn.unstack(params.trunk.blocks)
    first = jax.nn.elu if name == "nodeformer" else jax.nn.relu
    z = first(nn.layer_norm(trunk.input_norm, nn.linear(trunk.input, x)))
    z = nn.layer_norm(block.norm, 0.5 * nodes(network.layer, block.layer, z) + 0.5 * z)
    if name != "sgformer":
        return nn.linear(params.output, z)

    def normed(index, h):
        mean, var = state.norms[index]
        scale, bias = params.norms[index]
        return jax.nn.relu((h - mean[None]) / jnp.sqrt(var[None] + 1e-5) * scale[None] + bias[None])

    h = start = normed(0, nn.linear(params.input, x))
    for index, own in enumerate(params.local, start=1):
        h = normed(index, nodes(network.local, own, h)) + start
    return nn.linear(params.output, 0.8 * h + 0.2 * jax.nn.relu(z))


@pytest.mark.parametrize("name", NETWORKS)
def test_network_is_its_equation_and_padding_changes_nothing(name):
    network = NETWORKS[name]
    params, state = network.init(KEY)
    padded = graphs.pad(GRAPH, graphs.Budget(10, 64, 3))
    padded.nodes[7:] = np.nan

    @jax.jit
    def run(params, graph, key):
        def loss(params):
            out = network.apply(params, state, graph)
            return jnp.sum(jnp.sin(out.prediction[:7])), out.prediction

        trained = network.apply(params, state, graph, training=True, key=key)
        return jax.grad(loss, has_aux=True)(params), trained

    (gradient, prediction), trained = run(params, padded, KEY)
    want = by_hand(name, network, params, state)
    np.testing.assert_allclose(prediction[:7], want, rtol=1e-4, atol=1e-5)
    assert all(np.isfinite(x).all() for x in jax.tree.leaves((gradient, trained.state)))
    assert np.isfinite(trained.prediction[:7]).all()
    other = run(params, padded, jax.random.key(1))[1].prediction
    assert not np.allclose(trained.prediction[:7], other[:7])
    if name == "sgformer":
        assert not np.allclose(trained.state.norms[0].mean, 0)
    with pytest.raises(ValueError, match="needs key= in training"):
        network.apply(params, state, GRAPH, training=True)
    again = values.from_json(values.to_json(network))
    assert again == network and hash(again) == hash(network)


def test_the_stages_of_polynormer_share_their_parameters():
    network = NETWORKS["polynormer"]
    local = replace(network, use_global=False)
    params, state = network.init(KEY)
    one, both = (n.apply(params, state, GRAPH).prediction for n in (local, network))
    assert one.shape == both.shape and not np.allclose(one, both)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: models.SGFormer(4, 3, num_layers=2), "num_layers must be a pair"),
        (
            lambda: models.SGFormer(4, 3, local_weight=2.0),
            r"local_weight must be a number in \(0, 1\]",
        ),
        (lambda: models.DIFFormer(4, 3, step=0.0), "step must be a finite number, positive"),
        (lambda: models.NodeFormer(4, 0), "out_features must be a positive integer"),
        (lambda: models.Polynormer(4, 3, dropout=(0.1,)), "dropout must be a tuple of 3 numbers"),
        (lambda: models.Polynormer(4, 3, width=9), "width must be divisible by heads"),
    ],
)
def test_bad_choices_of_linear_networks(make, message):
    with pytest.raises(ValueError, match=message):
        make()
