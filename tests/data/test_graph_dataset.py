import numpy as np
import pytest

import graphattn_jax as ga
from graphattn_jax.data._graph_dataset import graph_dataset


def three_graphs():
    return ga.graphs.batch(
        [
            ga.graphs.from_edge_list([0, 1], [1, 0], nodes=np.full((2, 1), i, np.float32))
            for i in range(3)
        ]
    )


def make(**changes):
    arguments = {
        "graphs": three_graphs(),
        "labels": np.array([0, 2, 1]),
        "splits": [ga.data.GraphSplit(np.array([0]), np.array([], int), np.array([2, 1]))],
        "task": "classification",
        "metric": "accuracy",
        "source": "three.txt",
    } | changes
    return graph_dataset("three", **arguments)


def test_fields_dtypes_and_repr():
    data = make()
    assert repr(data) == (
        "GraphDataset('three': 3 graphs, 6 nodes, 6 edges, classification, 3 classes, 1 split, "
        "accuracy)"
    )
    assert data.labels.dtype == np.int32
    assert {ids.dtype for ids in data.splits[0]} == {np.dtype(np.int32)}
    assert data.smiles is None


def test_take_carries_labels_through_batching_and_padding():
    data = make(labels=np.array([[0.5, np.nan], [1.0, 2.0], [3.0, 4.0]]), task="multilabel")
    assert (data.num_outputs, data.labels.dtype) == (2, np.float32)
    taken = data.take([2, 0])
    np.testing.assert_array_equal(taken.nodes[::2, 0], [2, 0])
    budget = ga.graphs.Budget(n_node=8, n_edge=8, n_graph=4)
    (padded,) = ga.graphs.batches_to_budget(ga.graphs.unbatch(taken), budget)
    np.testing.assert_array_equal(padded.globals[:2], [[3, 4], [0.5, np.nan]])
    assert ga.graphs.graph_mask(padded).tolist() == [True, True, False, False]


def test_regression_of_one_or_several_numbers():
    one = make(labels=np.array([0.5, 1.5, 2.5]), task="regression", metric="mae")
    assert (one.num_outputs, one.labels.shape) == (1, (3,))
    assert repr(one).endswith("regression, 1 task, 1 split, mae)")
    two = make(labels=np.zeros((3, 2)), task="regression", metric="mae")
    assert repr(two).endswith("regression, 2 tasks, 1 split, mae)")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": np.array([0, 1])}, r"labels of three.txt must have shape \[3\], got \(2,\)"),
        ({"labels": np.array([0, -1, 1])}, "labels of three.txt must lie in"),
        ({"labels": np.array([0.0, 1.0, 1.0])}, "labels of three.txt must be integer ids"),
        ({"labels": np.zeros(2), "task": "regression"}, "labels of three.txt must have shape"),
        ({"labels": np.zeros((3, 1, 1)), "task": "regression"}, "labels of three.txt must have"),
        ({"labels": np.float32(1), "task": "regression"}, "labels of three.txt must have shape"),
        (
            {"splits": [ga.data.GraphSplit(*np.array([[0], [1], [3]]))]},
            r"test ids of three.txt must lie in \[0, 3\) for 3 graphs, got 3",
        ),
        (
            {"splits": [ga.data.GraphSplit(*np.array([[0], [1], [0]]))]},
            "a split of three.txt has a graph twice",
        ),
    ],
)
def test_wrong_content_names_the_source(changes, message):
    with pytest.raises(ValueError, match=message):
        make(**changes)
