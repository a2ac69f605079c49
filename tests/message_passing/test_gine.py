"""GINE: rectified sums, ε, and what a sum can tell apart."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graphattn_jax import graphs, nn, ops
from graphattn_jax import message_passing as mp

ONE = nn.LinearParams(jnp.ones((1, 1)), jnp.zeros(1))
SUM = mp.GINEParams(epsilon=jnp.array(0.5), edge=None, mlp=nn.MLPParams((ONE, ONE)))
GRAPH = graphs.from_edge_list(
    [0, 1, 1],
    [2, 2, 0],
    nodes=np.array([[4.0], [-1.0], [2.0]], np.float32),
    edges=np.array([[1.0], [5.0], [0.5]], np.float32),
)


def gine(params, graph, **fields):
    return mp.GINE(**fields).apply(params, graph).graph


def test_sum_of_rectified_senders():
    # Node 2 hears 4 and ReLU(-1) = 0; node 0 hears 0; node 1 nothing, and the MLP's ReLU cuts -1.5.
    assert gine(SUM, GRAPH).nodes.ravel().tolist() == [6.0, 0.0, 7.0]
    linear = gine(SUM, GRAPH, activation="identity")
    assert linear.nodes.ravel().tolist() == [6.0, -1.5, 7.0]


def test_edges_are_added_before_the_rectifier():
    params = SUM._replace(edge=nn.LinearParams(jnp.array([[2.0]]), jnp.array([-1.0])))
    # Messages: 4 + 1 and -1 + 9 to node 2, ReLU(-1 + 0) to node 0.
    out = gine(params, GRAPH)
    assert out.nodes.ravel().tolist() == [6.0, 0.0, 16.0]
    assert out.edges is GRAPH.edges


def test_edges_as_wide_as_the_nodes_may_be_added_as_they_are():
    params = SUM._replace(edge=())
    # Messages: 4 + 1 and -1 + 5 to node 2, ReLU(-1 + 0.5) to node 0.
    out = gine(params, GRAPH)
    assert out.nodes.ravel().tolist() == [6.0, 0.0, 12.0]
    inputs = GRAPH._replace(edges=nn.EdgeInputs(GRAPH.edges))
    assert gine(params, inputs).nodes.tolist() == out.nodes.tolist()


def test_which_edges_are_read_is_settled_when_it_is_made():
    key = jax.random.key(0)
    assert mp.GINE().init(key, 4).edge is None
    assert mp.GINE().init(key, 4, 4).edge == ()
    assert mp.GINE(edge_map=True).init(key, 4).edge is None
    assert mp.GINE(edge_map=True).init(key, 4, 3).edge.weight.shape == (3, 4)


def test_a_sum_counts_where_a_mean_does_not():
    """Two equal neighbours are not one: the point of GIN."""

    def hears(copies):
        graph = graphs.from_edge_list([1] * copies, [0] * copies, nodes=np.ones((2, 1), np.float32))
        return float(gine(SUM, graph).nodes[0, 0])

    assert (hears(1), hears(2)) == (2.5, 3.5)


def test_epsilon_is_learned_from_zero():
    params = mp.GINE(4, hidden_features=3).init(jax.random.key(0), 1)
    assert params.epsilon == 0 and params.edge is None
    assert [layer.weight.shape for layer in params.mlp.layers] == [(1, 3), (3, 4)]
    gradient = jax.grad(lambda p: gine(p, GRAPH).nodes.sum())(SUM)
    assert gradient.epsilon == 6.0  # x of the nodes that the MLP lets through


def test_its_sum_is_that_of_the_cpp_kernels_where_there_are_any():
    try:
        ops.build_cpp()
    except RuntimeError as error:
        pytest.skip(str(error))
    run = jax.jit(mp.GINE().apply)
    lowered = run.lower(SUM._replace(edge=()), graphs.prepare(GRAPH))
    assert "graphattn_rectified_sum" in lowered.as_text()


def test_gine_arguments():
    key = jax.random.key(0)
    with pytest.raises(ValueError, match="activation must be one of"):
        mp.GINE(activation="rely")
    for field in ("features", "hidden_features"):
        with pytest.raises(ValueError, match=f"{field} must be a positive integer"):
            mp.GINE(**{field: 0})
    with pytest.raises(ValueError, match=r"edge_features must be those of the nodes, 4, .* got 3"):
        mp.GINE().init(key, 4, 3)
    with pytest.raises(ValueError, match="in_features must be a positive integer"):
        mp.GINE(edge_map=True).init(key, 1, 0)
    with pytest.raises(ValueError, match=r"must be equally wide, got in_features=\(4, 5\)"):
        mp.GINE().init(key, (4, 5))
