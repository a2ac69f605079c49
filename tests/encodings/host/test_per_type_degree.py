import numpy as np
import pytest

import graphattn_jax as ga
from graphattn_jax.encodings import per_type_degree

GRAPH = ga.testing.random_graph(0, 12, 40, 1, self_loops=True)
RNG = np.random.default_rng(1)
NODE_TYPES, EDGE_TYPES = RNG.integers(0, 4, 12), RNG.integers(0, 4, 52)


@pytest.mark.parametrize("direction", ["in", "out"])
def test_counts_one_by_one(direction):
    by_node, by_edge = np.zeros((2, 12, 4), np.int32)
    ends = zip(GRAPH.senders, GRAPH.receivers, EDGE_TYPES, strict=True)
    for sender, receiver, edge_type in ends:
        here, there = (receiver, sender) if direction == "in" else (sender, receiver)
        by_node[here, NODE_TYPES[there]] += 1
        by_edge[here, edge_type] += 1
    got = per_type_degree(GRAPH, 4, node_types=NODE_TYPES, direction=direction)
    np.testing.assert_array_equal(got, by_node, strict=True)
    got = per_type_degree(GRAPH, 4, edge_types=EDGE_TYPES, direction=direction)
    np.testing.assert_array_equal(got, by_edge, strict=True)


def test_sums_to_the_degree():
    degree = per_type_degree(GRAPH, 9, node_types=NODE_TYPES)
    np.testing.assert_array_equal(degree.sum(1), ga.graphs.in_degree(GRAPH))
    degree = per_type_degree(GRAPH, 9, edge_types=EDGE_TYPES, direction="out")
    np.testing.assert_array_equal(degree.sum(1), ga.graphs.out_degree(GRAPH))


def test_one_type_is_the_degree():
    degree = per_type_degree(GRAPH, 1, node_types=np.zeros(12, np.int64))
    np.testing.assert_array_equal(degree[:, 0], ga.graphs.in_degree(GRAPH))


def test_errors():
    with pytest.raises(ValueError, match="needs either node_types or edge_types, and not both"):
        per_type_degree(GRAPH, 4)
    with pytest.raises(ValueError, match="needs either node_types or edge_types, and not both"):
        per_type_degree(GRAPH, 4, node_types=NODE_TYPES, edge_types=EDGE_TYPES)
    with pytest.raises(ValueError, match=r"node_types must lie in \[0, 3\) for 3 types, got 3"):
        per_type_degree(GRAPH, 3, node_types=NODE_TYPES)
    with pytest.raises(ValueError, match=r"edge_types must have shape \[52\], got \(12,\)"):
        per_type_degree(GRAPH, 4, edge_types=NODE_TYPES)
    with pytest.raises(ValueError, match="direction must be one of 'in', 'out'"):
        per_type_degree(GRAPH, 4, node_types=NODE_TYPES, direction="both")
