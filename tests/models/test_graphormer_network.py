"""Graphormer: what is its own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _networks import MOLECULES, NETWORKS, Mean, plain, size, start

from graphattn_jax import attention, encodings, graphs, models
from graphattn_jax.models._graphormer import _bias

LAYER = attention.GraphTransformer(heads=2, output=True)


def test_published_size():
    """The authors' tables have spare rows: 64 atoms and bonds, 40 distances, and maps for 40 steps of a path."""
    params, _ = jax.eval_shape(models.Graphormer.zinc_slim().init, jax.random.key(0))
    spare = (64 - 28) * 80 + (64 - 4) * 8 + (40 + 1 - 24) * 8 + (40 - 20) * 8 * 8
    assert size(models.Graphormer.zinc_slim()) == 484_705
    assert (
        484_705 + spare == 489_321 + 160
    )  # of which the published number seems to leave out a norm
    assert sum(leaf.size for leaf in jax.tree.leaves(params.blocks)) == 12 * 39_200


def test_the_virtual_node_has_a_distance_of_its_own_to_all_nodes():
    graph = graphs.batch([plain(MOLECULES[0]), plain(MOLECULES[1])])
    prepared = models.prepare_graphormer(graph, 3, common_neighbours=True)
    assert prepared.n_node.tolist() == [7, 5]
    assert np.flatnonzero(prepared.nodes.virtual).tolist() == [6, 11]
    distance = prepared.edges.distance[:49].reshape(7, 7)
    want = encodings.shortest_path_distances(
        plain(MOLECULES[0]), 3, pattern=graphs.all_pairs(plain(MOLECULES[0]))
    )
    np.testing.assert_array_equal(distance[:6, :6], want.reshape(6, 6))
    virtual = encodings.distance_buckets(3).virtual
    assert (distance[6] == virtual).all() and (distance[:, 6] == virtual).all()
    assert not prepared.edges.path[:49].reshape(7, 7, 3)[6].any()
    assert prepared.edges.common_neighbours.any()


def test_bias_is_that_of_paths_of_edges():
    """Categories along the paths give what `graphormer_bias` gives for the embedded edges."""
    graph = plain(MOLECULES[2])
    two = np.concatenate([graph.edges, (graph.edges + 1) % 3], axis=1)  # two columns of categories
    graph = graph._replace(edges=two)
    network = models.Graphormer(
        nodes=(5, 3), edges=(4, 3), width=8, num_layers=1, layer=LAYER, max_distance=3
    )
    params, _ = network.init(jax.random.key(0))
    prepared = models.prepare_graphormer(graph, 3)
    pairs = graphs.all_pairs(graph)
    want = encodings.graphormer_bias(
        params.bias,
        encodings.shortest_path_distances(graph, 3, pattern=pairs),
        edges=sum(table[graph.edges[:, f]] for f, table in enumerate(params.bonds.tables)),
        paths=encodings.edge_features_on_paths(graph, 3, pattern=pairs),
    )
    virtual = prepared.nodes.virtual
    inside = ~(virtual[prepared.senders] | virtual[prepared.receivers])
    found = np.asarray(_bias(params, prepared.edges))
    np.testing.assert_allclose(found[inside], want, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found[~inside], jnp.broadcast_to(params.bias.distance[6:], (15, 2)))


@pytest.mark.parametrize("num_nodes", [0, 1, 2])
def test_graphs_without_edges(num_nodes):
    network = models.Graphormer(nodes=(5,), width=8, num_layers=1, layer=LAYER, max_distance=3)
    params, state = network.init(jax.random.key(0))
    none = np.zeros(0, np.int32)
    graph = graphs.from_edge_list(none, none, nodes=np.zeros((num_nodes, 1), np.int32))
    y = network.apply(params, state, models.prepare_graphormer(graph, 3)).prediction
    assert y.shape == (1, 1) and np.all(np.isfinite(y))


def test_errors():
    network, (params, state) = NETWORKS["graphormer"].network, start("graphormer")
    graph = plain(MOLECULES[0])
    with pytest.raises(ValueError, match=r"GraphormerNodes of ga\.models\.prepare_graphormer"):
        network.apply(params, state, MOLECULES[0])
    bare = models.prepare_graphormer(graph._replace(edges=None), 3, max_degree=3)
    with pytest.raises(ValueError, match=r"edges=None for graphs without"):
        network.apply(params, state, bare)
    with pytest.raises(ValueError, match="common_neighbours"):
        counted = models.prepare_graphormer(graph, 3, max_degree=3, common_neighbours=True)
        network.apply(params, state, counted)
    with pytest.raises(ValueError, match=r"graph\.edges"):
        models.prepare_graphormer(graph._replace(edges=graph.edges.astype(np.float32)), 3)
    with pytest.raises(ValueError, match="categories"):
        models.prepare_graphormer(graph._replace(edges=graph.edges + 40_000), 3)
    with pytest.raises(ValueError, match="directed"):
        models.prepare_graphormer(graphs.from_edge_list([0], [1]), 3)
    with pytest.raises(ValueError, match="in_features must be divisible by heads"):
        layer = attention.GraphTransformer(heads=7, output=True)
        models.Graphormer.zinc_slim(layer=layer).init(jax.random.key(0))
    with pytest.raises(
        ValueError, match="layer must give nodes as wide as the network, 80, got 64"
    ):
        layer = attention.GraphTransformer(8, 8)
        models.Graphormer.zinc_slim(layer=layer).init(jax.random.key(0))
    for layer in (Mean(), attention.RelativeBias(LAYER, 3)):
        with pytest.raises(
            ValueError, match="layer must have heads, and its apply must take bias="
        ):
            models.Graphormer.zinc_slim(layer=layer)
