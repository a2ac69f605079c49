import sys

import numpy as np
import pytest

import graphattn_jax as ga


@pytest.fixture(scope="module")
def digits():
    return ga.data.load_digits()


def test_sizes(digits):
    assert digits.graph.nodes.shape == (1797, 64)
    assert digits.graph.nodes.dtype == np.float32
    assert (digits.graph.nodes.min(), digits.graph.nodes.max()) == (0.0, 1.0)
    assert (digits.name, digits.num_classes, digits.metric) == ("digits", 10, "accuracy")
    assert len(digits.splits) == 10
    assert [int(mask.sum()) for mask in digits.splits[3]] == [200, 500, 1097]


def test_edges_are_the_nearest_neighbours_of_either_end(digits):
    x = digits.graph.nodes.astype(np.float64)
    distance = np.linalg.norm(x[:, None, :32] - x[None, :, :32], axis=-1) ** 2
    distance += np.linalg.norm(x[:, None, 32:] - x[None, :, 32:], axis=-1) ** 2
    np.fill_diagonal(distance, np.inf)
    eighth = np.sort(distance, axis=1)[:, 7]
    near = distance <= eighth[:, None] + 1e-9
    surely_near = distance < eighth[:, None] - 1e-9
    adjacency = np.zeros((1797, 1797), bool)
    adjacency[digits.graph.receivers, digits.graph.senders] = True
    assert (adjacency <= (near | near.T)).all()
    assert (adjacency >= (surely_near | surely_near.T)).all()
    assert (adjacency == adjacency.T).all()
    assert adjacency.sum(axis=1).min() >= 8


def test_neighbours_share_labels(digits):
    same = digits.labels[digits.graph.senders] == digits.labels[digits.graph.receivers]
    assert same.mean() > 0.95


def test_equal_distances_go_to_the_smaller_id():
    from graphattn_jax.data._digits import _nearest_neighbors

    corners = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    assert _nearest_neighbors(corners, 1).tolist() == [[0, 1], [1, 0], [2, 0], [3, 1]]


def test_seed_changes_the_splits_only(digits):
    other = ga.data.load_digits(seed=1)
    np.testing.assert_array_equal(other.graph.senders, digits.graph.senders)
    assert not np.array_equal(other.splits[0].train, digits.splits[0].train)


def test_neighbors_out_of_range():
    with pytest.raises(ValueError, match="neighbors must be a positive integer, got int 0"):
        ga.data.load_digits(neighbors=0)
    with pytest.raises(ValueError, match="neighbors must be below the 1797 nodes, got 1797"):
        ga.data.load_digits(neighbors=1797)


def test_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match=r'pip install "\.\[experiments\]" in a clone'):
        ga.data.load_digits()
