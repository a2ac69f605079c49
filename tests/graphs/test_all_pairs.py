import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphattn_jax as ga

deterministic = settings(max_examples=25, deadline=None, derandomize=True)


@given(data=st.data(), self_loops=st.booleans())
@deterministic
def test_every_pair_inside_each_graph_once(data, self_loops, batch_strategy):
    graph = ga.graphs.batch(data.draw(batch_strategy))
    pairs, edge_ids = ga.graphs.all_pairs(graph, self_loops=self_loops, return_edge_ids=True)
    ga.graphs.validate(pairs)
    same = np.equal.outer(*[ga.graphs.node_graph_ids(graph)] * 2)
    want = same if self_loops else same & ~np.eye(len(same), dtype=bool)
    np.testing.assert_array_equal(ga.graphs.to_dense(pairs), want.astype(np.float32))
    order = pairs.receivers.astype(np.int64) * len(same) + pairs.senders
    assert (np.diff(order) > 0).all()
    old = list(zip(graph.senders.tolist(), graph.receivers.tolist(), strict=True))
    for s, r, e in zip(pairs.senders.tolist(), pairs.receivers.tolist(), edge_ids, strict=True):
        assert e == (old.index((s, r)) if (s, r) in old else -1)


def test_keeps_nodes_and_drops_edges(two_graphs):
    pairs = ga.graphs.all_pairs(two_graphs)
    assert pairs.nodes is two_graphs.nodes and pairs.edges is None
    assert pairs.n_edge.tolist() == [9, 4]
    assert ga.graphs.all_pairs(two_graphs, self_loops=False).n_edge.tolist() == [6, 2]


def test_padded_graphs_are_refused(two_graphs):
    padded = ga.graphs.pad(two_graphs, ga.graphs.Budget(8, 12, 4))
    with pytest.raises(ValueError, match="apply all_pairs before pad"):
        ga.graphs.all_pairs(padded)
