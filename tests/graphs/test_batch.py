import jax
import jraph
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphattn_jax as ga

deterministic = settings(max_examples=25, deadline=None, derandomize=True)


@given(data=st.data())
@deterministic
def test_unbatch_inverts_batch(data, batch_strategy, assert_same):
    graphs = data.draw(batch_strategy)
    batch = ga.graphs.validate(ga.graphs.batch(graphs))
    back = ga.graphs.unbatch(batch)
    assert len(back) == len(graphs)
    for got, want in zip(back, graphs, strict=True):
        assert_same(got, want)
    assert_same(ga.graphs.batch(back), batch)


@given(data=st.data())
@deterministic
def test_equals_jraph(data, batch_strategy):
    graphs = data.draw(batch_strategy)
    ours, theirs = ga.graphs.batch(graphs), jraph.batch_np(graphs)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_array_equal(a, b)


def test_unbatch_drops_padding(two_graphs, assert_same):
    padded = ga.graphs.pad(two_graphs, ga.graphs.Budget(9, 12, 5))
    for got, want in zip(ga.graphs.unbatch(padded), ga.graphs.unbatch(two_graphs), strict=True):
        assert_same(got, want)


def test_batches_of_batches_and_of_device_arrays(two_graphs, assert_same):
    twice = ga.graphs.batch([jax.device_put(two_graphs), two_graphs])
    assert_same(twice, ga.graphs.batch(ga.graphs.unbatch(two_graphs) * 2))
    assert isinstance(twice.nodes, np.ndarray)


def test_ids_become_int32_whatever_integers_they_were():
    graph = ga.graphs.from_edge_list([0, 1], [1, 0])
    wide = jax.tree.map(lambda x: x.astype(np.int64), graph)
    narrow = jax.tree.map(lambda x: x.astype(np.int8), graph)
    batch = ga.graphs.batch([graph, wide] + [narrow] * 100)
    assert {x.dtype for x in jax.tree.leaves(batch)} == {np.dtype(np.int32)}
    assert batch.senders.max() == 203


def test_unbatch_without_graphs(two_graphs):
    nothing = ga.graphs.subgraph(two_graphs, np.zeros(5, bool))
    assert [g.n_node.tolist() for g in ga.graphs.unbatch(nothing)] == [[0], [0]]
    none = np.zeros(0, np.int32)
    graph = ga.graphs.GraphsTuple(
        nodes=None, edges=None, senders=none, receivers=none, globals=None, n_node=none, n_edge=none
    )
    assert ga.graphs.unbatch(graph) == []


def _edge(**features):
    return ga.graphs.from_edge_list([0], [1], **features)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (_edge(nodes=np.ones((2, 3), np.float64)), "nodes of graph 1 is float64 .* graph 0"),
        (_edge(nodes=np.ones((2, 4), np.float32)), r"rows of shape \(4,\), but graph 0 .*\(3,\)"),
        (_edge(), "graph 1 has features of another structure than graph 0"),
        (_edge(nodes={"x": np.ones((2, 3), np.float32)}), "graph 1 has features of another"),
        (
            _edge(nodes=np.ones((2, 3), np.float32))._replace(senders=np.zeros(2, np.int32)),
            "senders of graph 1 has 2 rows, but n_edge adds up to 1",
        ),
        (
            _edge(nodes=np.ones((2, 3), np.float32))._replace(nodes=np.ones((4, 3), np.float32)),
            "nodes of graph 1 has 4 rows, but n_node adds up to 2",
        ),
        (
            _edge(nodes=np.ones((2, 3), np.float32))._replace(n_edge=np.array([1, 0], np.int32)),
            "n_edge of graph 1 has 2 rows",
        ),
        (
            _edge(nodes=np.ones((2, 3), np.float32))._replace(senders=np.zeros(1, np.float32)),
            "senders of graph 1 must be integer ids",
        ),
    ],
)
def test_errors_name_the_graph(second, message):
    with pytest.raises(ValueError, match=message):
        ga.graphs.batch([_edge(nodes=np.ones((2, 3), np.float32)), second])


def test_other_errors():
    graph = _edge(nodes=np.ones((2, 3), np.float32))
    padded = ga.graphs.pad(graph, ga.graphs.Budget.for_graph(graph))
    with pytest.raises(ValueError, match="at least one graph"):
        ga.graphs.batch([])
    with pytest.raises(ValueError, match="apply batch before pad"):
        ga.graphs.batch([padded])
    with pytest.raises(ValueError, match="graph 1 is padded"):
        ga.graphs.batch([graph, padded])
    with pytest.raises(ValueError, match="nodes of graph 1 is traced"):
        jax.jit(lambda x: ga.graphs.batch([graph, graph._replace(nodes=x)]).nodes)(graph.nodes)
    with pytest.raises(ValueError, match="globals of graph 0 must have rows, got a scalar"):
        ga.graphs.batch([graph._replace(globals=np.float32(1))] * 2)
    with pytest.raises(ValueError, match="graph 1 must be a GraphsTuple, got dict"):
        ga.graphs.batch([graph, {}])
    pair = ga.graphs.NodePair(graph.nodes, graph.nodes)
    with pytest.raises(ValueError, match="batch is for graphs with one set of nodes"):
        ga.graphs.batch([graph, graph._replace(nodes=pair)])


@given(data=st.data())
@deterministic
def test_prepared_and_plain_graphs_mix(data, batch_strategy, assert_same):
    graphs = data.draw(batch_strategy)
    mixed = [ga.graphs.prepare(g) if i % 2 else g for i, g in enumerate(graphs)]
    assert_same(ga.graphs.batch(mixed), ga.graphs.batch(graphs))
    prepared = ga.graphs.prepare(ga.graphs.batch(graphs))
    for got, want in zip(ga.graphs.unbatch(prepared), graphs, strict=True):
        assert_same(got, want)


def test_features_of_no_rows_are_those_of_the_others():
    edge = _edge(edges={"w": np.ones((1, 2), np.float16)})
    for features in (None, np.zeros(0), {"w": np.zeros((0, 9))}, (np.zeros(0, int),)):
        bare = ga.graphs.from_edge_list([], [], num_nodes=1, edges=features)
        for graphs in ([bare, edge], [edge, bare], [bare, bare, edge]):
            edges = ga.graphs.batch(graphs).edges
            assert edges["w"].dtype == np.float16 and edges["w"].shape == (1, 2)
    with pytest.raises(ValueError, match="graph 1 has features of another structure"):
        ga.graphs.batch([_edge(edges=np.ones(1)), edge])
