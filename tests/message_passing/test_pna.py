"""PNA: each aggregator, each scaler, towers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graphattn_jax import graphs, nn
from graphattn_jax import message_passing as mp

# Node 3 hears 1, 2 and 6; node 1 hears 6; the others nothing.
GRAPH = graphs.from_edge_list(
    [0, 1, 2, 2], [3, 3, 3, 1], nodes=np.array([[1.0], [2.0], [6.0], [5.0]], np.float32)
)
DELTA = 0.7


def only(scaler, aggregator, *, receiver=0.0):
    """Parameters that pass on one scaled aggregate."""
    return mp.PNAParams(
        receiver=jnp.full((1, 1, 1), receiver),
        sender=jnp.ones((1, 1, 1)),
        edge=None,
        message_bias=jnp.zeros((1, 1)),
        update=jnp.zeros((3, 4, 1, 1, 1)).at[scaler, aggregator].set(1.0),
        root=nn.LinearParams(jnp.zeros((1, 1)), None),
        mix=nn.LinearParams(jnp.ones((1, 1)), None),
    )


def pna(params, graph=GRAPH):
    return np.asarray(mp.PNA(log_degree_mean=DELTA).apply(params, graph).graph.nodes)


def one_channel(params):
    return pna(params)[:, 0]


AGGREGATES = {0: (6, 3), 1: (6, 1), 2: (6, 6), 3: (0, np.std([1, 2, 6]))}


@pytest.mark.parametrize("aggregator", AGGREGATES)
def test_aggregators(aggregator):
    one, three = AGGREGATES[aggregator]
    np.testing.assert_allclose(one_channel(only(0, aggregator)), [0, one, 0, three], rtol=1e-6)


def test_scalers():
    one, three = np.log([2, 4]) / DELTA
    np.testing.assert_allclose(one_channel(only(1, 0)), [0, 6 * one, 0, 3 * three], rtol=1e-6)
    np.testing.assert_allclose(one_channel(only(2, 0)), [0, 6 / one, 0, 3 / three], rtol=1e-6)


@pytest.mark.parametrize("aggregator", AGGREGATES)
def test_the_receiver_is_part_of_its_messages_only(aggregator):
    """It shifts mean, minimum and maximum, not the standard deviation, and nodes without messages stay 0."""
    shift = 0 if aggregator == 3 else 10 * GRAPH.nodes[:, 0] * [0, 1, 0, 1]
    shifted = one_channel(only(0, aggregator, receiver=10.0))
    np.testing.assert_allclose(shifted, one_channel(only(0, aggregator)) + shift, rtol=1e-6)


def test_towers_are_layers_side_by_side():
    wide, narrow = (
        mp.PNA(out, towers=towers, channels=3).init(jax.random.key(0), 1)
        for out, towers in ((4, 2), (2, 1))
    )
    wide = wide._replace(mix=nn.LinearParams(jnp.eye(4), None))
    both = pna(wide)
    for t in range(2):
        half = slice(2 * t, 2 * t + 2)
        alone = narrow._replace(
            receiver=wide.receiver[:, t : t + 1],
            sender=wide.sender[:, t : t + 1],
            message_bias=wide.message_bias[t : t + 1],
            update=wide.update[:, :, :, t : t + 1],
            root=nn.LinearParams(wide.root.weight[:, half], wide.root.bias[half]),
            mix=nn.LinearParams(jnp.eye(2), None),
        )
        expected = pna(alone)
        np.testing.assert_allclose(both[:, half], expected, rtol=1e-5, atol=1e-6)


def test_pna_arguments():
    for delta in (0.0, -1.0, float("nan"), float("inf"), None):
        with pytest.raises(ValueError, match="log_degree_mean must be a positive number"):
            mp.PNA(log_degree_mean=delta)
    for field in ("features", "towers", "channels"):
        with pytest.raises(ValueError, match=f"{field} must be a positive integer"):
            mp.PNA(**{field: 0})
    with pytest.raises(ValueError, match="features must be divisible by towers"):
        mp.PNA(5, towers=2)
    key = jax.random.key(0)
    for layer in (mp.PNA(4, towers=2), mp.PNA(towers=2, channels=3)):
        with pytest.raises(ValueError, match="in_features must be divisible by towers"):
            layer.init(key, 5)
    with pytest.raises(ValueError, match="edge_features must be a positive integer"):
        mp.PNA().init(key, 4, 0)
