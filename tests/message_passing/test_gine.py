"""GINE: rectified sums, ε, and what a sum can tell apart."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graphattn_jax import graphs, nn
from graphattn_jax import message_passing as mp

ONE = nn.LinearParams(jnp.ones((1, 1)), jnp.zeros(1))
SUM = mp.GINEParams(epsilon=jnp.array(0.5), edge=None, mlp=nn.MLPParams((ONE, ONE)))
GRAPH = graphs.from_edge_list(
    [0, 1, 1],
    [2, 2, 0],
    nodes=np.array([[4.0], [-1.0], [2.0]], np.float32),
    edges=np.array([[1.0], [5.0], [0.5]], np.float32),
)


def test_sum_of_rectified_senders():
    # Node 2 hears 4 and ReLU(-1) = 0; node 0 hears 0; node 1 nothing, and the MLP's ReLU cuts -1.5.
    assert mp.gine(SUM, GRAPH).nodes.ravel().tolist() == [6.0, 0.0, 7.0]
    linear = mp.gine(SUM, GRAPH, activation="identity")
    assert linear.nodes.ravel().tolist() == [6.0, -1.5, 7.0]


def test_edges_are_added_before_the_rectifier():
    params = SUM._replace(edge=nn.LinearParams(jnp.array([[2.0]]), jnp.array([-1.0])))
    # Messages: 4 + 1 and -1 + 9 to node 2, ReLU(-1 + 0) to node 0.
    out = mp.gine(params, GRAPH)
    assert out.nodes.ravel().tolist() == [6.0, 0.0, 16.0]
    assert out.edges is GRAPH.edges


def test_a_sum_counts_where_a_mean_does_not():
    """Two equal neighbours are not one: the point of GIN."""

    def hears(copies):
        graph = graphs.from_edge_list([1] * copies, [0] * copies, nodes=np.ones((2, 1), np.float32))
        return float(mp.gine(SUM, graph).nodes[0, 0])

    assert (hears(1), hears(2)) == (2.5, 3.5)


def test_epsilon_is_learned_from_zero():
    params = mp.init_gine(jax.random.key(0), 1, 4, hidden_features=3)
    assert params.epsilon == 0 and params.edge is None
    assert [layer.weight.shape for layer in params.mlp.layers] == [(1, 3), (3, 4)]
    gradient = jax.grad(lambda p: mp.gine(p, GRAPH).nodes.sum())(SUM)
    assert gradient.epsilon == 6.0  # x of the nodes that the MLP lets through


def test_gine_arguments():
    params = mp.init_gine(jax.random.key(0), 1, 4, edge_features=2)
    with pytest.raises(ValueError, match=r"graph.edges must be an array of shape \[E, 2\]"):
        mp.gine(params, GRAPH)
    with pytest.raises(ValueError, match="activation must be one of"):
        mp.gine(SUM, GRAPH, activation="rely")
    with pytest.raises(ValueError, match="in_features must be a positive integer"):
        mp.init_gine(jax.random.key(0), 1, 4, edge_features=0)
