import numpy as np
import pytest
import scipy.sparse
from _folders import data_folder
from _formats import csr_arrays, write_planetoid, write_python2_pickle

import graphattn_jax as ga

# Nine nodes: 0-3 in allx (0, 1 train), 4-8 for the test ids, of which 6 is listed nowhere.
TEST = [7, 4, 8, 5]
FEATURES = np.arange(27).reshape(9, 3) % 5
LABELS = np.array([0, 1, 2, 1, 2, 0, 0, 1, 2])
GRAPH = {0: [1, 1, 3], 1: [0], 2: [2], 3: [0, 7], 4: [8], 5: [], 6: [], 7: [3], 8: [4]}


@pytest.fixture
def raw(tmp_path):
    one_hot = np.eye(3, dtype=np.int32)[LABELS]
    write_planetoid(
        tmp_path,
        "citeseer",
        allx=scipy.sparse.csr_matrix(FEATURES[:4].astype(np.float32)),
        ally=one_hot[:4],
        tx=scipy.sparse.csr_matrix(FEATURES[TEST].astype(np.float32)),
        ty=one_hot[TEST],
        num_train=2,
        test=TEST,
        graph=GRAPH,
    )
    return tmp_path


def ids(mask):
    return np.flatnonzero(mask).tolist()


def test_nodes_labels_and_split(raw):
    data = ga.data.load_planetoid("citeseer", root=raw)
    expected = FEATURES.copy()
    expected[6] = 0
    np.testing.assert_array_equal(data.graph.nodes, expected)
    assert data.graph.nodes.dtype == np.float32
    assert isinstance(data.graph.nodes, np.ndarray)
    np.testing.assert_array_equal(data.labels, LABELS)
    assert data.labels.dtype == np.int32
    assert (data.name, data.num_classes, data.metric) == ("citeseer", 3, "accuracy")
    (split,) = data.splits
    assert (ids(split.train), ids(split.val), ids(split.test)) == ([0, 1], [2, 3], [4, 5, 7, 8])


def test_edges_are_merged_in_both_directions_without_self_loops(raw):
    graph = ga.data.load_planetoid("citeseer", root=raw).graph
    pairs = list(zip(graph.receivers.tolist(), graph.senders.tolist(), strict=True))
    assert pairs == [(0, 1), (0, 3), (1, 0), (3, 0), (3, 7), (4, 8), (7, 3), (8, 4)]
    assert graph.edges is None
    assert graph.n_node.tolist() == [9]
    assert graph.n_edge.tolist() == [8]


def test_repr(raw):
    assert repr(ga.data.load_planetoid("citeseer", root=raw)) == (
        "NodeDataset('citeseer': 9 nodes, 8 edges, 3 features, 3 classes, 1 split, accuracy)"
    )


@pytest.mark.parametrize("part", ["tx", "allx", "y", "ty", "ally", "graph", "test.index"])
def test_a_damaged_file_is_named(raw, part):
    path = raw / f"ind.citeseer.{part}"
    path.write_bytes(b"x" + path.read_bytes()[:-2])
    with pytest.raises(ValueError, match=rf"ind\.citeseer\.{part} is corrupted"):
        ga.data.load_planetoid("citeseer", root=raw)


def test_files_of_different_graphs(raw):
    write_python2_pickle(raw / "ind.citeseer.ty", np.eye(3, dtype=np.int32))
    with pytest.raises(ValueError, match=r"do not belong together: .*ty \(3, 3\)"):
        ga.data.load_planetoid("citeseer", root=raw)


def test_test_ids_outside_the_graph(raw):
    (raw / "ind.citeseer.test.index").write_text("74\n8\n5\n")
    with pytest.raises(ValueError, match=r"test\.index must lie in \[0, 9\).* got 74"):
        ga.data.load_planetoid("citeseer", root=raw)


