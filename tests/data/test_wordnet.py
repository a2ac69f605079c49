import numpy as np
import pytest
from _folders import data_folder
from _formats import write_wordnet
from sklearn.feature_extraction.text import HashingVectorizer

import graphattn_jax as ga


def triples(graph):
    return list(zip(graph.senders.tolist(), graph.edges.tolist(), graph.receivers.tolist()))


def test_reads_relations_types_classes_and_text(tmp_path):
    write_wordnet(tmp_path)
    data = ga.data.load_wordnet(num_features=16, num_splits=2, root=tmp_path)
    assert triples(data.graph) == [(1, 0, 0), (2, 2, 0), (0, 1, 1), (4, 3, 3), (3, 3, 4)]
    assert data.relations == ("@", "~", "+", "&") and data.graph.edges.dtype == np.int32
    assert data.node_types.tolist() == [0, 0, 1, 2, 3, 4] and data.num_node_types == 5
    assert data.labels.tolist() == [5, 5, 38, 0, 0, 2] and data.num_classes == 39
    texts = ["a dog", "a big dog", "to run", "large", "huge", "fast"]
    want = HashingVectorizer(n_features=16).transform(texts).toarray()
    np.testing.assert_allclose(data.graph.nodes, want, rtol=1e-6)
    assert data.graph.nodes.dtype == np.float32
    for split in data.splits:
        np.testing.assert_array_equal(np.sum(split, axis=0), 1)
        assert [int(mask.sum()) for mask in split] == [4, 1, 1]
    assert repr(data) == (
        "TypedNodeDataset('wordnet': 6 nodes, 5 edges, 16 features, 5 node types, 4 relations, "
        "39 classes, 2 splits, accuracy)"
    )


def test_without_features_only_the_graph_is_read(tmp_path):
    write_wordnet(tmp_path)
    for path in tmp_path.glob("data.*"):
        path.unlink()
    assert ga.data.load_wordnet(num_features=None, root=tmp_path).graph.nodes is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"edges": np.array([[0, 6]])}, r"receivers of .*\[0, 6\) for 6 nodes, got 6"),
        ({"edges": np.array([0, 1])}, r"edges of .*must have shape \[E, 2\]"),
        ({"edge_type": np.full(5, 4)}, r"relations of .*must lie in \[0, 4\) for 4 relations"),
        ({"edge_type": np.zeros(4, int)}, r"relations of .*must have shape \[5\]"),
        ({"labels": np.full(6, 45)}, r"labels of .*\[0, 45\) for 45 lexicographer files"),
        ({"labels": np.zeros(6)}, "labels of .*must be integer ids"),
        ({"node_pos": np.zeros(5, int)}, r"node types of .*must have shape \[6\]"),
        ({"node_pos": np.full(6, -1)}, r"node types of .*got -1"),
    ],
)
def test_wrong_content_names_the_file(tmp_path, changes, message):
    write_wordnet(tmp_path, **changes)
    with pytest.raises(ValueError, match=message) as caught:
        ga.data.load_wordnet(num_features=None, root=tmp_path)
    assert "wordnet30.npz" in str(caught.value)


def test_texts_of_other_nodes_are_refused(tmp_path):
    write_wordnet(tmp_path, labels=np.array([5, 5, 38, 0, 0, 1], np.int8))
    with pytest.raises(ValueError, match=r"6 synsets of data.noun.gz, .* are not the nodes"):
        ga.data.load_wordnet(root=tmp_path)
    write_wordnet(tmp_path)
    (tmp_path / "data.adj.gz").write_bytes(b"not packed")
    with pytest.raises(ValueError, match=r"data.adj.gz is corrupted"):
        ga.data.load_wordnet(root=tmp_path)


def test_absent_files_and_wrong_arguments(tmp_path, monkeypatch):
    monkeypatch.delenv("GRAPHATTN_DATA", raising=False)
    with pytest.raises(FileNotFoundError, match=r"wordnet30.npz .*holds the arrays edges \[E, 2\]"):
        ga.data.load_wordnet(root=tmp_path)
    write_wordnet(tmp_path)
    (tmp_path / "data.verb.gz").unlink()
    with pytest.raises(FileNotFoundError, match=r"holds WordNet's data.verb, packed"):
        ga.data.load_wordnet(root=tmp_path)
    with pytest.raises(ValueError, match="num_features must be a positive integer, got int 0"):
        ga.data.load_wordnet(num_features=0)


@pytest.mark.data
def test_real_set():
    data = ga.data.load_wordnet(num_features=32, root=data_folder("typed/wordnet"))
    assert repr(data) == (
        "TypedNodeDataset('wordnet': 117,659 nodes, 364,552 edges, 32 features, 5 node types, "
        "26 relations, 45 classes, 10 splits, accuracy)"
    )
    np.testing.assert_allclose(np.linalg.norm(data.graph.nodes, axis=1).max(), 1, rtol=1e-5)
    assert (np.abs(data.graph.nodes).sum(axis=1) > 0).mean() > 0.99
    of_speech = [np.unique(data.labels[data.node_types == t]) for t in range(5)]
    assert [len(classes) for classes in of_speech] == [26, 15, 3, 1, 1]
    hyponym, hypernym = (data.relations.index(symbol) for symbol in "~@")
    assert (data.graph.edges == hyponym).sum() == (data.graph.edges == hypernym).sum() == 89_089
