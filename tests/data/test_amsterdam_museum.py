import numpy as np
import pytest
from _folders import data_folder
from _formats import write_am

import graphattn_jax as ga


def test_reads_facts_in_both_directions_labels_and_parts(tmp_path):
    write_am(tmp_path / "am.npz")
    data = ga.data.load_amsterdam_museum(root=tmp_path)
    graph = data.graph
    triples = set(zip(graph.senders.tolist(), graph.edges.tolist(), graph.receivers.tolist()))
    facts = {(2, 1, 0), (3, 0, 6), (3, 1, 1)}
    assert triples == facts | {(t, r + 2, s) for s, r, t in facts}
    assert (np.diff(graph.receivers) >= 0).all()
    assert len(data.relations) == 4 and data.relations[3] == "inverse of relation 1"
    assert data.labels.tolist() == [-1, -1, 1, 0, 2, 1, -1] and data.num_classes == 3
    assert [np.flatnonzero(mask).tolist() for mask in data.splits[0]] == [[2], [3], [4]]
    assert data.node_types.tolist() == [0] * 7 and graph.nodes is None
    assert "0 features, 1 node type, 4 relations, 3 classes, 1 split" in repr(data)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rel": np.array([1, 0])}, r"rel of .*must have shape \[3\], got \(2,\)"),
        ({"rel": np.array([1, 0, -1])}, "relations from 0 on"),
        ({"src": np.array([0.0, 1.0, 2.0])}, "src of .*must be integer ids"),
        ({"src": np.array([0, 1, -2])}, "senders of .*got -2"),
        ({k: np.zeros(0, int) for k in ("src", "rel", "dst")}, "facts must be at least one"),
        ({"training": np.array([[7, 0]])}, r"nodes in training of .*\[0, 7\) for 7 nodes, got 7"),
        ({"training": np.array([[2, -1]])}, r"classes in training of .*got -1"),
        ({"training": np.array([2, 0])}, r"training of .*must have shape \[K, 2\]"),
        ({"testing": np.array([[2, 1]])}, "a node is in two parts"),
    ],
)
def test_wrong_content_names_the_file(tmp_path, changes, message):
    write_am(tmp_path / "am.npz", **changes)
    with pytest.raises(ValueError, match=message) as caught:
        ga.data.load_amsterdam_museum(root=tmp_path)
    assert "am.npz" in str(caught.value)


def test_absent_file_says_what_to_provide(tmp_path, monkeypatch):
    monkeypatch.delenv("GRAPHATTN_DATA", raising=False)
    with pytest.raises(FileNotFoundError, match=r"am.npz .*arrays src, rel, dst \[M\]"):
        ga.data.load_amsterdam_museum(root=tmp_path)


@pytest.mark.data
def test_real_set():
    data = ga.data.load_amsterdam_museum(root=data_folder("typed/am.npz"))
    assert repr(data) == (
        "TypedNodeDataset('amsterdam-museum': 1,080,876 nodes, 2,721,498 edges, 0 features, "
        "1 node type, 24 relations, 8 classes, 1 split, accuracy)"
    )
    assert [int(mask.sum()) for mask in data.splits[0]] == [13_423, 20_000, 20_000]
    assert int((data.labels >= 0).sum()) == 73_423
    test = data.labels[data.splits[0].test]
    assert round(np.bincount(test).max() / len(test), 3) == 0.354  # the majority's accuracy
    assert (ga.graphs.in_degree(data.graph)[data.labels >= 0] > 0).all()
