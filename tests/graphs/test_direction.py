from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphattn_jax as ga

deterministic = settings(max_examples=25, deadline=None, derandomize=True)


def test_missing_reverses_with_features_at_the_end_of_their_graph(two_graphs):
    both = ga.graphs.validate(ga.graphs.add_reverse_edges(two_graphs))
    assert both.senders.tolist() == [0, 1, 1, 2, 3, 4, 4, 3, 3]
    assert both.receivers.tolist() == [1, 2, 0, 1, 3, 3, 3, 4, 4]
    assert both.edges[:, 0].tolist() == [10, 11, 10, 11, 20, 21, 22, 21, 22]
    assert both.n_edge.tolist() == [4, 5]


@given(data=st.data())
@deterministic
def test_multisets(data, graph_strategy, assert_same):
    graph = data.draw(graph_strategy)
    pairs = Counter(zip(graph.senders.tolist(), graph.receivers.tolist(), strict=True))
    symmetric = all(pairs[r, s] == count for (s, r), count in pairs.items())
    assert ga.graphs.is_undirected(graph) == symmetric
    both = ga.graphs.validate(ga.graphs.add_reverse_edges(graph))
    got = Counter(zip(both.senders.tolist(), both.receivers.tolist(), strict=True))
    want = Counter({p: max(pairs[p], pairs[p[::-1]]) for s, r in pairs for p in ((s, r), (r, s))})
    assert got == want
    assert ga.graphs.is_undirected(both)
    assert_same(ga.graphs.add_reverse_edges(both), both)


def test_unequal_multiplicities_copy_the_unpaired_ones():
    graph = ga.graphs.from_edge_list([0, 0, 1, 0], [1, 1, 0, 1], edges=[1.0, 2.0, 3.0, 4.0])
    both = ga.graphs.add_reverse_edges(graph)
    assert both.senders.tolist() == [0, 0, 1, 0, 1, 1]
    assert both.edges.tolist() == [1, 2, 3, 4, 2, 4]


def test_padding(two_graphs):
    padded = ga.graphs.pad(two_graphs, ga.graphs.Budget(8, 12, 4))
    assert not ga.graphs.is_undirected(padded)
    both = ga.graphs.add_reverse_edges(two_graphs)
    assert ga.graphs.is_undirected(ga.graphs.pad(both, ga.graphs.Budget(8, 12, 4)))
    with pytest.raises(ValueError, match="apply add_reverse_edges before pad"):
        ga.graphs.add_reverse_edges(padded)


def test_no_edges():
    assert ga.graphs.is_undirected(ga.graphs.from_edge_list([], [], num_nodes=np.int64(3)))


def test_transpose_turns_every_edge_round(two_graphs):
    graph = two_graphs._replace(edges=np.arange(len(two_graphs.senders)))
    turned = ga.graphs.transpose(graph)
    np.testing.assert_array_equal(ga.graphs.to_dense(turned), ga.graphs.to_dense(graph).T)
    np.testing.assert_array_equal(turned.edges, graph.edges)
    padded = ga.graphs.transpose(ga.graphs.pad(graph, ga.graphs.Budget(8, 12, 4)))
    unpadded = ga.graphs.unpad(padded)
    np.testing.assert_array_equal(unpadded.senders, graph.receivers)
    np.testing.assert_array_equal(unpadded.edges, graph.edges)
    typed = ga.graphs.from_types({"page": 2}, {("page", "links", "page"): ([0], [1])})
    with pytest.raises(ValueError, match="graphs without types, got relations"):
        ga.graphs.transpose(typed)
