from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphattn_jax as ga

deterministic = settings(max_examples=25, deadline=None, derandomize=True)


def test_only_missing_ones_at_the_end_of_their_graph(two_graphs):
    looped = ga.graphs.validate(ga.graphs.add_self_loops(two_graphs))
    assert looped.senders.tolist() == [0, 1, 0, 1, 2, 3, 4, 4, 4]
    assert looped.receivers.tolist() == [1, 2, 0, 1, 2, 3, 3, 3, 4]
    assert looped.n_edge.tolist() == [5, 4]
    assert looped.edges[:, 0].tolist() == [10, 11, 0, 0, 0, 20, 21, 22, 0]


def test_all_nodes(two_graphs):
    looped = ga.graphs.add_self_loops(two_graphs, only_missing=False)
    assert looped.n_edge.tolist() == [5, 5]
    assert ga.graphs.to_dense(looped).diagonal().tolist() == [1, 1, 1, 2, 1]


@given(data=st.data())
@deterministic
def test_add_and_remove(data, graph_strategy, assert_same):
    graph = data.draw(graph_strategy)
    bare = ga.graphs.validate(ga.graphs.remove_self_loops(graph))
    assert not ga.graphs.has_self_loops(bare)
    looped = ga.graphs.validate(ga.graphs.add_self_loops(bare))
    assert ga.graphs.has_self_loops(looped) == bool(graph.n_node[0])
    assert_same(ga.graphs.add_self_loops(looped), looped)
    assert_same(ga.graphs.remove_self_loops(looped), bare)


def test_fill():
    graph = ga.graphs.from_edge_list(
        [0], [1], edges={"kind": np.array([3], np.int8), "vector": np.ones((1, 2), np.float32)}
    )
    number = ga.graphs.add_self_loops(graph, fill=7).edges
    assert number["kind"].tolist() == [3, 7, 7] and number["kind"].dtype == np.int8
    assert number["vector"].tolist() == [[1, 1], [7, 7], [7, 7]]
    tree = ga.graphs.add_self_loops(graph, fill={"kind": 5, "vector": np.array([8.0, 9.0])}).edges
    assert tree["kind"].tolist() == [3, 5, 5]
    assert (
        tree["vector"].tolist() == [[1, 1], [8, 9], [8, 9]] and tree["vector"].dtype == np.float32
    )


def test_fill_with_the_mean_of_what_a_node_hears():
    edges = {"w": np.array([1.0, 3.0, 5.0], np.float32), "v": np.eye(3, dtype=np.float64)}
    graph = ga.graphs.from_edge_list([0, 1, 1], [2, 2, 1], nodes=np.zeros((4, 1)), edges=edges)
    filled = ga.graphs.add_self_loops(graph, fill="mean").edges
    assert filled["w"].tolist() == [1, 3, 5, 0, 2, 0] and filled["w"].dtype == np.float32
    assert filled["v"][3:].tolist() == [[0, 0, 0], [0.5, 0.5, 0], [0, 0, 0]]
    every = ga.graphs.add_self_loops(graph, fill="mean", only_missing=False).edges
    assert every["w"].tolist() == [1, 3, 5, 0, 5, 2, 0]


@given(data=st.data())
@settings(deterministic, max_examples=70)
def test_the_mean_fills_each_graph_of_a_batch_by_itself(data, batch_strategy, assert_same):
    graphs = data.draw(batch_strategy)
    graphs = [
        g._replace(edges=np.arange(len(g.senders), dtype=np.float64)[:, None] ** 2) for g in graphs
    ]
    for function, options in (
        (ga.graphs.add_self_loops, {"fill": "mean"}),
        (ga.graphs.add_virtual_node, {"edge_fill": "mean"}),
        (partial(ga.graphs.add_expander, degree=2), {"edge_fill": "mean"}),
    ):
        together = function(ga.graphs.batch(graphs), **options)
        assert_same(together, ga.graphs.batch([function(g, **options) for g in graphs]))


def test_fills_that_are_no_mean():
    graph = ga.graphs.from_edge_list([0], [1], edges=np.array([[1]]))
    with pytest.raises(ValueError, match=r'fill="mean" needs floating-point features, got int64'):
        ga.graphs.add_self_loops(graph, fill="mean")
    with pytest.raises(ValueError, match="fill must be one of 'mean'; got 'max'"):
        ga.graphs.add_self_loops(graph, fill="max")
    with pytest.raises(ValueError, match="no such features"):
        ga.graphs.add_self_loops(graph._replace(edges=None), fill="mean")


def test_errors(two_graphs):
    with pytest.raises(ValueError, match=r"fill must have one row's shape \(1,\), got \(2,\)"):
        ga.graphs.add_self_loops(two_graphs, fill=np.zeros(2))
    with pytest.raises(ValueError, match="fill must be a number or have the features' structure"):
        ga.graphs.add_self_loops(two_graphs, fill={"a": 1})
    with pytest.raises(ValueError, match="no such features"):
        ga.graphs.add_self_loops(two_graphs._replace(edges=None), fill=1.0)
    padded = ga.graphs.pad(two_graphs, ga.graphs.Budget(8, 12, 4))
    for function in (ga.graphs.add_self_loops, ga.graphs.remove_self_loops):
        with pytest.raises(ValueError, match=f"apply {function.__name__} before pad"):
            function(padded)


def test_padding_loops_do_not_count():
    pair = ga.graphs.from_edge_list([0], [1])
    assert not ga.graphs.has_self_loops(ga.graphs.pad(pair, ga.graphs.Budget(4, 4, 2)))
