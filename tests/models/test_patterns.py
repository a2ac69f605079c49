"""Exphormer and SAN: their two graphs, and what of GPS is theirs."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from _networks import MOLECULES, NETWORKS, SAN, exphormer, noisy, ready, san, size, start

from graphattn_jax import attention, encodings, graphs, models, nn, ops


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
    own = pattern.edges.kind == 0
    same = pattern._replace(
        senders=pattern.senders[own],
        receivers=pattern.receivers[own],
        edges=pattern.edges.features[own],
    )
    assert edge_set(same) == edge_set(graph)
    assert set(pattern.edges.kind.tolist()) == set(range(2 + 2 * num_virtual))
    if num_virtual:
        assert graph.nodes.virtual.tolist() == [0] * 6 + [1, 2] + [0] * 4 + [1, 2]
        np.testing.assert_array_equal(
            graph.nodes.features[graph.nodes.virtual == 0], batch.nodes["features"]
        )


def test_san_attends_to_all_pairs_and_knows_the_edges():
    graph, pattern = models.prepare_san(MOLECULES[0])
    assert edge_set(graph) == edge_set(MOLECULES[0])
    real = np.zeros((6, 6), bool)
    real[graph.receivers, graph.senders] = True
    np.testing.assert_array_equal(pattern.edges.kind.reshape(6, 6) == 0, real)
    assert not pattern.edges.features[pattern.edges.kind == 1].any()


def test_gamma_zero_is_attention_on_the_edges():
    """Then nothing of the other pairs is seen, and with γ > 0 it is."""

    def y(gamma, pattern):
        network = replace(NETWORKS["san"].network, attention=replace(SAN, gamma=gamma))
        return network.apply(*start("san"), models.Patterned(graph, pattern)).prediction

    graph, pattern = models.prepare_san(MOLECULES[2])
    own = np.flatnonzero(pattern.edges.kind == 0)
    sparse = pattern._replace(
        senders=pattern.senders[own],
        receivers=pattern.receivers[own],
        edges=jax.tree.map(lambda x: x[own], pattern.edges),
        n_edge=np.array([len(own)]),
    )
    np.testing.assert_allclose(y(0.0, pattern), y(0.0, sparse), rtol=1e-4, atol=1e-5)
    assert not np.allclose(y(0.5, pattern), y(0.5, sparse), rtol=1e-3, atol=1e-3)


def test_virtual_nodes_are_learned_and_are_not_pooled():
    """With a linear readout, the prediction of a graph is the sum of those of its real nodes."""
    params, state = start("exphormer")
    params = params._replace(readout=nn.init_mlp(jax.random.key(0), (12, 2)))
    both = ready("exphormer", MOLECULES[:1], None)

    def y(params, **changes):
        network = replace(NETWORKS["exphormer"].network, **changes)
        return network.apply(params, state, both).prediction

    pooled, nodes = y(params), y(params, pool=None)
    real = both.graph.nodes.virtual == 0
    np.testing.assert_allclose(pooled[0], nodes[real].sum(axis=0), rtol=1e-4)
    assert not np.allclose(pooled[0], nodes.sum(axis=0), rtol=1e-2)
    assert not np.allclose(pooled, y(params._replace(virtual=params.virtual + 1)), rtol=1e-3)


def test_sans_encoding_is_learned_from_eigenpairs():
    inputs = models.Inputs(nodes=(5, 3), edges=(4,), encoding=3, encoding_width=8, encoder="san")
    network, _ = san(inputs=inputs)
    vectors = encodings.laplacian_eigenvectors(MOLECULES[2], 3)._asdict()
    graph = MOLECULES[2]._replace(nodes=MOLECULES[2].nodes | {"encoding": vectors})
    graph, pattern = models.prepare_san(graph)
    params, state = noisy(network.init(jax.random.key(0)))
    assert isinstance(params.inputs.encoding, encodings.SANEncoderParams)

    def y(graph):
        return network.apply(params, state, models.Patterned(graph, pattern)).prediction

    longer = vectors | {"vectors": 2 * vectors["vectors"]}
    other = graph._replace(nodes=graph.nodes | {"encoding": longer})
    assert not np.allclose(y(graph), y(other))


def test_published_configurations():
    assert size(models.GPS.san_zinc()) == 504_849
    assert abs(size(models.GPS.san_zinc()) / 508_577 - 1) < 0.01
    published = models.GPS.exphormer_pattern()
    params, _ = published.layer.init(jax.random.key(0), published.width, pattern=True)
    assert sum(leaf.size for leaf in jax.tree.leaves(params.attention)) == 4 * 40**2


def test_any_attention_runs_on_the_pattern():
    """With the kinds of pairs as edge features."""
    network, prepare = exphormer(attention=attention.GATv2(heads=2))
    params, state = noisy(network.init(jax.random.key(0)))
    both = prepare(MOLECULES[0])
    out = network.apply(params, state, both)
    assert out.attention[0].weights.shape == (both.pattern.n_edge[0], 2)
    sums = ops.segment_sum(out.attention[0].weights, both.pattern.receivers, 7)
    np.testing.assert_allclose(sums, 1, atol=1e-5)
    other = params._replace(kinds=jax.tree.map(lambda table: table[::-1], params.kinds))
    assert not np.allclose(out.prediction, network.apply(other, state, both).prediction, rtol=1e-3)


def test_both_graphs_are_batched_padded_and_prepared_alike():
    both = models.Patterned.batch([models.prepare_san(m) for m in MOLECULES[:2]])
    assert both.graph.n_node.tolist() == both.pattern.n_node.tolist() == [6, 4]
    budget = graphs.Budget(12, 40, 4)
    padded = both.pad(budget, graphs.Budget(12, 60, 4), block_size=6)
    assert (padded.graph.senders.shape, padded.pattern.senders.shape) == ((40,), (60,))
    assert padded.graph.layout.blocks.node.shape == (4, 6)
    np.testing.assert_array_equal(graphs.node_mask(padded.graph), graphs.node_mask(padded.pattern))
    prepared = both.prepare(block_size=6)
    assert not prepared.graph.layout.padded and prepared.pattern.layout.blocks is None
    with pytest.raises(ValueError, match="only its edges may be others"):
        both.pad(budget, graphs.Budget(13, 60, 4))


def test_errors():
    network, (params, state) = NETWORKS["san"].network, start("san")
    graph, pattern = models.prepare_san(MOLECULES[0])
    with pytest.raises(ValueError, match=r"pattern=True takes a Patterned"):
        network.apply(params, state, graph)
    bare = pattern._replace(edges=pattern.edges._replace(features=None))
    with pytest.raises(ValueError, match=r"pattern\.edges must have features"):
        network.apply(params, state, models.Patterned(graph, bare))
    with pytest.raises(ValueError, match="must be the PatternEdges"):
        network.apply(params, state, models.Patterned(graph, graph))
    with pytest.raises(ValueError, match=r"pattern=False takes a graph"):
        NETWORKS["gps-zinc"].network.apply(*start("gps-zinc"), models.Patterned(graph, pattern))
    with pytest.raises(ValueError, match=r"num_virtual=1.*none"):
        NETWORKS["exphormer"].network.apply(
            *start("exphormer"), models.prepare_exphormer(MOLECULES[0], num_virtual=0)
        )
    with pytest.raises(ValueError, match="num_virtual=1 needs pattern=True"):
        models.GPS.zinc(num_virtual=1)
    with pytest.raises(ValueError, match="pattern=True needs attention="):
        models.GPS.zinc(pattern=True, attention=None)
    with pytest.raises(ValueError, match="padded"):
        models.prepare_san(graphs.pad(graph, graphs.Budget(8, 20, 2)))
