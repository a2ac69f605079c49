"""Layers and networks on sparse node features: the numbers of the dense ones, without the dense matrix."""

import math
import re
from functools import partial

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
    "gat": (ga.attention.init_gat, ga.attention.gat),
    "gatv2": (ga.attention.init_gatv2, ga.attention.gatv2),
    "graph_transformer": (
        partial(ga.attention.init_graph_transformer, separate=True),
        ga.attention.graph_transformer,
    ),
    "gcn": (
        lambda key, d, c, heads: ga.message_passing.init_gcn(key, d, c),
        ga.message_passing.gcn,
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_values_and_gradients_of_layers(name):
    init, layer = LAYERS[name]
    params = init(KEY, D, 4, heads=2)

    def loss(params, graph, layout):
        out = layer(params, graph, layout=layout).nodes
        return jnp.sin(out).sum(), out

    step = jax.jit(jax.value_and_grad(loss, has_aux=True))
    dense, sparse = graph_pair()
    layout = ga.graphs.layout(sparse)
    (_, expected), wanted = step(params, dense, layout)
    (_, got), gradient = step(params, sparse, layout)
    assert got.dtype == jnp.float32
    np.testing.assert_allclose(got, expected, atol=1e-6)
    for a, b in zip(jax.tree.leaves(gradient), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def network(params, graph, spec, layout=None, **options):
    return ga.models.plain_network(params, graph, spec=spec, layout=layout, **options)[0]


def init_network(width=D):
    spec = ga.models.AttentionSpec("gat")
    params = ga.models.init_plain_network(KEY, width, 7, spec=spec, channels=4, heads=2)
    return params, spec


def test_network_with_dropout():
    dense, sparse = graph_pair()
    params, spec = init_network()
    np.testing.assert_allclose(
        network(params, sparse, spec), network(params, dense, spec), atol=1e-6
    )
    options = {"dropout_rate": 0.6, "dropout_key": KEY}
    first, again = (network(params, sparse, spec, **options) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(np.asarray(first) - np.asarray(network(params, sparse, spec))).max() > 1e-3


def test_padding():
    dense, sparse = graph_pair()
    params, spec = init_network()
    budget = ga.graphs.Budget(n_node=48, n_edge=200, n_graph=2)
    padded = ga.graphs.pad(sparse, budget)
    assert padded.nodes.shape == (48, D)
    np.testing.assert_array_equal(
        padded.nodes.to_dense(), np.asarray(ga.graphs.pad(dense, budget).nodes)
    )
    ga.graphs.validate(padded)
    out = network(params, padded, spec, layout=ga.graphs.layout(padded))
    np.testing.assert_allclose(out[:N], network(params, dense, spec), atol=1e-6)
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
    params, spec = init_network(width)
    senders = np.arange(num_nodes)
    graph = ga.graphs.from_edge_list(senders, (senders + 1) % num_nodes, num_nodes=num_nodes)
    words = bag_of_words(num_nodes, width)
    layout = ga.graphs.layout(graph)

    def loss(params, graph, key):
        logits = network(params, graph, spec, layout=layout, dropout_rate=0.6, dropout_key=key)
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
    params = ga.message_passing.init_sage(KEY, D, 4)
    with pytest.raises(ValueError, match="is used where a dense array is needed"):
        ga.message_passing.sage(params, sparse)
    with pytest.raises(ValueError, match=rf"graph.nodes must be an array of shape \[N, {D + 1}\]"):
        ga.attention.gat(ga.attention.init_gat(KEY, D + 1, 4), sparse)


def test_modules_take_it():
    from graphattn_jax.modules import linen

    _, sparse = graph_pair()
    layer = linen.GAT(channels=4, heads=2)
    out, _ = layer.init_with_output(KEY, sparse)
    assert out.nodes.shape == (N, 8)
