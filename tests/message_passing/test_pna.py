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
    return np.asarray(mp.pna(params, graph, log_degree_mean=DELTA).nodes)[:, 0]


AGGREGATES = {0: (6, 3), 1: (6, 1), 2: (6, 6), 3: (0, np.std([1, 2, 6]))}


@pytest.mark.parametrize("aggregator", AGGREGATES)
def test_aggregators(aggregator):
    one, three = AGGREGATES[aggregator]
    np.testing.assert_allclose(pna(only(0, aggregator)), [0, one, 0, three], rtol=1e-6)


def test_scalers():
    one, three = np.log([2, 4]) / DELTA
    np.testing.assert_allclose(pna(only(1, 0)), [0, 6 * one, 0, 3 * three], rtol=1e-6)
    np.testing.assert_allclose(pna(only(2, 0)), [0, 6 / one, 0, 3 / three], rtol=1e-6)


@pytest.mark.parametrize("aggregator", AGGREGATES)
def test_the_receiver_is_part_of_its_messages_only(aggregator):
    """It shifts mean, minimum and maximum, not the standard deviation, and nodes without messages stay 0."""
    shift = 0 if aggregator == 3 else 10 * GRAPH.nodes[:, 0] * [0, 1, 0, 1]
    shifted = pna(only(0, aggregator, receiver=10.0))
    np.testing.assert_allclose(shifted, pna(only(0, aggregator)) + shift, rtol=1e-6)


def test_towers_are_layers_side_by_side():
    wide, narrow = (
        mp.init_pna(jax.random.key(0), 1, out, towers=towers, channels=3)
        for out, towers in ((4, 2), (2, 1))
    )
    wide = wide._replace(mix=nn.LinearParams(jnp.eye(4), None))
    both = mp.pna(wide, GRAPH, log_degree_mean=DELTA).nodes
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
        expected = mp.pna(alone, GRAPH, log_degree_mean=DELTA).nodes
        np.testing.assert_allclose(both[:, half], expected, rtol=1e-5, atol=1e-6)


def test_pna_arguments():
    params = only(0, 0)
    for delta in (0.0, -1.0, float("nan"), None):
        with pytest.raises(ValueError, match="log_degree_mean must be a positive number"):
            mp.pna(params, GRAPH, log_degree_mean=delta)
    key = jax.random.key(0)
    with pytest.raises(ValueError, match="out_features must be divisible by towers"):
        mp.init_pna(key, 4, 5, towers=2)
    with pytest.raises(ValueError, match="in_features must be divisible by towers"):
        mp.init_pna(key, 5, 4, towers=2)
    with pytest.raises(ValueError, match="edge_features must be a positive integer"):
        mp.init_pna(key, 4, 4, edge_features=0)
    with_edges = mp.init_pna(key, 1, 4, edge_features=3)
    with pytest.raises(ValueError, match=r"graph.edges must be an array of shape \[E, 3\]"):
        mp.pna(with_edges, GRAPH, log_degree_mean=DELTA)
