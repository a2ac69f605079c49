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
        (
            {"y": np.zeros(2)},
            r'y must have 1 rows for 1 graph, got 2. Fix: node_attrs=\("x", "y"\)',
        ),
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


@given(sizes=st.lists(st.integers(0, 3), min_size=1, max_size=5), tensors=st.booleans())
@settings(deterministic, max_examples=200)
def test_batch_without_ptr(sizes, tensors):
    """The graph of each node is all that says how many there are; graphs without nodes in between too."""
    wrap = Tensor if tensors else np.asarray
    data = {
        "edge_index": wrap(np.tile(np.arange(sum(sizes)), (2, 1))),
        "batch": wrap(np.repeat(np.arange(len(sizes)), sizes)),
        "num_graphs": len(sizes),
    }
    graph = ga.graphs.from_pyg_data(data)
    assert graph.n_node.tolist() == graph.n_edge.tolist() == sizes
    del data["num_graphs"]
    known = max((i + 1 for i, size in enumerate(sizes) if size), default=0)
    assert ga.graphs.from_pyg_data(data).n_node.tolist() == sizes[:known]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"batch": np.array([1, 0])},
            "batch must ascend from 0: the nodes of a graph stand together",
        ),
        ({"batch": np.array([-1, 0])}, "batch must ascend from 0"),
        ({"batch": np.array([0])}, r"must lie in \[0, 1\) for 1 nodes"),
        ({"batch": np.array([0, 1])}, "edge 0 belongs to graph 1, but node 0 belongs to graph 0"),
        ({"batch": np.array([0, 0]), "num_graphs": 0}, "batch must lie in"),
        ({"ptr": np.array([0, 2, 1])}, "ptr must ascend from 0"),
        ({"ptr": np.array([1, 2])}, "ptr must ascend from 0"),
        ({"ptr": np.zeros(0, int)}, "ptr must ascend from 0"),
        ({"ptr": np.array([0, 1])}, r"must lie in \[0, 1\) for 1 nodes"),
        ({"batch": np.array([0, 0]), "x": np.ones((3, 1))}, "nodes must have 2 rows"),
    ],
)
def test_batches_that_do_not_fit(change, message):
    with pytest.raises(ValueError, match=message):
        ga.graphs.from_pyg_data({"edge_index": np.array([[0], [1]])} | change)


def test_relations_between_two_kinds_of_nodes():
    index = np.array([[0, 1], [1, 0]])
    square = np.ones((2, 3))  # as many of either kind
    for x in ((square, square), (Tensor(square), Tensor(square)), (square, None)):
        with pytest.raises(ValueError, match=r"two sets of nodes. Fix: ga.graphs.bipartite"):
            ga.graphs.from_pyg_data({"edge_index": index, "x": x})
    store = SimpleNamespace(edge_index=index, is_bipartite=lambda: True)
    with pytest.raises(ValueError, match=r"two sets of nodes. Fix: ga.graphs.bipartite"):
        ga.graphs.from_pyg_data(store)
    store.is_bipartite = lambda: False
    assert ga.graphs.from_pyg_data(store).n_node == 2
    assert ga.graphs.from_pyg_data({"edge_index": index, "x": ((1.0,), (2.0,))}).nodes.shape == (
        2,
        1,
    )


def test_edge_weights_are_not_dropped():
    data = {"edge_index": np.array([[0], [1]]), "edge_weight": np.array([0.5])}
    assert ga.graphs.from_pyg_data(data).edges.tolist() == [0.5]
    assert ga.graphs.from_pyg_data(data, edge_attrs=()).edges is None
    assert ga.graphs.from_pyg_data(data, edge_attrs="edge_attr").edges is None
    data["edge_attr"] = np.array([[1.0, 2.0]])
    with pytest.raises(ValueError, match=r"edge_attr and edge_weight. Fix: say which"):
        ga.graphs.from_pyg_data(data)
    assert ga.graphs.from_pyg_data(data, edge_attrs="edge_attr").edges.shape == (1, 2)
    both = ga.graphs.from_pyg_data(data, edge_attrs=("edge_attr", "edge_weight")).edges
    assert sorted(both) == ["edge_attr", "edge_weight"]


@pytest.mark.parametrize("wrap", [Tensor, np.asarray])
def test_no_memory_is_shared(wrap, two_graphs):
    arrays = {
        "edge_index": np.array([[0], [1]], np.int32),
        "x": np.zeros((2, 1), np.float32),
        "edge_attr": np.zeros((1, 1), np.float32),
        "y": np.zeros((1, 1), np.float32),
        "ptr": np.array([0, 2], np.int32),
    }
    graph = ga.graphs.from_pyg_data({name: wrap(x) for name, x in arrays.items()})
    built = ga.graphs.from_edge_list(wrap(arrays["edge_index"][0]), [1], nodes=Tensor(arrays["x"]))
    for x in arrays.values():
        x += 7
    for copied in (graph, built):
        assert copied.senders.tolist() == [0] and copied.receivers.tolist() == [1]
        assert copied.nodes.tolist() == [[0], [0]]
    assert graph.edges.tolist() == graph.globals.tolist() == [[0]] and graph.n_node == 2
    there = ga.graphs.to_pyg_data(two_graphs)
    for name in ("x", "edge_attr", "y"):
        there[name] += 7
    assert two_graphs.nodes[0] == 0 and two_graphs.edges[0] == 10 and two_graphs.globals[0] == 5
