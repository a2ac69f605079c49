import jax
import numpy as np
import pytest

import graphattn_jax as ga


def test_returns_its_argument(two_graphs):
    on_device = jax.device_put(two_graphs)
    assert ga.graphs.validate(on_device) is on_device
    assert ga.graphs.validate(two_graphs, check_finite=True) is two_graphs


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        (
            "senders",
            np.array([0, 1, 3, 4, 5], np.int32),
            "senders must lie in .* got 5 at position 4",
        ),
        ("receivers", np.array([0, 1, -1, 3, 3], np.int32), "receivers must lie in .* got -1"),
        ("senders", np.array([0, 1, 2, 4, 4], np.int32), "edge 2 belongs to graph 1, but node 2"),
        ("receivers", np.array([1, 3, 3, 3, 3], np.int32), "edge 1 belongs to graph 0, but node 3"),
        ("senders", np.ones(5, np.float32), "senders must be integer ids"),
        ("senders", np.zeros(4, np.int32), "senders has 4 ids, but n_edge adds up to 5"),
        ("receivers", None, "receivers must be integer ids, got NoneType"),
        ("n_node", np.array([2, 2], np.int32), "nodes must have 4 rows, the sum of n_node"),
        ("n_node", np.array([6, -1], np.int32), "n_node must not be negative, got -1 for graph 1"),
        ("n_edge", np.array([5], np.int32), r"n_edge must have shape \[2\]"),
        ("nodes", {"a": np.ones((5, 1)), "b": np.ones((4, 1))}, r"nodes\['b'\] must have 5 rows"),
        ("edges", np.float32(1), "edges must have 5 rows"),
        ("globals", np.ones((1, 3)), "globals must have 2 rows, the number of graphs"),
    ],
)
def test_names_what_is_wrong(two_graphs, field, value, message):
    with pytest.raises(ValueError, match=message):
        ga.graphs.validate(two_graphs._replace(**{field: value}))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_finite_names_leaf_and_row(two_graphs, bad):
    nodes = {"good": np.ones((5, 2)), "ids": np.arange(5), "poor": np.ones((5, 2, 2), np.float16)}
    nodes["poor"][3:, 1, 0] = bad
    graph = two_graphs._replace(nodes=nodes)
    assert ga.graphs.validate(graph) is graph
    with pytest.raises(ValueError, match=r"nodes\['poor'\] is not finite in row 3"):
        ga.graphs.validate(graph, check_finite=True)


def test_padded_graphs(two_graphs):
    padded = ga.graphs.pad(two_graphs, ga.graphs.Budget(8, 9, 4))
    assert ga.graphs.validate(padded, check_finite=True) is padded
    crossing = padded.senders.copy()
    crossing[-1] = 0
    with pytest.raises(
        ValueError, match="edge 8 belongs to graph 2, but node 0 belongs to graph 0"
    ):
        ga.graphs.validate(padded._replace(senders=crossing))
    empty = ga.graphs.from_edge_list([], [])
    with pytest.raises(ValueError, match="needs a padding node"):
        ga.graphs.validate(ga.graphs.PaddedGraphsTuple(*empty))


def test_graph_without_nodes_and_batch_without_graphs():
    empty = ga.graphs.from_edge_list([], [])
    assert ga.graphs.validate(empty) is empty
    none = np.zeros(0, np.int32)
    graph = ga.graphs.GraphsTuple(
        nodes=None, edges=None, senders=none, receivers=none, globals=None, n_node=none, n_edge=none
    )
    assert ga.graphs.validate(graph) is graph
