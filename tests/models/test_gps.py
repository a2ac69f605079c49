"""GraphGPS: what is its own."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from _networks import GLOBAL, INPUTS, MOLECULES, NETWORKS, Mean, gps, noisy, ready, size, start
from jax.interpreters.partial_eval import dce_jaxpr

from graphattn_jax import attention, encodings, graphs, message_passing, models, nn


def test_published_sizes():
    assert size(models.GPS.zinc()) == 423_717 + 10  # the published number has no ε
    assert size(models.GPS.zinc(num_layers=5)) == 423_727 - 5 * 41_921
    for published in (models.GPS.peptides(), models.GPS.molhiv()):
        assert size(published) > 100_000


def laplacian_case():
    """A network on eigenvectors without dropout, its arrays, and a molecule with them."""
    inputs = models.Inputs(nodes=(5, 3), encoding=3, encoding_width=4, encoder="laplacian")
    network, _ = gps(
        inputs=inputs,
        local=message_passing.GCN(),
        attention=replace(GLOBAL, dropout=0.0),
        norm="layer",
    )
    vectors = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    encoding = {"vectors": vectors, "values": np.ones_like(vectors), "mask": vectors > -9}
    nodes = MOLECULES[0].nodes | {"encoding": encoding}
    graph = graphs.prepare(MOLECULES[0]._replace(nodes=nodes, edges=None), block_size=6)
    return network, noisy(network.init(jax.random.key(0))), graph


def test_laplacian_positions_get_random_signs_in_training_only():
    network, (params, state), graph = laplacian_case()

    def y(graph=graph, **options):
        return float(network.apply(params, state, graph, **options).prediction[0, 0])

    keys = jax.random.split(jax.random.key(0), 8)
    outs = [y(training=True, key=key) for key in keys]
    assert 1 < len(np.unique(np.round(outs, 5))) <= 8
    assert y(key=keys[0]) == y()
    with pytest.raises(ValueError, match=r"draws signs and needs key="):
        y(training=True)
    eigenpairs = encodings.LaplacianEigenvectors(**graph.nodes["encoding"])
    nodes = models.NodeInputs(graph.nodes["features"], eigenpairs)
    assert y(graph._replace(nodes=nodes)) == y()


def test_what_is_computed_is_used():
    """Nothing of an evaluation is thrown away, of training only the keys of layers that are not random."""
    network, (params, state) = NETWORKS["gps-zinc"].network, start("gps-zinc")
    graph = ready("gps-zinc", MOLECULES)

    def unused(f, *args):
        jaxpr = jax.make_jaxpr(f)(*args).jaxpr
        used, _ = dce_jaxpr(jaxpr, [True] * len(jaxpr.outvars), instantiate=True)
        names = [eqn.primitive.name for eqn in jaxpr.eqns]
        for eqn in used.eqns:
            names.remove(eqn.primitive.name)
        return names

    def training(params, key):
        out = network.apply(params, state, graph, training=True, key=key)
        return out.prediction, out.state

    assert unused(lambda params: network.apply(params, state, graph).prediction, params) == []
    assert unused(training, params, jax.random.key(0)) == ["random_fold_in"] * 2


def test_any_layer_fits_either_seam():
    """The sum of both branches is that of the layers, wherever they come from."""
    layer = models.GPSLayer(local=Mean(), attention=Mean(), norm="layer")
    params, state = layer.init(jax.random.key(0), 12)
    swapped = params._replace(
        local=params.attention,
        attention=params.local,
        local_norm=params.attention_norm,
        attention_norm=params.local_norm,
    )
    nodes = np.random.default_rng(0).normal(size=(6, 12)).astype(np.float32)
    graph = MOLECULES[0]._replace(nodes=nodes, edges=None)
    out = layer.apply(params, state, graph)
    np.testing.assert_allclose(
        out.graph.nodes, layer.apply(swapped, state, graph).graph.nodes, rtol=1e-5, atol=1e-6
    )
    assert out.attention is None


def test_attention_on_the_edges_of_the_graph_reads_their_features():
    network, _ = gps(attention=attention.GATv2(heads=2))
    params, _ = network.init(jax.random.key(0))
    assert params.layers.attention.edge_weight.shape == (2, 12, 2, 6)
    bare, _ = gps(attention=attention.GATv2(heads=2), inputs=replace(INPUTS, edges=None))
    params, _ = bare.init(jax.random.key(0))
    assert params.layers.attention.edge_weight is None


def test_edges_keep_what_else_they_hold():
    """An attention with buckets of its own on the edges of the graph."""
    layer = attention.RelativeBias(attention.GATv2(heads=2), num_buckets=3)
    network, _ = gps(attention=layer, local=message_passing.GatedGCN())
    params, state = noisy(network.init(jax.random.key(0)))
    graph = MOLECULES[0]

    def logits(buckets):
        edges = nn.EdgeInputs(graph.edges, buckets=buckets)
        out = network.apply(params, state, graph._replace(edges=edges))
        return out.attention[0].logits

    buckets = np.asarray(graph.senders) % 3
    table = params.layers.attention.table[0]
    np.testing.assert_allclose(
        logits(buckets) - logits(np.zeros_like(buckets)), table[buckets] - table[:1], atol=1e-5
    )


def test_errors():
    with pytest.raises(ValueError, match="local=None needs attention="):
        gps(local=None, attention=None)
    with pytest.raises(ValueError, match="local must be a layer such as"):
        gps(local="gin")
    with pytest.raises(ValueError, match="attention must be a layer such as"):
        models.GPS.zinc(attention=attention.GATv2)
    with pytest.raises(ValueError, match="inputs must be"):
        models.GPS((28,))
    with pytest.raises(ValueError, match="norm must be one of 'batch', 'layer'"):
        gps(norm="graph")
    with pytest.raises(ValueError, match="pool must be one of 'sum', 'mean', 'max', None"):
        gps(pool="add")
    with pytest.raises(ValueError, match="encoding_width"):
        models.Inputs(nodes=3, encoding=4)
    with pytest.raises(ValueError, match="encoding_width must be smaller than the width 4"):
        gps(width=4)[0].init(jax.random.key(0))
    network, (params, state) = NETWORKS["gps-zinc"].network, start("gps-zinc")
    bare = MOLECULES[0]._replace(nodes=MOLECULES[0].nodes["features"])
    with pytest.raises(ValueError, match=r"must come with an encoding .* ga.encodings.precompute"):
        network.apply(params, state, bare)
    with pytest.raises(ValueError, match=r"graph\.edges must be an array of features"):
        network.apply(params, state, MOLECULES[0]._replace(edges=None))
    with pytest.raises(ValueError, match="got GRITNodes"):
        network.apply(params, state, models.prepare_grit(bare, 4))
    with pytest.raises(ValueError, match=r"num_virtual=0.*some"):
        network.apply(params, state, models.prepare_exphormer(MOLECULES[0]).graph)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"attention": attention.GATv2(8, 2)},
            "attention must give nodes as wide as the network, 12, got 16",
        ),
        (
            {"local": message_passing.GCN(5)},
            "local must give nodes as wide as the network, 12, got 5",
        ),
        ({"attention": attention.GATv2(heads=5)}, "in_features must be divisible by heads"),
        ({"attention": attention.SAN(heads=2)}, "graph.edges must say which pairs are edges"),
    ],
)
def test_layers_that_do_not_fit(options, message):
    network, _ = gps(**options)
    if "SAN" in repr(options):
        params, state = network.init(jax.random.key(0))
        with pytest.raises(ValueError, match=message):
            network.apply(params, state, MOLECULES[0])
        return
    with pytest.raises(ValueError, match=message):
        network.init(jax.random.key(0))


def test_a_layer_that_is_no_value():
    with pytest.raises(ValueError, match=r"local must be a value that can be hashed.*with tuples"):
        gps(local=Mean(noise=[0.5]))
