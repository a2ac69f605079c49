import numpy as np
import pytest
from _folders import data_folder
from _formats import write_heterophilous

import graphattn_jax as ga


def test_reads_features_edges_and_every_split(tmp_path):
    write_heterophilous(tmp_path / "roman_empire.npz")
    data = ga.data.load_heterophilous("roman-empire", root=tmp_path)
    assert (data.name, data.num_classes, data.metric) == ("roman-empire", 2, "accuracy")
    np.testing.assert_array_equal(data.graph.nodes, np.arange(12).reshape(6, 2))
    assert data.graph.nodes.dtype == np.float32
    assert data.labels.tolist() == [0, 1, 0, 1, 0, 1]
    np.testing.assert_array_equal(data.graph.receivers, np.repeat(np.arange(6), 2))
    distance = (data.graph.senders - data.graph.receivers) % 6
    assert set(distance.tolist()) == {1, 5}
    assert len(data.splits) == 2
    assert np.flatnonzero(data.splits[1].train).tolist() == [1, 4]
    for split in data.splits:
        np.testing.assert_array_equal(np.sum(split, axis=0), 1)


def test_no_edges(tmp_path):
    write_heterophilous(tmp_path / "actor.npz", edges=np.zeros((0, 2), np.int64))
    graph = ga.data.load_heterophilous("actor", root=tmp_path).graph
    assert graph.senders.shape == (0,)
    assert graph.n_edge.tolist() == [0]


@pytest.mark.parametrize("name", ["minesweeper", "tolokers", "questions"])
def test_metric_of_binary_sets(tmp_path, name):
    write_heterophilous(tmp_path / f"{name}.npz")
    assert ga.data.load_heterophilous(name, root=tmp_path).metric == "roc_auc"
    write_heterophilous(tmp_path / f"{name}.npz", node_labels=np.arange(6) % 3)
    with pytest.raises(ValueError, match=rf"{name}\.npz .*two classes expected, got 3"):
        ga.data.load_heterophilous(name, root=tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"edges": np.array([[0, 6]])}, r"edges of .*must lie in \[0, 6\) for 6 nodes, got 6"),
        ({"edges": np.array([[0.0, 1.0]])}, "must be integer ids"),
        ({"edges": np.array([[0, 1, 2]])}, r"must have shape \[M, 2\]"),
        ({"node_labels": np.array([0, 1])}, r"labels of .*must have shape \[6\], got \(2,\)"),
        ({"node_labels": np.array([0, 1, 0, -1, 0, 1])}, "labels of .*got -1 at position 3"),
        ({"node_features": np.zeros(6)}, r"features of .*must have shape \[N, D\]"),
        ({"train_masks": np.zeros((3, 6), bool)}, "masks must all be"),
        ({"train_masks": np.zeros((2, 6))}, "train mask of .*must be boolean"),
        ({"node_features": np.array([None])}, "allow_pickle=False"),
    ],
)
def test_wrong_content_names_the_file(tmp_path, changes, message):
    write_heterophilous(tmp_path / "actor.npz", **changes)
    with pytest.raises(ValueError, match=message) as caught:
        ga.data.load_heterophilous("actor", root=tmp_path)
    assert "actor.npz" in str(caught.value)


def test_missing_array(tmp_path):
    np.savez(tmp_path / "actor.npz", edges=np.zeros((0, 2)))
    with pytest.raises(ValueError, match=r"it lacks node_features, .* and has edges"):
        ga.data.load_heterophilous("actor", root=tmp_path)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "counts", "num_classes", "metric", "sizes"),
    [
        ("minesweeper", (10_000, 78_804, 7), 2, "roc_auc", [5000, 2500, 2500]),
        ("chameleon-filtered", (890, 17_708, 2325), 5, "accuracy", [409, 287, 194]),
        ("actor", (7600, 53_318, 932), 5, "accuracy", [3648, 2432, 1520]),
    ],
)
def test_real_sets(name, counts, num_classes, metric, sizes):
    root = data_folder(f"node/{name.replace('-', '_')}.npz")
    data = ga.data.load_heterophilous(name, root=root)
    num_nodes, num_features = data.graph.nodes.shape
    assert (num_nodes, len(data.graph.senders), num_features) == counts
    assert (data.num_classes, data.metric, len(data.splits)) == (num_classes, metric, 10)
    assert [int(mask.sum()) for mask in data.splits[0]] == sizes
