"""GCN: degrees, self-loops, weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graphattn_jax import graphs, ops
from graphattn_jax import message_passing as mp

PATH = graphs.from_edge_list(
    [0, 1, 1, 2], [1, 0, 2, 1], nodes=np.array([[1.0], [10.0], [100.0]], np.float32)
)
IDENTITY = mp.GCNParams(jnp.ones((1, 1)), None)


def gcn(graph, **options):
    return np.asarray(mp.GCN().apply(IDENTITY, graph, **options).graph.nodes)[:, 0]


def test_path_without_self_loops():
    root = np.sqrt(2)
    np.testing.assert_allclose(gcn(PATH), [10 / root, 101 / root, 10 / root], rtol=1e-6)


def test_path_with_self_loops_is_that_of_the_paper():
    a = np.array([[1, 1, 0], [1, 1, 1], [0, 1, 1]])
    d = np.diag(a.sum(1) ** -0.5)
    expected = d @ a @ d @ PATH.nodes[:, 0]
    np.testing.assert_allclose(gcn(graphs.add_self_loops(PATH)), expected, rtol=1e-6)


def test_a_weight_of_two_is_an_edge_given_twice():
    twice = graphs.from_edge_list([0, 0, 1, 1, 2], [1, 1, 0, 2, 1], nodes=PATH.nodes)
    weights = np.array([2, 1, 1, 1], np.float32)
    np.testing.assert_allclose(gcn(PATH, edge_weight=weights), gcn(twice), rtol=1e-6)


def test_the_scale_of_the_weights_does_not_matter():
    weights = np.array([2, 1, 3, 4], np.float32)
    np.testing.assert_allclose(
        gcn(PATH, edge_weight=5 * weights), gcn(PATH, edge_weight=weights), rtol=1e-6
    )


def test_a_directed_edge_from_a_source_has_weight_zero():
    """0 -> 1 -> 2: node 0 receives nothing, so it is not heard; with self-loops it is."""
    chain = graphs.from_edge_list([0, 1], [1, 2], nodes=PATH.nodes)
    np.testing.assert_allclose(gcn(chain), [0, 0, 10], rtol=1e-6)
    expected = [1, 1 / np.sqrt(2) + 5, 5 + 50]
    np.testing.assert_allclose(gcn(graphs.add_self_loops(chain)), expected, rtol=1e-6)


def test_weights_of_zero_have_a_finite_gradient():
    def loss(weights):
        return mp.GCN().apply(IDENTITY, PATH, edge_weight=weights).graph.nodes.sum()

    value, gradient = jax.value_and_grad(loss)(jnp.zeros(4))
    assert value == 0
    assert np.isfinite(gradient).all()


def test_a_node_that_hears_nothing_gets_the_bias():
    alone = graphs.from_edge_list([], [], num_nodes=2, nodes=np.ones((2, 1), np.float32))
    params = mp.GCNParams(jnp.ones((1, 1)), jnp.array([3.0]))
    for graph in (alone, graphs.prepare(alone)):
        for options in ({}, {"edge_weight": np.zeros(0, np.float32)}):
            out = mp.GCN().apply(params, graph, **options).graph
            assert out.nodes.tolist() == [[3.0], [3.0]]


def test_weights_of_padding_do_not_count():
    padded = graphs.pad(PATH, graphs.Budget(n_node=5, n_edge=7, n_graph=2))
    weights = np.array([2, 1, 3, 4, np.nan, np.nan, np.nan], np.float32)
    np.testing.assert_array_equal(
        gcn(padded, edge_weight=weights)[:3], gcn(PATH, edge_weight=weights[:4])
    )


def test_gcn_of_sparse_features():
    dense = np.eye(3, dtype=np.float32)
    params = mp.GCN(2).init(jax.random.key(0), 3)
    sparse = PATH._replace(nodes=ops.SparseFeatures.from_dense(dense))
    got, want = (
        mp.GCN(2).apply(params, g).graph.nodes for g in (sparse, PATH._replace(nodes=dense))
    )
    np.testing.assert_allclose(got, want, rtol=1e-6)


def test_gcn_arguments():
    with pytest.raises(ValueError, match=r"edge_weight must have shape \[4\], got \(3,\)"):
        gcn(PATH, edge_weight=np.ones(3, np.float32))
    with pytest.raises(ValueError, match="edge_weight must be floating point"):
        gcn(PATH, edge_weight=np.ones(4, np.int32))
    with pytest.raises(ValueError, match=r"graph.nodes must be an array of shape \[N, 1\]"):
        gcn(PATH._replace(nodes=np.ones((3, 2), np.float32)))
    with pytest.raises(ValueError, match="features must be a positive integer"):
        mp.GCN(0)
    assert mp.GCN(2, use_bias=False).init(jax.random.key(0), 4).bias is None


def test_there_is_no_gcn_of_a_bipartite_graph():
    graph = graphs.bipartite(
        np.array([0]), np.array([0]), sender_nodes=np.ones((2, 1)), receiver_nodes=np.ones((1, 1))
    )
    with pytest.raises(ValueError, match="one set of nodes, got a bipartite graph"):
        gcn(graph)
    with pytest.raises(ValueError, match="in_features must be a positive integer, got tuple"):
        mp.GCN(2).init(jax.random.key(0), (4, 4))
