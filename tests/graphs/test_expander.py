import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphattn_jax as ga
from graphattn_jax.graphs import _expander, add_expander


def empty(*sizes):
    """Graphs of these sizes without edges, as a batch."""
    return ga.graphs.batch([ga.graphs.from_edge_list([], [], num_nodes=n) for n in sizes])


def multigraph(permutations):
    """A = Σ (P + Pᵀ), with a loop for every image."""
    a = np.zeros((permutations.shape[1],) * 2)
    for permutation in permutations:
        for i, j in enumerate(permutation):
            a[i, j] += 1
            a[j, i] += 1
    return a


@pytest.mark.parametrize("degree", [2, 3, 5])
@pytest.mark.parametrize("size", [12, 40, 150])
@pytest.mark.parametrize("seed", range(4))
def test_regular_with_the_spectral_gap_of_the_paper(size, degree, seed):
    a = multigraph(_expander.draw_permutations(size, degree, seed))
    np.testing.assert_array_equal(a.sum(0), 2 * degree)
    *_, second, first = np.linalg.eigvalsh(a)
    assert first == pytest.approx(2 * degree)
    assert second <= 2 * np.sqrt(2 * degree - 1) + 0.1
    laplacian = np.linalg.eigvalsh(2 * degree * np.eye(size) - a)
    assert laplacian[1] >= 2 * degree - 2 * np.sqrt(2 * degree - 1) - 0.1 - 1e-9
    # What is added are its pairs, once each and without loops.
    pairs = (a > 0) & ~np.eye(size, dtype=bool)
    added = add_expander(empty(size), degree, seed=seed)
    np.testing.assert_array_equal(ga.graphs.to_dense(added), pairs.astype(np.float32))
    assert ga.graphs.in_degree(added).max() <= 2 * degree
    assert ga.graphs.is_undirected(ga.graphs.validate(added))


@pytest.mark.parametrize("size", [31, 512, 513, 701])
def test_second_eigenvalue_of_a_circulant(size):
    """Shifts by s have the eigenvalues Σ_s 2 cos(2π k s / n); dense and by Lanczos steps."""
    shifts = np.array([1, 5, 11, 24, 30])
    permutations = (np.arange(size) + shifts[:, None]) % size
    k = np.arange(1, size)
    want = 2 * np.cos(2 * np.pi * np.outer(k, shifts) / size).sum(1).max()
    assert _expander.second_eigenvalue(permutations) == pytest.approx(want, abs=1e-3)


def test_large_graphs():
    graph = add_expander(empty(20_000), 3)
    assert 5.9 < ga.graphs.in_degree(graph).mean() <= 6


def test_draws_again_until_it_is_one(monkeypatch):
    second = iter([99.0, 99.0, 0.0])
    monkeypatch.setattr(_expander, "second_eigenvalue", lambda permutations: next(second))
    got = _expander.draw_permutations(20, 2, seed=0)
    rng = np.random.default_rng([0, 20])
    draws = [rng.permuted(np.tile(np.arange(20), (2, 1)), axis=1) for _ in range(3)]
    np.testing.assert_array_equal(got, draws[2])
    monkeypatch.setattr(_expander, "second_eigenvalue", lambda permutations: 99.0)
    with pytest.raises(
        ValueError, match=r"no expander among 100 .* 20 nodes with degree=2, seed=0"
    ):
        add_expander(empty(20), 2)


@pytest.mark.parametrize(("size", "degree"), [(0, 3), (1, 3), (2, 3), (10, 2), (15, 7)])
def test_small_graphs_get_all_pairs(size, degree):
    graph = add_expander(empty(size), degree)
    want = 1 - np.eye(size, dtype=np.float32)
    np.testing.assert_array_equal(ga.graphs.to_dense(graph), want)


def test_a_graph_gets_the_same_expander_alone_and_in_a_batch():
    sizes = (30, 4, 0, 30, 17)
    batch = ga.graphs.unbatch(add_expander(empty(*sizes), 3, seed=5))
    for size, got in zip(sizes, batch, strict=True):
        alone = add_expander(empty(size), 3, seed=5)
        np.testing.assert_array_equal(got.senders, alone.senders)
        np.testing.assert_array_equal(got.receivers, alone.receivers)


def test_the_seed_decides():
    graphs = [ga.graphs.to_dense(add_expander(empty(30), 3, seed=seed)) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(graphs[0], graphs[1])
    assert (graphs[0] != graphs[2]).sum() > 30


@given(data=st.data(), degree=st.integers(2, 3))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_a_union_that_keeps_the_graph(data, degree, batch_strategy, assert_same):
    graph = ga.graphs.batch([*data.draw(batch_strategy), *data.draw(batch_strategy)])
    one = graph._replace(
        n_node=graph.n_node.sum(keepdims=True, dtype=np.int32),
        n_edge=graph.n_edge.sum(keepdims=True, dtype=np.int32),
        globals=graph.globals[:1],
    )
    for old in (graph, one):  # small graphs, and mostly one with more than 10 nodes
        marked = old._replace(edges={"old": np.ones(len(old.senders), bool), "x": old.edges})
        grown = ga.graphs.validate(add_expander(marked, degree))
        is_old = grown.edges["old"]
        assert (grown.edges["x"][~is_old] == 0).all()
        np.testing.assert_array_equal(grown.edges["x"][is_old], old.edges)
        np.testing.assert_array_equal(grown.senders[is_old], old.senders)
        np.testing.assert_array_equal(grown.receivers[is_old], old.receivers)
        key = grown.receivers.astype(int) * 1000 + grown.senders
        assert len(np.unique(key[~is_old])) == (~is_old).sum()
        assert not np.isin(key[~is_old], key[is_old]).any()
        assert (grown.senders != grown.receivers)[~is_old].all()
        assert_same(grown.nodes, old.nodes)


def test_fill_and_errors(two_graphs):
    grown = add_expander(two_graphs, 3, edge_fill=7.0)
    assert grown.edges[:, 0].tolist() == [10, 11, 7, 7, 7, 7, 20, 21, 22, 7]
    with pytest.raises(ValueError, match=r"degree must be an integer of at least 2, got int 1"):
        add_expander(two_graphs, 1)
    with pytest.raises(ValueError, match=r"seed must be an integer of at least 0, got int -1"):
        add_expander(two_graphs, 3, seed=-1)
    padded = ga.graphs.pad(two_graphs, ga.graphs.Budget(8, 12, 4))
    with pytest.raises(ValueError, match="apply add_expander before pad"):
        add_expander(padded, 3)
