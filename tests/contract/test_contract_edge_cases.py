"""Degenerate graphs: finite values and gradients, without a NaN on the way."""

import numpy as np
import pytest
from _table import EDGE_WIDTH, WIDTH, on_features

from graphattn_jax import graphs, testing

# name: (senders, receivers, number of nodes)
STRUCTURES = {
    "no_nodes": ([], [], 0),
    "no_edges": ([], [], 3),
    "one_node": ([], [], 1),
    "one_node_self_loop": ([0], [0], 1),
    "isolated_nodes": ([0], [2], 4),
    "self_loops_only": ([0, 1, 2], [0, 1, 2], 3),
    "duplicate_edges": ([0, 0, 0, 1, 1], [1, 1, 1, 0, 1], 2),
    "star": ([1, 2, 3, 0, 0, 0], [0, 0, 0, 1, 2, 3], 4),
}


def make_graph(senders, receivers, num_nodes):
    rng = np.random.default_rng(0)
    return graphs.from_edge_list(
        np.array(senders, np.int32),
        np.array(receivers, np.int32),
        num_nodes=num_nodes,
        nodes=rng.normal(size=(num_nodes, WIDTH)).astype(np.float32),
        edges=rng.normal(size=(len(senders), EDGE_WIDTH)).astype(np.float32),
    )


def assert_finite(case, graph, layout):
    def apply(params, graph):
        out, attention = case.apply(params, graph, layout)
        return out.nodes, attention

    params = case.init()
    testing.assert_finite_gradients(on_features(apply, graph), params, graph.nodes, graph.edges)


@pytest.mark.usefixtures("op_by_op", "debug_nans")
class TestFinite:
    @pytest.mark.parametrize("structure", STRUCTURES)
    def test_structure(self, case, structure):
        graph = make_graph(*STRUCTURES[structure])
        assert_finite(case, graph, graphs.layout(graph))

    def test_only_padding(self, case):
        empty = make_graph(*STRUCTURES["no_edges"])
        padded = graphs.pad(empty, graphs.Budget(n_node=6, n_edge=5, n_graph=2))
        assert_finite(case, padded, graphs.layout(padded))
        assert_finite(case, padded, None)

    def test_zero_features(self, case):
        graph = make_graph(*STRUCTURES["star"])
        assert_finite(case, graph._replace(nodes=0 * graph.nodes), graphs.layout(graph))

    def test_large_logits(self, case):
        graph = make_graph(*STRUCTURES["star"])
        assert_finite(case, graph._replace(nodes=100 * graph.nodes), graphs.layout(graph))
