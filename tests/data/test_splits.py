import numpy as np
import pytest
import scipy.sparse

import graphattn_jax as ga


def test_counts_per_class(rng):
    labels = rng.integers(0, 4, 300)
    splits = ga.data.random_splits(labels, train_per_class=7, val_per_class=5, num_splits=3)
    assert len(splits) == 3
    for split in splits:
        np.testing.assert_array_equal(np.sum(split, axis=0), 1)
        assert np.bincount(labels[split.train]).tolist() == [7] * 4
        assert np.bincount(labels[split.val]).tolist() == [5] * 4


@pytest.mark.parametrize("num_nodes", [0, 1, 101])
def test_fractions(num_nodes):
    labels = np.zeros(num_nodes, np.int32)
    (split,) = ga.data.random_splits(labels, fractions=(0.48, 0.32, 0.2))
    np.testing.assert_array_equal(np.sum(split, axis=0), np.ones(num_nodes))
    assert [int(m.sum()) for m in split[:2]] == [round(0.48 * num_nodes), round(0.32 * num_nodes)]


def test_every_node_is_drawn_alike():
    labels = np.arange(20) % 2
    splits = ga.data.random_splits(labels, train_per_class=5, val_per_class=2, num_splits=2000)
    rate = np.mean([split.train for split in splits], axis=0)
    np.testing.assert_allclose(rate, 0.5, atol=0.06)  # 5 standard deviations


def test_a_longer_list_starts_with_the_shorter():
    labels = np.arange(50) % 2
    arguments = {"fractions": (0.5, 0.25, 0.25), "seed": 3}
    short = ga.data.random_splits(labels, num_splits=2, **arguments)
    long = ga.data.random_splits(labels, num_splits=4, **arguments)
    np.testing.assert_array_equal(short, long[:2])
    assert not np.array_equal(long[0], long[1])


def test_classes_without_nodes():
    (split,) = ga.data.random_splits(np.array([0, 0, 4, 4]), train_per_class=1, val_per_class=1)
    assert [int(mask.sum()) for mask in split] == [2, 2, 0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "Give either train_per_class and val_per_class, or fractions"),
        ({"train_per_class": 1}, "Give either"),
        ({"train_per_class": 1, "fractions": (1, 0, 0)}, "Give either"),
        ({"train_per_class": 1, "val_per_class": 1, "fractions": (1, 0, 0)}, "Give either"),
        ({"train_per_class": 0, "val_per_class": 1}, "train_per_class must be a positive integer"),
        ({"train_per_class": 3, "val_per_class": 2}, "Class 1 has 4 nodes, fewer than .* = 5"),
        ({"fractions": (0.5, 0.2)}, "fractions must be"),
        ({"fractions": (0.5, 0.2, 0.2)}, r"sum 1; got \(0.5, 0.2, 0.2\)"),
        ({"fractions": (1.5, -0.5, 0.0)}, "none negative"),
        ({"fractions": (1, 0, 0), "num_splits": 0}, "num_splits must be a positive integer"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        ga.data.random_splits(np.array([0] * 5 + [1] * 4), **arguments)


def test_bad_labels():
    with pytest.raises(ValueError, match="labels must be 0 or larger, got -1"):
        ga.data.random_splits(np.array([0, -1]), fractions=(1, 0, 0))
    with pytest.raises(ValueError, match="labels must be integer ids"):
        ga.data.random_splits(np.array([0.0]), fractions=(1, 0, 0))


@pytest.mark.parametrize("dtype", [np.int64, np.float32, np.float64])
def test_row_normalize(rng, dtype):
    x = rng.integers(0, 3, (6, 5)).astype(dtype)
    x[2] = 0
    dense = ga.data.row_normalize(x)
    assert dense.dtype == np.float32
    np.testing.assert_allclose(dense.sum(axis=1), (x.any(axis=1)).astype(float), rtol=1e-6)
    np.testing.assert_allclose(dense * x.sum(axis=1, keepdims=True), x, rtol=1e-6)
    for kind in (scipy.sparse.csr_matrix, scipy.sparse.csr_array, scipy.sparse.coo_array):
        sparse = ga.data.row_normalize(kind(x))
        assert isinstance(sparse, scipy.sparse.csr_array)
        assert sparse.dtype == np.float32
        np.testing.assert_array_equal(sparse.toarray(), dense)


def test_row_normalize_of_signed_rows():
    np.testing.assert_array_equal(ga.data.row_normalize(np.array([[1.0, -1.0]])), [[0.5, -0.5]])


def test_standardize(rng):
    x = rng.normal(3.0, 2.0, (50, 4))
    x[:, 1] = 0.1
    got = ga.data.standardize(x)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got.mean(axis=0), 0.0, atol=1e-6)
    np.testing.assert_allclose(got.std(axis=0), [1, 0, 1, 1], rtol=1e-5)


def test_standardize_by_training_rows():
    x = np.array([[0.0], [2.0], [9.0]])
    got = ga.data.standardize(x, where=np.array([True, True, False]))
    np.testing.assert_array_equal(got, [[-1.0], [1.0], [8.0]])


def test_scaling_errors():
    for function in (ga.data.row_normalize, ga.data.standardize):
        with pytest.raises(ValueError, match=r"x must have shape \[N, D\], got \(3,\)"):
            function(np.ones(3))
    with pytest.raises(ValueError, match="where must be boolean"):
        ga.data.standardize(np.ones((2, 1)), where=np.ones(2))
    with pytest.raises(ValueError, match="at least one row"):
        ga.data.standardize(np.ones((2, 1)), where=np.zeros(2, bool))


def test_row_normalize_of_sparse_features():
    x = np.array([[1.0, 3.0], [0.0, 0.0]], np.float32)
    got = ga.data.row_normalize(ga.ops.SparseFeatures.from_dense(x))
    assert isinstance(got, ga.ops.SparseFeatures)
    np.testing.assert_array_equal(got.to_dense(), [[0.25, 0.75], [0.0, 0.0]])
