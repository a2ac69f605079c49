from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphattn_jax as ga

deterministic = settings(max_examples=25, deadline=None, derandomize=True)


class Tensor:
    """What a torch tensor shows to the converter; a plain np.asarray of it fails."""

    def __init__(self, array):
        self.array = np.asarray(array)

    def __array__(self, *_, **__):
        raise RuntimeError("can't convert a tensor that requires grad")

    def __len__(self):
        return len(self.array)

    def detach(self):
        return SimpleNamespace(cpu=lambda: SimpleNamespace(numpy=lambda: self.array))


def test_data_with_tensors():
    data = SimpleNamespace(
        x=Tensor(np.ones((3, 2), np.float32)),
        edge_index=Tensor(np.array([[0, 1, 1], [1, 2, 2]])),
        edge_attr=None,
        y=Tensor(np.array([[0.5]])),
    )
    graph = ga.graphs.from_pyg_data(data)
    assert graph.senders.tolist() == [0, 1, 1] and graph.receivers.tolist() == [1, 2, 2]
    assert graph.senders.dtype == np.int32 and graph.n_node.tolist() == [3]
    assert graph.nodes.shape == (3, 2) and graph.edges is None and graph.globals.tolist() == [[0.5]]


def test_several_attributes_and_none():
    data = {
        "edge_index": np.array([[0], [1]]),
        "x": np.ones((2, 1)),
        "y": np.array([0, 1]),
        "train_mask": np.array([True, False]),
    }
    graph = ga.graphs.from_pyg_data(data, node_attrs=("x", "y", "train_mask"), graph_attrs=())
    assert sorted(graph.nodes) == ["train_mask", "x", "y"]
    assert graph.globals is None


def test_number_of_nodes():
    edge_index = np.array([[0], [1]])
    assert ga.graphs.from_pyg_data({"edge_index": edge_index}).n_node == 2
    assert ga.graphs.from_pyg_data({"edge_index": edge_index, "num_nodes": 5}).n_node == 5
    assert ga.graphs.from_pyg_data({"edge_index": [[], []], "x": [[1.0]] * 4}).n_node == 4


@given(data=st.data())
@deterministic
def test_round_trip_of_batches(data, batch_strategy, assert_same):
    graph = ga.graphs.batch(data.draw(batch_strategy))
    there = ga.graphs.to_pyg_data(graph)
    assert there["edge_index"].dtype == np.int64
    assert ("ptr" in there) == (len(graph.n_node) > 1)
    back = ga.graphs.from_pyg_data(there, node_attrs=("type", "x"))
    assert_same(back, graph)


def test_batch_vectors(two_graphs):
    there = ga.graphs.to_pyg_data(two_graphs)
    assert there["batch"].tolist() == [0, 0, 0, 1, 1] and there["ptr"].tolist() == [0, 3, 5]
    assert there["num_nodes"] == 5
    assert set(there) == {"edge_index", "num_nodes", "batch", "ptr", "x", "edge_attr", "y"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"edge_index": None}, "data has no edge_index"),
        ({"edge_index": np.zeros((3, 1), int)}, r"edge_index must have shape \[2, E\]"),
        ({"edge_index": np.zeros((2, 1))}, "edge_index must be integer ids"),
        ({"edge_index": np.array([[0], [9]])}, r"receivers, edge_index\[1\], must lie in \[0, 2\)"),
        ({"y": np.zeros(2)}, "globals must have 1 rows"),
    ],
)
def test_errors(change, message):
    data = {"edge_index": np.array([[0], [1]]), "x": np.ones((2, 1))} | change
    with pytest.raises(ValueError, match=message):
        ga.graphs.from_pyg_data(data)


def test_missing_attribute_and_name_clash(two_graphs):
    with pytest.raises(ValueError, match="data has no attribute 'pos'"):
        ga.graphs.from_pyg_data({"edge_index": np.array([[0], [1]])}, node_attrs=("pos",))
    with pytest.raises(ValueError, match=r"edges\['x'\] clashes"):
        ga.graphs.to_pyg_data(two_graphs._replace(edges={"x": two_graphs.edges}))
    with pytest.raises(ValueError, match="nodes must be None, one array or a flat dict"):
        ga.graphs.to_pyg_data(two_graphs._replace(nodes=(two_graphs.nodes,)))
