import numpy as np
import pytest
import scipy.sparse
from _folders import data_folder
from _formats import csr_arrays

import graphattn_jax as ga

N = 180
LABELS = np.arange(N) % 3
COUNTS = scipy.sparse.random_array((N, 7), density=0.3, rng=np.random.default_rng(0), format="csr")
RING = np.stack([np.arange(N), (np.arange(N) + 1) % N], axis=1)


def write_public(path):
    """Directed adjacency, weights, and names that are pickled objects."""
    adj = scipy.sparse.csr_array((np.full(N, 2.0), (RING[:, 0], RING[:, 1])), shape=(N, N))
    names = np.array(["a", None], dtype=object)
    np.savez(
        path,
        labels=LABELS,
        node_names=names,
        **csr_arrays("adj", adj),
        **csr_arrays("attr", COUNTS),
    )


def write_plain(path):
    np.savez(path, labels=LABELS.astype(np.int16), edges=RING, **csr_arrays("x", COUNTS))


@pytest.mark.parametrize(
    ("filename", "write"), [("ms_academic_cs.npz", write_public), ("coauthor_cs.npz", write_plain)]
)
def test_both_layouts(tmp_path, filename, write):
    write(tmp_path / filename)
    data = ga.data.load_coauthor("cs", root=tmp_path)
    assert (data.name, data.num_classes, data.metric) == ("coauthor-cs", 3, "accuracy")
    np.testing.assert_array_equal(data.graph.nodes, COUNTS.toarray() > 0)
    assert data.graph.nodes.dtype == np.float32
    sparse = ga.data.load_coauthor("cs", root=tmp_path, sparse=True).graph.nodes
    np.testing.assert_array_equal(sparse.to_dense(), data.graph.nodes)
    np.testing.assert_array_equal(data.graph.receivers, np.repeat(np.arange(N), 2))
    assert set(((data.graph.senders - data.graph.receivers) % N).tolist()) == {1, N - 1}
    assert len(data.splits) == 10
    for split in data.splits:
        assert np.bincount(data.labels[split.train]).tolist() == [20] * 3
        assert np.bincount(data.labels[split.val]).tolist() == [30] * 3
        np.testing.assert_array_equal(np.sum(split, axis=0), 1)


def test_splits_follow_the_seed(tmp_path):
    write_plain(tmp_path / "coauthor_physics.npz")
    a, b, c = (
        ga.data.load_coauthor("physics", root=tmp_path, num_splits=2, seed=seed).splits
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)


def test_damaged_csr(tmp_path):
    write_plain(tmp_path / "coauthor_cs.npz")
    arrays = dict(np.load(tmp_path / "coauthor_cs.npz"))
    arrays["x_indices"] = arrays["x_indices"] + 7
    np.savez(tmp_path / "coauthor_cs.npz", **arrays)
    with pytest.raises(ValueError, match=r"coauthor_cs\.npz is corrupted"):
        ga.data.load_coauthor(root=tmp_path)


def test_unknown_name():
    with pytest.raises(ValueError, match="name must be one of 'cs', 'physics'; got 'coauthor-cs'"):
        ga.data.load_coauthor("coauthor-cs")


@pytest.mark.data
def test_real_set():
    root = data_folder("node/coauthor_cs.npz")
    data = ga.data.load_coauthor("cs", root=root, num_splits=1)
    assert data.graph.nodes.shape == (18_333, 6805)
    assert len(data.graph.senders) == 2 * 81_894
    assert data.num_classes == 15
    assert [int(mask.sum()) for mask in data.splits[0]] == [300, 450, 17_583]
