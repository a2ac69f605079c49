"""GRIT: what is its own."""

import jax
import numpy as np
import pytest
from _networks import MOLECULES, NETWORKS, grit, plain, size, start

from graphattn_jax import attention, encodings, graphs, models

GRIT = models.GRITNetwork


@pytest.mark.parametrize(
    "network, published",
    [
        (GRIT.zinc(), 473_473),
        (GRIT.pattern(), 477_953),
        (GRIT.peptides_func(), 443_338 + 96),  # a chirality more in today's OGB features
        (GRIT.peptides_struct(walks=17), 438_827 + 96),
    ],
)
def test_published_sizes(network, published):
    assert size(network) == published


def test_pairs_know_their_bond_and_their_walks():
    graph = plain(MOLECULES[0])
    prepared = models.prepare_grit(graph, 4)
    n = graphs.num_nodes(graph)
    real = np.zeros((n, n), bool)
    real[graph.receivers, graph.senders] = True
    bonds = np.zeros((n, n), np.int32)
    bonds[graph.receivers, graph.senders] = graph.edges[:, 0]
    np.testing.assert_array_equal(prepared.edges.real.reshape(n, n), real)
    np.testing.assert_array_equal(prepared.edges.features.reshape(n, n), bonds)
    walks = prepared.edges.walks.reshape(n, n, 4)
    np.testing.assert_allclose(prepared.nodes.walks, walks[np.arange(n), np.arange(n)], atol=1e-6)
    np.testing.assert_array_equal(prepared.nodes.log_degree, np.log1p(np.float32(real.sum(1))))


def test_sparse_keeps_the_edges():
    graph = plain(MOLECULES[1])
    prepared = models.prepare_grit(graph, 3, sparse=True)
    np.testing.assert_array_equal(prepared.senders, graph.senders)
    np.testing.assert_array_equal(prepared.edges.features, graph.edges)
    np.testing.assert_array_equal(prepared.edges.walks, encodings.rrwp(graph, 3))
    assert prepared.edges.real.all()


@pytest.mark.parametrize("num_nodes", [0, 1, 2])
def test_graphs_without_edges(num_nodes):
    """Alone and without edge features; the pairs of two nodes are not the same as two nodes alone."""
    network, _ = grit(num_layers=1)
    nodes = np.zeros((num_nodes, 2), np.int32)
    none = np.zeros(0, np.int32)
    graph = graphs.from_edge_list(none, none, nodes=nodes)
    prepared = models.prepare_grit(graph, 4)
    assert prepared.edges.features.shape == (num_nodes**2, 1)
    params, state = network.init(jax.random.key(0))
    y = network.apply(params, state, prepared).prediction
    assert y.shape == (1, 2) and np.all(np.isfinite(y))


def test_a_layer_without_new_edges_leaves_them_as_they_are():
    network, (params, _) = (
        NETWORKS["grit-of-graph-transformers"].network,
        start("grit-of-graph-transformers"),
    )
    assert params.blocks.edge_output is None and params.blocks.edge_norm is None
    assert params.blocks.attention.edge_key.shape == (2, network.width, 2, 6)


def test_errors():
    network, (params, state) = NETWORKS["grit"].network, start("grit")
    with pytest.raises(
        ValueError, match=r"graph.nodes must be the GRITNodes of ga.models.prepare_grit"
    ):
        network.apply(params, state, MOLECULES[0])
    mixed = models.prepare_grit(plain(MOLECULES[0]), 4)._replace(edges=MOLECULES[0].edges)
    with pytest.raises(ValueError, match=r"graph\.edges must be the GRITEdges"):
        network.apply(params, state, mixed)
    with pytest.raises(ValueError, match="4 features"):
        network.apply(params, state, models.prepare_grit(plain(MOLECULES[0]), 5))
    with pytest.raises(ValueError, match="walks"):
        models.prepare_grit(plain(MOLECULES[0]), 1)
    with pytest.raises(ValueError, match="directed"):
        models.prepare_grit(graphs.from_edge_list([0], [1]), 3)
    with pytest.raises(ValueError, match="in_features must be divisible by heads"):
        GRIT.zinc(layer=attention.GRIT(heads=7)).init(jax.random.key(0))
    with pytest.raises(
        ValueError, match="layer must give nodes as wide as the network, 64, got 32"
    ):
        GRIT.zinc(layer=attention.GRIT(8, 4)).init(jax.random.key(0))
    with pytest.raises(ValueError, match="layer must be a layer such as"):
        GRIT.zinc(layer="grit")
    padded = graphs.pad(plain(MOLECULES[0]), graphs.Budget(8, 20, 2))
    with pytest.raises(ValueError, match="padded"):
        models.prepare_grit(padded, 3)
