"""Layers and networks on sparse node features: the numbers of the dense ones, without the dense matrix."""

import math
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse

import graphattn_jax as ga
from graphattn_jax.ops import SparseFeatures

KEY = jax.random.key(0)
N, D = 40, 300


def bag_of_words(num_nodes=N, width=D):
    """Like Cora's: 1.3 % ones, rows scaled to sum to 1; some rows are empty."""
    words = scipy.sparse.random_array((num_nodes, width), density=0.013, rng=0) > 0
    return ga.data.row_normalize(words)


def graph_pair():
    """The same graph with dense and with sparse nodes."""
    graph = ga.testing.random_graph(0, num_nodes=N, num_edges=160, width=1, undirected=True)
    words = bag_of_words()
    return (
        graph._replace(nodes=words.toarray()),
        graph._replace(nodes=SparseFeatures.from_scipy(words)),
    )


LAYERS = {
    "gat": ga.attention.GAT(4, 2),
    "gatv2": ga.attention.GATv2(4, 2),
    "graph_transformer": ga.attention.GraphTransformer(4, 2, separate=True),
    "gcn": ga.message_passing.GCN(4),
}


@pytest.mark.parametrize("name", LAYERS)
def test_values_and_gradients_of_layers(name):
    layer = LAYERS[name]
    params = layer.init(KEY, D)

    def loss(params, graph):
        out = layer.apply(params, graph).graph.nodes
        return jnp.sin(out).sum(), out

    step = jax.jit(jax.value_and_grad(loss, has_aux=True))
    dense, sparse = map(ga.graphs.prepare, graph_pair())
    (_, expected), wanted = step(params, dense)
    (_, got), gradient = step(params, sparse)
    assert got.dtype == jnp.float32
    np.testing.assert_allclose(got, expected, atol=1e-6)
    for a, b in zip(jax.tree.leaves(gradient), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def init_network(width=D):
    network = ga.models.PlainNetwork.gat(width, 7, channels=4, heads=2)
    params, _ = network.init(KEY)
    return (
        params,
        lambda params, graph, **options: network.apply(params, None, graph, **options).prediction,
    )


@pytest.mark.parametrize(
    "network",
    [
        ga.models.PlainNetwork.gat(D, 7, channels=4, heads=2),
        ga.models.ResidualNetwork(D, 7, ga.attention.GATv2(heads=2), width=8, num_layers=1),
    ],
    ids=["plain", "residual"],
)
def test_networks(network):
    dense, sparse = graph_pair()
    params, state = network.init(KEY)
    found, want = (network.apply(params, state, g).prediction for g in (sparse, dense))
    np.testing.assert_allclose(found, want, atol=1e-5)


def test_network_with_dropout():
    dense, sparse = graph_pair()
    params, network = init_network()
    np.testing.assert_allclose(network(params, sparse), network(params, dense), atol=1e-6)
    options = {"training": True, "key": KEY}
    first, again = (network(params, sparse, **options) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(np.asarray(first) - np.asarray(network(params, sparse))).max() > 1e-3


def test_padding():
    dense, sparse = graph_pair()
    params, network = init_network()
    budget = ga.graphs.Budget(n_node=48, n_edge=200, n_graph=2)
    padded = ga.graphs.pad(sparse, budget)
    assert padded.nodes.shape == (48, D)
    np.testing.assert_array_equal(
        padded.nodes.to_dense(), np.asarray(ga.graphs.pad(dense, budget).nodes)
    )
    ga.graphs.validate(padded)
    out = network(params, padded)
    np.testing.assert_allclose(out[:N], network(params, dense), atol=1e-6)
    restored = ga.graphs.unpad(padded)
    np.testing.assert_array_equal(restored.nodes.to_dense(), dense.nodes)
    mixed = sparse._replace(nodes={"words": sparse.nodes, "label": np.arange(N)})
    np.testing.assert_array_equal(ga.graphs.pad(mixed, budget).nodes["label"][N:], 0)
    assert ga.graphs.pad(mixed, budget).nodes["words"].shape == (48, D)


def largest_array(function, *arguments):
    """Entries of the largest array in the computation, inner ones included."""
    shapes = re.findall(r"\b[a-z]+\d+\[([\d,]+)\]", str(jax.make_jaxpr(function)(*arguments)))
    return max(math.prod(map(int, shape.split(","))) for shape in shapes)


def test_no_dense_matrix_appears_in_a_training_step():
    num_nodes, width = 400, 1433
    params, network = init_network(width)
    senders = np.arange(num_nodes)
    graph = ga.graphs.from_edge_list(senders, (senders + 1) % num_nodes, num_nodes=num_nodes)
    words = bag_of_words(num_nodes, width)
    graph = ga.graphs.prepare(graph)

    def loss(params, graph, key):
        logits = network(params, graph, training=True, key=key)
        return jnp.square(logits).sum()

    def largest(nodes):
        return largest_array(jax.grad(loss), params, graph._replace(nodes=nodes), KEY)

    assert largest(words.toarray()) == num_nodes * width
    assert largest(SparseFeatures.from_scipy(words)) < num_nodes * width / 8


@pytest.mark.parametrize(
    "function",
    [
        lambda graph: ga.graphs.batch([graph, graph]),
        ga.graphs.unbatch,
        lambda graph: ga.graphs.take(graph, [0]),
        lambda graph: ga.graphs.subgraph(graph, np.ones(N, bool)),
        ga.graphs.add_virtual_node,
        ga.graphs.to_networkx,
        ga.graphs.to_pyg_data,
    ],
)
def test_functions_that_pick_rows_of_nodes_refuse(function):
    _, sparse = graph_pair()
    with pytest.raises(ValueError, match=r"does not take SparseFeatures. Fix: .*to_dense\(\)"):
        function(sparse)


def test_functions_on_edges_keep_it():
    _, sparse = graph_pair()
    for function in (ga.graphs.add_self_loops, ga.graphs.add_reverse_edges, ga.graphs.coalesce):
        assert function(sparse).nodes.shape == (N, D)
    assert ga.graphs.num_nodes(sparse) == N
    assert ga.graphs.from_edge_list([0], [1], nodes=sparse.nodes).n_node.tolist() == [N]
    with pytest.raises(ValueError, match=r"nodes must have 41 rows"):
        ga.graphs.from_edge_list([0], [1], num_nodes=41, nodes=sparse.nodes)


def test_other_layers_refuse():
    _, sparse = graph_pair()
    layer = ga.message_passing.SAGE(4)
    with pytest.raises(ValueError, match="needs the nodes as an array, got SparseFeatures"):
        layer.apply(layer.init(KEY, D), sparse)
    with pytest.raises(ValueError, match=rf"graph.nodes must be an array of shape \[N, {D + 1}\]"):
        layer = ga.attention.GAT(4)
        layer.apply(layer.init(KEY, D + 1), sparse)


def test_modules_take_it():
    from graphattn_jax.modules import linen

    _, sparse = graph_pair()
    layer = linen.Layer(ga.attention.GAT(channels=4, heads=2))
    out, _ = layer.init_with_output(KEY, sparse)
    assert out.graph.nodes.shape == (N, 8)
