import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphattn_jax as ga

deterministic = settings(max_examples=25, deadline=None, derandomize=True)


@given(data=st.data())
@deterministic
def test_is_the_submatrix(data, batch_strategy):
    graph = ga.graphs.batch(data.draw(batch_strategy))
    n = ga.graphs.num_nodes(graph)
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)), bool)
    part = ga.graphs.validate(ga.graphs.subgraph(graph, mask))
    want = ga.graphs.to_dense(graph, graph.edges)[mask][:, mask]
    np.testing.assert_array_equal(ga.graphs.to_dense(part, part.edges), want)
    np.testing.assert_array_equal(part.nodes["x"], graph.nodes["x"][mask])
    np.testing.assert_array_equal(
        ga.graphs.node_graph_ids(part), ga.graphs.node_graph_ids(graph)[mask]
    )
    assert part.globals is graph.globals


def test_all_nodes_give_the_same_graph(two_graphs, assert_same):
    assert_same(ga.graphs.subgraph(two_graphs, np.ones(5, bool)), two_graphs)


def test_errors(two_graphs):
    with pytest.raises(ValueError, match=r"node_mask must be boolean \(True = real\)"):
        ga.graphs.subgraph(two_graphs, np.arange(5))
    with pytest.raises(ValueError, match=r"node_mask must have shape \[5\]"):
        ga.graphs.subgraph(two_graphs, np.ones(4, bool))
    padded = ga.graphs.pad(two_graphs, ga.graphs.Budget(8, 12, 4))
    with pytest.raises(ValueError, match="apply subgraph before pad"):
        ga.graphs.subgraph(padded, np.ones(8, bool))
