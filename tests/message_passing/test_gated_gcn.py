"""GatedGCN: gates per channel, their normalisation, the stream of edges."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graphattn_jax import graphs, nn
from graphattn_jax import message_passing as mp

GRAPH = graphs.from_edge_list(
    [0, 1, 2],
    [2, 2, 0],
    nodes=np.array([[1.0], [3.0], [0.0], [7.0]], np.float32),
    edges=np.array([[-50.0, 0.0], [50.0, 0.0], [0.0, 0.0]], np.float32),
)


def scaled(*row):
    """A map of one feature to two channels."""
    return nn.LinearParams(jnp.array([row]), None)


PARAMS = mp.GatedGCNParams(
    receiver=scaled(0.0, 0.0),
    sender=scaled(0.0, 0.0),
    edge=nn.LinearParams(jnp.eye(2), None),
    value=scaled(1.0, 1.0),
    root=scaled(0.0, 10.0),
)


def gated_gcn(params, graph, **fields):
    return mp.GatedGCN(**fields).apply(params, graph).graph


def test_gates_select_and_average():
    """The first channel's edges open one gate and close the other; the second channel's gates are equal."""
    out = gated_gcn(PARAMS, GRAPH).nodes
    np.testing.assert_allclose(out, [[0, 10], [0, 30], [3, 2], [0, 70]], atol=2e-5)


def test_sums_of_gates_are_not_normalised():
    out = gated_gcn(PARAMS, GRAPH, normalize=False).nodes
    np.testing.assert_allclose(out, [[0, 10], [0, 30], [3, 2], [0, 70]], atol=1e-6)
    four_times = GRAPH._replace(
        senders=np.tile(GRAPH.senders, 4),
        receivers=np.tile(GRAPH.receivers, 4),
        edges=np.tile(GRAPH.edges, (4, 1)),
        n_edge=4 * GRAPH.n_edge,
    )
    out = gated_gcn(PARAMS, four_times, normalize=False).nodes
    np.testing.assert_allclose(out[2], [12, 8], atol=1e-5)
    out = gated_gcn(PARAMS, four_times).nodes
    np.testing.assert_allclose(out[2], [3, 2], atol=2e-5)


def test_new_edges_are_the_logits_in_the_order_of_the_edges():
    params = PARAMS._replace(receiver=scaled(1.0, 0.0), sender=scaled(0.0, 2.0))
    out = gated_gcn(params, GRAPH).edges
    assert out.tolist() == [[-50.0, 2.0], [50.0, 6.0], [1.0, 0.0]]


def test_without_an_edge_term_edges_stay():
    out = gated_gcn(PARAMS._replace(edge=None), GRAPH)
    assert out.edges is GRAPH.edges
    np.testing.assert_allclose(out.nodes[2], [2, 2], rtol=1e-5)


def test_closed_gates_give_zero_with_a_finite_gradient():
    def loss(edges):
        return gated_gcn(PARAMS, GRAPH._replace(edges=edges)).nodes.sum()

    closed = jnp.full((3, 2), -200.0)
    value, gradient = jax.value_and_grad(loss)(closed)
    assert value == 110.0 and np.isfinite(gradient).all()


def test_gated_gcn_arguments():
    params = mp.GatedGCN(4, use_bias=False).init(jax.random.key(0), 1, 3)
    assert [part and part.bias for part in params] == [None] * 6
    with pytest.raises(ValueError, match="features must be a positive integer"):
        mp.GatedGCN(-1)


def test_what_else_is_known_of_the_edges_stays():
    inputs = nn.EdgeInputs(GRAPH.edges, real=np.array([True, False, True]))
    out = gated_gcn(PARAMS, GRAPH._replace(edges=inputs))
    want = gated_gcn(PARAMS, GRAPH)
    assert out.edges.real is inputs.real
    np.testing.assert_array_equal(out.edges.features, want.edges)
    np.testing.assert_array_equal(out.nodes, want.nodes)
