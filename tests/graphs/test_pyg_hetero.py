"""Typed objects of PyTorch Geometric as they are, stored by `make_pyg_hetero.py`, which names the versions."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest

from graphattn_jax import graphs
from graphattn_jax.graphs import ALWAYS, from_pyg_hetero, to_pyg_hetero

STORED = json.loads(Path(__file__).with_name("pyg_hetero.json").read_text())["objects"]
WRITES, CITES, AT = (
    ("author", "writes", "paper"),
    ("paper", "cites", "paper"),
    ("paper", "at", "venue"),
)


class Tensor:
    """What a torch tensor shows."""

    def __init__(self, array):
        self.array, self.shape, self.ndim, self.layout = array, array.shape, array.ndim, "strided"
        self.dtype = f"torch.{array.dtype}"

    def __len__(self):
        return len(self.array)

    def detach(self):
        return self

    cpu = detach

    def numpy(self):
        return self.array


class Data:
    """What `HeteroData` shows."""

    def __init__(self, stores):
        self.stores = {tuple(k) if isinstance(k, list) else k: restored(x) for k, x in stores}
        self.node_types = [name for name in self.stores if isinstance(name, str)]
        self.edge_types = [name for name in self.stores if isinstance(name, tuple)]

    def __getitem__(self, name):
        return self.stores[name]


def restored(store):
    def entry(x):
        if not isinstance(x, dict):
            return x
        if "layout" in x:
            return object()
        return Tensor(np.array(x["tensor"], x["dtype"].removeprefix("torch.")).reshape(x["shape"]))

    return {key: entry(x) for key, x in store.items()}


def stored(name):
    return Data(STORED[name])


def test_what_it_holds():
    data = stored("library")
    graph, attributes = from_pyg_hetero(data)
    schema = graphs.schema_of(graph)
    assert schema == graphs.Schema(("author", "paper", "venue"), (WRITES, CITES, AT))
    assert (graph.nodes.counts, graph.nodes.widths) == ((3, 4, 2), (0, 2, 3))
    np.testing.assert_array_equal(graph.nodes.features[3:7, :2], data["paper"]["x"].array)
    assert not graph.nodes.features[3:7, 2].any()
    assert graph.nodes.time.tolist() == [ALWAYS] * 3 + [1990, 2000, 2010, 2020] + [ALWAYS] * 2
    assert graph.senders.tolist() == [2, 0, 0, 4, 6] and graph.edges.features is None
    assert graph.receivers.tolist() == [3, 6, 4, 3, 4]
    assert {name: sorted(x) for name, x in attributes.items()} == {"paper": ["train_mask", "y"]}
    assert attributes["paper"]["y"].tolist() == [0, 1, 1, 0]
    assert "edge_index" in data[WRITES]  # it is left as it was


def test_reverse_relations_have_the_same_names():
    graph = from_pyg_hetero(stored("reversed")).graph
    schema = graphs.schema_of(graph)
    # its T.ToUndirected adds edges of a relation within one type to the relation itself
    assert schema.relations[3:] == (("paper", "rev_writes", "author"), ("venue", "rev_at", "paper"))
    assert schema.reverses == (3, 1, 4, 0, 2)
    assert (graphs.prepare(graph).layout.reverse >= 0).all()


def test_features_and_times_of_edges():
    graph, attributes = from_pyg_hetero(stored("attributed"))
    assert graph.edges.features.tolist() == [[i, i] for i in (0, 1, 2, 0, 1)]
    assert graph.edges.time.tolist() == [0, 1, 2, 0, 1]
    assert not {WRITES, CITES, AT} & set(attributes)
    some = to_pyg_hetero(graph)
    del some[AT]["time"]
    graph, attributes = from_pyg_hetero(some)
    assert graph.edges.time is None and attributes[WRITES]["time"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("name", ["library", "reversed", "attributed"])
def test_there_and_back(name, assert_same):
    data = stored(name)
    graph, attributes = from_pyg_hetero(data)
    back = to_pyg_hetero(graph, attributes)
    for key, store in data.stores.items():
        for entry, x in store.items():
            want = x.array if isinstance(x, Tensor) else x
            np.testing.assert_array_equal(back[key][entry], want)
        assert set(back[key]) == set(store) | ({"num_nodes"} if isinstance(key, str) else set())
    again, rest = from_pyg_hetero(back)
    assert_same(again, graph)
    assert jax.tree.structure(rest) == jax.tree.structure(attributes)


def test_a_part_of_a_graph_counts_anew():
    graph = from_pyg_hetero(stored("library")).graph
    part = graphs.subgraph(graph, np.arange(9) % 2 == 0)  # authors 0, 2, papers 1, 3, venue 1
    data = to_pyg_hetero(part)
    assert data["author"]["num_nodes"] == 2 and data["paper"]["time"].tolist() == [2000, 2020]
    assert data[WRITES]["edge_index"].tolist() == [[0, 0], [1, 0]]
    assert data[WRITES]["edge_index"].dtype == np.int64


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: from_pyg_hetero(stored("adj_t")), r"data\[.*writes.*\] has no edge_index. Fix: data before T.To"),
        (lambda: from_pyg_hetero(stored("batch")), "data is a batch: 'author' has ptr"),
        (lambda: from_pyg_hetero(stored("uncounted")), r"data\['b'\] has neither x nor num_nodes"),
        (lambda: from_pyg_hetero([1]), "data must be HeteroData or a dict like it, got list"),
        (lambda: from_pyg_hetero({"a": {"num_nodes": 1}, ("a", "to", "a"): {"edge_index": [[0], [1]]}}),
         r"receivers of edges.* must lie in \[0, 1\) for 1 nodes of type 'a'"),
        (lambda: from_pyg_hetero({"a": {"num_nodes": 1}, ("a", "to", "b"): {"edge_index": [[0], [0]]}}),
         "must be one of 'a'; got 'b'"),
        (lambda: from_pyg_hetero({"a": {"num_nodes": 1}, **{("a", name, "a"): {
            "edge_index": [[0], [0]], "edge_attr": [[1.0] * width]} for name, width in (("r", 1), ("s", 2))}}),
         "edge_features must have one width for all relations"),
        (lambda: to_pyg_hetero(graphs.from_edge_list([0], [0])), "graph must be typed"),
        (lambda: to_pyg_hetero(from_pyg_hetero(stored("library")).graph, {"papers": {}}),
         "a name of attributes must be one of .* Fix: 'paper'"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said(call, message):
    with pytest.raises(ValueError, match=message):
        call()
