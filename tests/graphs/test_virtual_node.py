import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphattn_jax as ga

deterministic = settings(max_examples=25, deadline=None, derandomize=True)


def test_by_hand(two_graphs):
    grown = ga.graphs.validate(
        ga.graphs.add_virtual_node(two_graphs, node_fill=9.0, edge_fill=[8.0])
    )
    assert grown.n_node.tolist() == [4, 3] and grown.n_edge.tolist() == [8, 7]
    assert grown.nodes[:, 0].tolist() == [0, 1, 2, 9, 3, 4, 9]
    assert grown.senders.tolist() == [0, 1, 0, 1, 2, 3, 3, 3, 4, 5, 5, 4, 5, 6, 6]
    assert grown.receivers.tolist() == [1, 2, 3, 3, 3, 0, 1, 2, 4, 4, 4, 6, 6, 4, 5]
    assert grown.edges[:, 0].tolist() == [10, 11] + [8] * 6 + [20, 21, 22] + [8] * 4


def test_two_of_them_by_hand(two_graphs):
    grown = ga.graphs.validate(ga.graphs.add_virtual_node(two_graphs, count=2, node_fill=9.0))
    assert grown.n_node.tolist() == [5, 4] and grown.n_edge.tolist() == [14, 11]
    assert grown.nodes[:, 0].tolist() == [0, 1, 2, 9, 9, 3, 4, 9, 9]
    assert grown.senders[:14].tolist() == [0, 1, 0, 1, 2, 0, 1, 2, 3, 3, 3, 4, 4, 4]
    assert grown.receivers[:14].tolist() == [1, 2, 3, 3, 3, 4, 4, 4, 0, 1, 2, 0, 1, 2]
    assert grown.senders[14:].tolist() == [5, 6, 6, 5, 6, 5, 6, 7, 7, 8, 8]
    assert grown.receivers[14:].tolist() == [5, 5, 5, 7, 7, 8, 8, 5, 6, 5, 6]


@given(data=st.data(), count=st.integers(1, 3))
@deterministic
def test_structure(data, count, batch_strategy, assert_same):
    graph = ga.graphs.batch(data.draw(batch_strategy))
    grown = ga.graphs.validate(ga.graphs.add_virtual_node(graph, count=count))
    virtual = (np.cumsum(grown.n_node)[:, None] - np.arange(count, 0, -1)).ravel()
    sizes = np.repeat(graph.n_node, count).tolist()
    assert ga.graphs.in_degree(grown)[virtual].tolist() == sizes
    assert ga.graphs.out_degree(grown)[virtual].tolist() == sizes
    assert not grown.nodes["x"][virtual].any()
    real = np.ones(ga.graphs.num_nodes(grown), bool)
    real[virtual] = False
    assert_same(ga.graphs.subgraph(grown, real), graph)


def test_fill_with_the_mean_of_the_graph(two_graphs):
    graph = two_graphs._replace(
        nodes=np.array([0.0, 1, 5, 10, 20]), edges=np.asarray(two_graphs.edges, float)
    )
    grown = ga.graphs.add_virtual_node(graph, count=2, node_fill="mean", edge_fill="mean")
    assert grown.nodes.tolist() == [0, 1, 5, 2, 2, 10, 20, 15, 15]
    first, second = np.split(graph.edges, [graph.n_edge[0]])
    rows = np.split(grown.edges, [grown.n_edge[0]])
    for old, new in zip((first, second), rows, strict=True):
        assert (new[len(old) :] == old.mean(0)).all()


def test_without_features_and_errors(two_graphs):
    bare = two_graphs._replace(nodes=None, edges=None)
    assert ga.graphs.num_nodes(ga.graphs.add_virtual_node(bare)) == 7
    with pytest.raises(ValueError, match="node_fill was given, but the graph has no such features"):
        ga.graphs.add_virtual_node(bare, node_fill=1.0)
    with pytest.raises(ValueError, match="edge_fill must have one row's shape"):
        ga.graphs.add_virtual_node(two_graphs, edge_fill=np.zeros(3))
    with pytest.raises(ValueError, match="count must be a positive integer"):
        ga.graphs.add_virtual_node(two_graphs, count=0)
    padded = ga.graphs.pad(two_graphs, ga.graphs.Budget(8, 12, 4))
    with pytest.raises(ValueError, match="apply add_virtual_node before pad"):
        ga.graphs.add_virtual_node(padded)
