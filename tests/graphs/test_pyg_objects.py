"""Objects of PyTorch Geometric as they are, stored by `make_pyg_objects.py`, which names the versions."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

import graphattn_jax as ga

STORED = json.loads(Path(__file__).with_name("pyg_objects.json").read_text())


class Tensor:
    """What a torch tensor shows."""

    def __init__(self, values, dtype, layout):
        kind = dtype.removeprefix("torch.")
        self.array = np.array(values, "float32" if kind == "bfloat16" else kind)
        self.dtype, self.layout, self.shape = dtype, layout, self.array.shape

    def __len__(self):
        return len(self.array)

    def __array__(self, *_, **__):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad.")

    def detach(self):
        return self

    cpu = detach

    def numpy(self):
        if self.layout != "torch.strided":
            raise TypeError("can't convert Sparse layout tensor to numpy.")
        if self.dtype == "torch.bfloat16":
            raise TypeError("Got unsupported ScalarType BFloat16")
        return self.array

    def float(self):
        return Tensor(self.array, "torch.float32", self.layout)


class Relation(Mapping):
    """A relation of typed data: a mapping of its entries that answers more than these."""

    def __init__(self, answers, entries, nodes):
        self.__dict__.update(answers)
        self._entries = {name: answers[name] for name in entries}
        self._parent = lambda: {answers["_key"][-1]: nodes}

    def __getitem__(self, name):
        return self._entries[name]

    def __iter__(self):
        return iter(self._entries)

    def __len__(self):
        return len(self._entries)


class Dataset(list):
    """Its items, and answers of its own, which look as one graph."""


def restored(answer):
    if isinstance(answer, list):
        return [restored(part) for part in answer]
    if not isinstance(answer, dict):
        return answer
    if "tensor" in answer:
        return Tensor(answer["tensor"], answer["dtype"], answer["layout"])
    if "returns" in answer:
        return lambda: restored(answer["returns"])
    if "tuple" in answer:
        return tuple(restored(part) for part in answer["tuple"])
    answers = {name: restored(x) for name, x in answer["answers"].items()}
    if "entries" in answer:
        return Relation(answers, answer["entries"], restored(answer["nodes"]))
    if "items" not in answer:
        return SimpleNamespace(**answers)
    dataset = Dataset(restored(answer["items"]))
    dataset.__dict__.update(answers, slices={})
    return dataset


def stored(name):
    return restored(STORED["objects"][name])


def test_versions():
    assert STORED["versions"] == ["torch 2.13.0+cpu", "torch_geometric 2.8.1"]


@pytest.mark.parametrize(
    ("name", "n_node", "n_edge"),
    [
        ("data", [3], [2]),
        ("weighted", [3], [2]),
        ("batch", [2, 3, 4], [1, 2, 3]),
        ("batch without ptr", [2, 3, 4], [1, 2, 3]),
        ("dataset", [2, 3, 4], [1, 2, 3]),
        ("subset", [3, 4], [2, 3]),
        ("sizes", [2, 4], [1, 1]),
        ("relation of one kind", [4], [1]),
        ("relation of a batch", [4, 4], [1, 1]),
        ("gradient", [2], [1]),
        ("bfloat16", [2], [1]),
    ],
)
def test_graphs_are_those_of_the_object(name, n_node, n_edge):
    graph = ga.graphs.from_pyg_data(stored(name))
    assert (graph.n_node.tolist(), graph.n_edge.tolist()) == (n_node, n_edge)


@pytest.mark.parametrize("name", ["batch", "batch without ptr", "dataset"])
def test_batches_are_paths_with_their_targets(name):
    graph = ga.graphs.from_pyg_data(stored(name))
    assert graph.nodes[:, 0].tolist() == [20, 21, 30, 31, 32, 40, 41, 42, 43]
    assert graph.globals.tolist() == [2, 3, 4]
    assert graph.senders.tolist() == [0, 2, 3, 5, 6, 7]
    assert graph.receivers.tolist() == [1, 3, 4, 6, 7, 8]
    again = ga.graphs.from_pyg_data(list(stored("dataset")))
    np.testing.assert_array_equal(again.receivers, graph.receivers)


def test_a_relation_of_one_kind_has_its_nodes():
    graph = ga.graphs.from_pyg_data(stored("relation of a batch"))
    assert graph.nodes.tolist() == np.tile(np.arange(12.0).reshape(4, 3), (2, 1)).tolist()
    assert (graph.senders.tolist(), graph.receivers.tolist()) == ([0, 4], [1, 5])


def test_a_relation_whose_data_is_gone():
    relation = stored("relation of one kind")
    relation._parent = lambda: None
    with pytest.raises(ValueError, match=r"typed data that is gone.*Fix: keep the HeteroData"):
        ga.graphs.from_pyg_data(relation)


def test_features():
    assert ga.graphs.from_pyg_data(stored("weighted")).edges.tolist() == [0, 1]
    low = ga.graphs.from_pyg_data(stored("bfloat16")).nodes
    assert low.dtype == jnp.bfloat16
    assert low.tolist() == np.array([[0.1], [-3]]).astype(jnp.bfloat16).tolist()
    scalar = ga.graphs.from_pyg_data(stored("scalar target"))
    assert scalar.globals.tolist() == [1.5] and scalar.globals.dtype == np.float32
    data = stored("targets of nodes")
    graph = ga.graphs.from_pyg_data(data, node_attrs=("x", "y"), graph_attrs=())
    assert graph.nodes["y"].tolist() == [0, 1, 1] and graph.globals is None


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "targets of nodes",
            r'y must have 1 rows.*got 3. Fix: node_attrs=\("x", "y"\), graph_attrs',
        ),
        (
            "targets of edges",
            r'got 3. Fix: edge_attrs=\("edge_attr", "y"\), graph_attrs=\(\) if it is',
        ),
        ("several targets", r"got 5. Fix: y\[None\] for several targets"),
        ("collated", "got 3.*or the data set itself in place of its collated data"),
        ("collated sizes", "data is collated.*Fix: the data set itself"),
        ("typed", r"no edge_index. Fix: ga.graphs.from_pyg_hetero.*ga.graphs.bipartite"),
        ("relation", "two sets of nodes. Fix: ga.graphs.bipartite"),
        ("named ends", "two sets of nodes. Fix: ga.graphs.bipartite"),
        ("adj_t", r"no edge_index. Fix: .*to_edge_index\(data.adj_t\)\[0\].flip\(0\)"),
        ("sparse", r"x is a sparse tensor \(torch.sparse_coo\). Fix: x.to_dense\(\)"),
        ("sparse_csr", r"x is a sparse tensor \(torch.sparse_csr\)"),
    ],
)
def test_refuses(name, message):
    with pytest.raises(ValueError, match=f"(?s){message}"):
        ga.graphs.from_pyg_data(stored(name))


def test_molecules_of_pyg_have_our_columns():
    there = ga.graphs.unbatch(ga.graphs.from_pyg_data(stored("molecules")))
    for text, molecule in zip(STORED["smiles"], there, strict=True):
        graph, ours = ga.chem.from_pyg_columns(molecule), ga.chem.from_smiles(text)
        np.testing.assert_array_equal(graph.nodes, ours.nodes)
        order = np.lexsort((ours.receivers, ours.senders))  # that of PyG
        np.testing.assert_array_equal(graph.senders, ours.senders[order])
        np.testing.assert_array_equal(graph.edges, ours.edges[order])
        assert graph.nodes.dtype == graph.edges.dtype == np.int32
        assert (graph.nodes < ga.chem.ATOM_SIZES["ogb"]).all()
        assert (graph.edges < ga.chem.BOND_SIZES["ogb"]).all()
    aromatic = there[0].edges
    assert (aromatic >= ga.chem.BOND_SIZES["ogb"]).any()  # what would have been clipped


def test_every_value_of_pyg_has_a_place():
    for column, size in enumerate((119, 9, 11, 12, 9, 5, 8, 2, 2)):
        nodes = np.zeros((size, 9), int)
        nodes[:, column] = np.arange(size)
        graph = ga.graphs.from_edge_list([], [], nodes=nodes, edges=np.zeros((0, 3), int))
        out = ga.chem.from_pyg_columns(graph).nodes
        assert (out >= 0).all() and (out < ga.chem.ATOM_SIZES["ogb"]).all()
    edges = np.stack(np.meshgrid(*map(np.arange, (22, 6, 2)), indexing="ij"), -1).reshape(-1, 3)
    ends = np.zeros(len(edges), int)
    out = ga.chem.from_pyg_columns(
        ga.graphs.from_edge_list(ends, ends, nodes=np.zeros((1, 9), int), edges=edges)
    ).edges
    assert (out >= 0).all() and (out < ga.chem.BOND_SIZES["ogb"]).all()


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        (np.zeros((1, 9)), "nodes must be integer columns of PyG's from_smiles, got float64"),
        (np.zeros((1, 8), int), r"nodes must have shape \[N, 9\]"),
        (
            np.full((1, 9), 8),
            "nodes has 8 in row 0, column 5, where PyG's from_smiles has values below 5",
        ),
        (None, "nodes must be integer columns"),
    ],
)
def test_other_columns(nodes, message):
    graph = ga.graphs.from_edge_list([], [], nodes=nodes, num_nodes=1, edges=np.zeros((0, 3), int))
    with pytest.raises(ValueError, match=message):
        ga.chem.from_pyg_columns(graph)
