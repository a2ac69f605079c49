"""Exphormer and SAN: their two graphs, and what of GPS is theirs."""

import jax
import numpy as np
import pytest
from _networks import MOLECULES, NETWORKS, gps, noisy, ready, start

from graphattn_jax import encodings, graphs, models, nn


def edge_set(graph):
    rows = zip(graph.senders.tolist(), graph.receivers.tolist(), graph.edges[:, 0].tolist())
    return sorted(rows)


@pytest.mark.parametrize("num_virtual", [0, 2])
def test_messages_pass_along_the_edges_of_the_graph(num_virtual):
    batch = graphs.batch(MOLECULES[:2])
    graph, pattern = models.prepare_exphormer(batch, degree=2, num_virtual=num_virtual)
    np.testing.assert_array_equal(graph.n_node, batch.n_node + num_virtual)
    np.testing.assert_array_equal(pattern.n_node, graph.n_node)
    np.testing.assert_array_equal(graph.n_edge, batch.n_edge)
    np.testing.assert_array_equal(graph.edges, batch.edges)
    moved = num_virtual * (np.asarray(batch.senders) >= batch.n_node[0])
    np.testing.assert_array_equal(graph.senders, batch.senders + moved)
    own = pattern.edges["kind"] == 0
    same = pattern._replace(
        senders=pattern.senders[own],
        receivers=pattern.receivers[own],
        edges=pattern.edges["features"][own],
    )
    assert edge_set(same) == edge_set(graph)
    assert set(pattern.edges["kind"].tolist()) == set(range(2 + 2 * num_virtual))
    if num_virtual:
        assert graph.nodes["virtual"].tolist() == [0] * 6 + [1, 2] + [0] * 4 + [1, 2]
        np.testing.assert_array_equal(
            graph.nodes["features"][graph.nodes["virtual"] == 0], batch.nodes["features"]
        )


def test_san_attends_to_all_pairs_and_knows_the_edges():
    graph, pattern = models.prepare_san(MOLECULES[0])
    assert edge_set(graph) == edge_set(MOLECULES[0])
    real = np.zeros((6, 6), bool)
    real[graph.receivers, graph.senders] = True
    np.testing.assert_array_equal(pattern.edges["kind"].reshape(6, 6) == 0, real)
    assert not pattern.edges["features"][pattern.edges["kind"] == 1].any()


def test_gamma_zero_is_attention_on_the_edges():
    """Then nothing of the other pairs is seen, and with γ > 0 it is."""

    def y(gamma, graph, pattern):
        config = models.GPSConfig(**vars(NETWORKS["san"].config) | {"gamma": gamma})
        return models.gps_network(*start("san"), graph, config=config, pattern=pattern)[0]

    graph, pattern = models.prepare_san(MOLECULES[2])
    own = np.flatnonzero(pattern.edges["kind"] == 0)
    sparse = pattern._replace(
        senders=pattern.senders[own],
        receivers=pattern.receivers[own],
        edges=jax.tree.map(lambda x: x[own], pattern.edges),
        n_edge=np.array([len(own)]),
    )
    np.testing.assert_allclose(y(0.0, graph, pattern), y(0.0, graph, sparse), rtol=1e-4, atol=1e-5)
    assert not np.allclose(y(0.5, graph, pattern), y(0.5, graph, sparse), rtol=1e-3, atol=1e-3)


def test_virtual_nodes_are_learned_and_are_not_pooled():
    """With a linear readout, the prediction of a graph is the sum of those of its real nodes."""
    params, state = start("exphormer")
    params = params._replace(readout=nn.init_mlp(jax.random.key(0), (12, 2)))
    graph, options = ready("exphormer", MOLECULES[:1], None)

    def y(params, **changes):
        config = models.GPSConfig(**vars(NETWORKS["exphormer"].config) | changes)
        return models.gps_network(params, state, graph, config=config, **options)[0]

    pooled, nodes = y(params), y(params, pool=None)
    real = graph.nodes["virtual"] == 0
    np.testing.assert_allclose(pooled[0], nodes[real].sum(axis=0), rtol=1e-4)
    assert not np.allclose(pooled[0], nodes.sum(axis=0), rtol=1e-2)
    assert not np.allclose(pooled, y(params._replace(virtual=params.virtual + 1)), rtol=1e-3)


def test_sans_encoding_is_learned_from_eigenpairs():
    spec = models.InputSpec(nodes=(5, 3), edges=(4,), encoding=3, encoding_width=8, encoder="san")
    network = gps(inputs=spec, attention="san", local=None)
    vectors = encodings.laplacian_eigenvectors(MOLECULES[2], 3)._asdict()
    graph = MOLECULES[2]._replace(nodes=MOLECULES[2].nodes | {"encoding": vectors})
    graph, pattern = models.prepare_san(graph)
    params, state = noisy(network.init(jax.random.key(0)))
    assert isinstance(params.inputs.encoding, encodings.SANEncoderParams)

    def y(graph):
        options = {"config": network.config, "pattern": pattern}
        return models.gps_network(params, state, graph, **options)[0]

    longer = vectors | {"vectors": 2 * vectors["vectors"]}
    other = graph._replace(nodes=graph.nodes | {"encoding": longer})
    assert not np.allclose(y(graph), y(other))


def test_published_configurations():
    def size(config):
        params, _ = jax.eval_shape(
            lambda key: models.init_gps_network(key, config), jax.random.key(0)
        )
        return sum(leaf.size for leaf in jax.tree.leaves(params))

    assert abs(size(models.GPSConfig.san_zinc()) / 508_577 - 1) < 0.01
    layer, _ = models.init_gps_layer(jax.random.key(0), models.GPSConfig.exphormer_pattern())
    assert sum(leaf.size for leaf in jax.tree.leaves(layer.attention)) == 4 * 40**2


def test_errors():
    params, state = start("san")
    graph, pattern = models.prepare_san(MOLECULES[0])
    with pytest.raises(ValueError, match=r"needs pattern="):
        models.gps_network(params, state, graph, config=NETWORKS["san"].config)
    params, state = start("gps-zinc")
    with pytest.raises(ValueError, match=r"takes no pattern="):
        models.gps_network(
            params, state, graph, config=NETWORKS["gps-zinc"].config, pattern=pattern
        )
    with pytest.raises(ValueError, match="num_virtual"):
        models.GPSConfig.zinc(num_virtual=1)
    with pytest.raises(ValueError, match="attention must"):
        models.GPSConfig.zinc(attention="performer")
    with pytest.raises(ValueError, match="padded"):
        models.prepare_san(graphs.pad(graph, graphs.Budget(8, 20, 2)))
