"""The node networks: layers on top of each other, and the residual one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import graphattn_jax as ga
from graphattn_jax import testing

A = ga.attention


def plain(layer, **choices):
    layers = (layer(2, 2, dropout=0.5, **choices), layer(3, dropout=0.5, **choices))
    return ga.models.PlainNetwork(5, layers, dropout=0.5)


def residual(layer, **options):
    return ga.models.ResidualNetwork(5, 3, layer, width=4, num_layers=2, **options)


CASES = {
    "plain-gat": plain(A.GAT),
    "plain-gatv2-sinkhorn": plain(A.GATv2, normalizer=ga.ops.Sinkhorn()),
    "residual-graph_transformer": residual(A.GraphTransformer(heads=2, output=True)),
    "residual-gat-cosine": residual(A.GAT(heads=2, score=A.Cosine())),
}


@pytest.fixture(scope="module")
def graph():
    return testing.random_graph(0, 9, 24, 5, undirected=True, self_loops=True)


@pytest.mark.parametrize("name", CASES)
def test_padding_and_permutation(name, graph):
    network = CASES[name]
    params, state = network.init(jax.random.key(0))
    assert state is None

    def layer(params, graph):
        return graph._replace(nodes=network.apply(params, None, graph).prediction)

    # Layer norm over four channels amplifies rounding.
    wild = (np.nan, np.inf, -np.inf, 1e30)
    testing.assert_padding_invariant(layer, params, graph, fill=wild, rtol=1e-4)
    testing.assert_permutation_equivariant(layer, params, graph)


@pytest.mark.parametrize("name", CASES)
def test_logits_attention_and_dropout(name, graph):
    network = CASES[name]
    params, _ = network.init(jax.random.key(0))
    out = jax.jit(network.apply)(params, None, graph)
    assert out.prediction.shape == (9, 3) and out.state is None
    assert len(out.attention) == 2
    assert all(m.weights.shape[0] == graph.senders.shape[0] for m in out.attention)

    @jax.jit
    def train(key):
        return network.apply(params, None, graph, training=True, key=key).prediction

    first = train(jax.random.key(0))
    np.testing.assert_array_equal(first, train(jax.random.key(0)))
    assert not np.allclose(first, train(jax.random.key(1)))
    with pytest.raises(ValueError, match="needs key= in training"):
        network.apply(params, None, graph, training=True)
    with pytest.raises(ValueError, match="key must be a typed key"):
        network.apply(params, None, graph, training=True, key=jnp.zeros(2, jnp.uint32))


def test_the_network_of_the_gat_paper(graph):
    network = ga.models.PlainNetwork.gat(5, 3)
    assert network.layers == (A.GAT(8, 8, dropout=0.6), A.GAT(3, dropout=0.6))
    assert (network.activation, network.dropout) == ("elu", 0.6)
    params, _ = network.init(jax.random.key(0))
    (first, second), (one, two) = params.layers, network.layers
    hidden = one.apply(first, graph).graph
    hidden = hidden._replace(nodes=jax.nn.elu(hidden.nodes))
    want = two.apply(second, hidden).graph.nodes
    np.testing.assert_allclose(network.apply(params, None, graph).prediction, want, rtol=1e-5)
    assert len(ga.models.PlainNetwork.gat(5, 3, num_layers=4).layers) == 4


def test_each_layer_gets_the_widths_of_the_one_before(graph):
    """Nodes and edges; a layer with buckets of its own among them."""
    layers = (
        ga.message_passing.GatedGCN(7),
        A.RelativeBias(A.GATv2(4, 3), num_buckets=2),
        ga.message_passing.GCN(6),
        A.GraphTransformer(heads=2, output=5),
    )
    network = ga.models.PlainNetwork(5, layers, edge_features=2)
    params, _ = network.init(jax.random.key(0))
    gated, relative, gcn, transformer = params.layers
    assert gated.edge.weight.shape == (2, 7)
    assert relative.layer.sender_weight.shape == (7, 3, 4)
    assert relative.layer.edge_weight.shape == (7, 3, 4)
    assert gcn.weight.shape == (12, 6)
    assert transformer.query_weight.shape == (6, 2, 3)
    buckets = np.asarray(graph.senders == graph.receivers).astype(np.int32)
    features = np.random.default_rng(0).normal(size=(len(buckets), 2)).astype(np.float32)
    graph = graph._replace(edges=ga.nn.EdgeInputs(features, buckets=buckets))
    out = network.apply(params, None, graph)
    assert out.prediction.shape == (9, 5)
    assert [m is None for m in out.attention] == [True, False, True, False]


def test_separate_form_is_a_map_of_the_node_beside_what_it_hears():
    network = residual(A.GraphTransformer(heads=2, output=True, separate=True))
    params, _ = network.init(jax.random.key(0))
    assert params.blocks.attention.root.weight.shape[1:] == (4, 4)


def test_relative_buckets_reach_the_logits(graph):
    layer = A.RelativeBias(A.GAT(2, 2), num_buckets=2)
    network = ga.models.PlainNetwork(5, (layer, A.GAT(3)))
    params, _ = network.init(jax.random.key(0))
    buckets = jnp.asarray(graph.senders == graph.receivers).astype(jnp.int32)

    def logits(table_value):
        table = jnp.array([[0.0, 0.0], [table_value] * 2])
        first = params.layers[0]._replace(table=table)
        changed = params._replace(layers=(first, params.layers[1]))
        with_buckets = graph._replace(edges=ga.nn.EdgeInputs(buckets=buckets))
        return network.apply(changed, None, with_buckets).attention[0].logits

    difference = np.asarray(logits(1.5) - logits(0.0))
    np.testing.assert_allclose(
        difference, 1.5 * np.asarray(buckets)[:, None] * np.ones((1, 2)), atol=1e-6
    )
    with pytest.raises(ValueError, match=r"graph\.edges must hold the bucket of every edge"):
        network.apply(params, None, graph)


def test_edge_features_reach_every_layer(graph):
    network = residual(A.GraphTransformer(heads=2, output=True), edge_features=6)
    params, _ = network.init(jax.random.key(0))
    edges = jax.random.normal(jax.random.key(1), (graph.senders.shape[0], 6))

    def logits_of_layers(edges):
        out = network.apply(params, None, graph._replace(edges=edges))
        return [m.logits for m in out.attention]

    found, without = logits_of_layers(edges), logits_of_layers(jnp.zeros_like(edges))
    for layer in (0, 1):
        assert not np.allclose(found[layer], without[layer])
    with pytest.raises(ValueError, match=r"graph\.edges must be an array of shape"):
        network.apply(params, None, graph._replace(edges=None))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ga.models.PlainNetwork(5, ()), "layers must be a tuple of at least one layer"),
        (lambda: ga.models.PlainNetwork(5, [A.GAT(3)]), "layers must be a tuple"),
        (lambda: ga.models.PlainNetwork(5, ("gat",)), r"layers\[0\] must be a layer such as"),
        (lambda: ga.models.PlainNetwork(5, (A.GAT(3),), "softmin"), "activation must be one of"),
        (lambda: ga.models.PlainNetwork.gat(5, 3, num_layers=0), "num_layers must be a positive"),
        (lambda: residual(A.GAT), "layer must be a layer such as"),
        (lambda: residual(A.GAT(heads=2), dropout=1.0), "dropout must be a number"),
        (
            lambda: residual(A.GAT(3, 2)).init(jax.random.key(0)),
            "layer must give nodes as wide as the network, 4, got 6 of GAT",
        ),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()