def test_neighbours_outside_the_graph(raw):
    write_python2_pickle(raw / "ind.citeseer.graph", GRAPH | {0: [9]})
    with pytest.raises(ValueError, match=r"edges of .*ind\.citeseer.* must lie in \[0, 9\)"):
        ga.data.load_planetoid("citeseer", root=raw)


@pytest.mark.parametrize("graph", [{0: 1}, {"a": [0]}, {0: ["a"]}, {0: [2**70]}])
def test_graph_of_other_form(raw, graph):
    write_python2_pickle(raw / "ind.citeseer.graph", graph)
    with pytest.raises(ValueError, match=r"ind\.citeseer\.graph is corrupted"):
        ga.data.load_planetoid("citeseer", root=raw)


def test_matrix_where_a_dictionary_should_be_and_the_reverse(raw):
    write_python2_pickle(raw / "ind.citeseer.graph", np.eye(2))
    with pytest.raises(ValueError, match="holds no dictionary"):
        ga.data.load_planetoid("citeseer", root=raw)
    write_python2_pickle(raw / "ind.citeseer.tx", GRAPH)
    with pytest.raises(ValueError, match="holds no matrix"):
        ga.data.load_planetoid("citeseer", root=raw)


def test_npz_form(raw, tmp_path):
    expected = ga.data.load_planetoid("citeseer", root=raw)
    (split,) = expected.splits
    folder = tmp_path / "plain" / "node"
    folder.mkdir(parents=True)
    i, j = expected.graph.senders, expected.graph.receivers
    np.savez(
        folder / "citeseer.npz",
        edges=np.stack([i, j], axis=1)[i < j],
        labels=LABELS.astype(np.int16),
        train_idx=np.flatnonzero(split.train),
        val_idx=np.flatnonzero(split.val),
        test_idx=np.flatnonzero(split.test),
        **csr_arrays("x", scipy.sparse.csr_array(expected.graph.nodes)),
    )
    got = ga.data.load_planetoid("citeseer", root=tmp_path / "plain")
    assert_same(got, expected)


def assert_same(a, b):
    assert a._replace(graph=None, labels=None, splits=None) == b._replace(
        graph=None, labels=None, splits=None
    )
    for field in ("nodes", "senders", "receivers", "n_node", "n_edge"):
        np.testing.assert_array_equal(getattr(a.graph, field), getattr(b.graph, field))
    np.testing.assert_array_equal(a.labels, b.labels)
    np.testing.assert_array_equal(a.splits, b.splits)


def test_unknown_name():
    with pytest.raises(ValueError, match="name must be one of 'cora', 'citeseer', 'pubmed'"):
        ga.data.load_planetoid("Cora")


@pytest.mark.data
def test_cora():
    root = data_folder("node/planetoid_raw") / "node/planetoid_raw"
    data = ga.data.load_planetoid("cora", root=root)
    assert repr(data) == (
        "NodeDataset('cora': 2,708 nodes, 10,556 edges, 1,433 features, 7 classes, 1 split, "
        "accuracy)"
    )
    (split,) = data.splits
    assert [int(mask.sum()) for mask in split] == [140, 500, 1000]
    assert np.bincount(data.labels[split.train]).tolist() == [20] * 7
    assert set(np.unique(data.graph.nodes).tolist()) == {0.0, 1.0}


@pytest.mark.data
def test_cora_is_the_same_from_both_forms():
    node = data_folder("node/cora.npz") / "node"
    raw = ga.data.load_planetoid("cora", root=node / "planetoid_raw")
    assert_same(raw, ga.data.load_planetoid("cora", root=node))


def test_sparse_features(raw):
    dense = ga.data.load_planetoid("citeseer", root=raw)
    sparse = ga.data.load_planetoid("citeseer", root=raw, sparse=True)
    assert isinstance(sparse.graph.nodes, ga.ops.SparseFeatures)
    np.testing.assert_array_equal(sparse.graph.nodes.to_dense(), dense.graph.nodes)
    assert repr(sparse) == repr(dense)
