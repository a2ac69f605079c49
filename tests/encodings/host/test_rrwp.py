import numpy as np
import pytest
from _walk_cases import cycle, dense_powers, grid, loops_and_duplicates, mixed, undirected

import graphattn_jax as ga
from graphattn_jax.encodings import rrwp, rwse


@pytest.fixture(params=["stacks", "columns"])
def method(request, monkeypatch):
    """Both ways of computing, each for components of all sizes."""
    if request.param == "columns":
        monkeypatch.setattr("graphattn_jax.encodings.host._rrwp.DENSE_NODES", 1)
        monkeypatch.setattr("graphattn_jax.encodings.host._rrwp.COLUMNS", 3)


def at(powers, pattern):
    return powers[pattern.receivers, pattern.senders]


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("k", [1, 2, 6])
@pytest.mark.parametrize("graph", [mixed(), loops_and_duplicates(), grid(6, 3)])
def test_equals_dense_powers_at_all_pairs(graph, k, symmetric, method):
    pairs = ga.graphs.all_pairs(graph)
    values = rrwp(graph, k, pattern=pairs, symmetric=symmetric)
    assert values.dtype == np.float32
    want = dense_powers(graph, k - 1, symmetric=symmetric)
    np.testing.assert_allclose(values, at(want, pairs), atol=1e-6)


def test_rows_sum_to_one_over_all_pairs():
    graph = grid(12, 12)  # larger than a dense block
    pairs = ga.graphs.all_pairs(graph)
    values = rrwp(graph, 5, pattern=pairs)
    sums = np.zeros((144, 5))
    np.add.at(sums, pairs.receivers, values)
    np.testing.assert_allclose(sums, np.ones((144, 5)), atol=1e-5)


def test_the_receiver_starts_and_its_degree_divides():
    graph = undirected([(0, 1), (0, 2), (0, 3)], 4)
    values = rrwp(graph, 2)
    np.testing.assert_allclose(values[:, 1], np.where(graph.receivers == 0, 1 / 3, 1), rtol=1e-6)


def test_only_the_pairs_of_the_pattern_in_their_order(rng, method):
    graph = mixed()
    pairs = ga.graphs.all_pairs(graph)
    n_edge = np.asarray(pairs.n_edge)
    keep = rng.permutation(int(n_edge.sum()))[:40]
    pattern = pairs._replace(
        senders=pairs.senders[keep],
        receivers=pairs.receivers[keep],
        n_edge=np.r_[40, n_edge[1:] * 0].astype(np.int32),
    )
    np.testing.assert_array_equal(
        rrwp(graph, 4, pattern=pattern), rrwp(graph, 4, pattern=pairs)[keep]
    )


def test_pairs_of_different_components_get_zero():
    graph = undirected([(0, 1), (2, 3)], 4)
    values = rrwp(graph, 3, pattern=ga.graphs.all_pairs(graph)).reshape(4, 4, 3)
    np.testing.assert_array_equal(values[:2, 2:], np.zeros((2, 2, 3)))
    assert values[:2, :2].any()


def test_symmetric_form_is_symmetric_and_both_have_the_diagonal_of_rwse():
    graph = ga.testing.random_graph(0, 14, 60, 1, undirected=True)
    pairs = ga.graphs.all_pairs(graph)
    plain, symmetric = (
        rrwp(graph, 5, pattern=pairs, symmetric=s).reshape(14, 14, 5) for s in (False, True)
    )
    np.testing.assert_allclose(symmetric, symmetric.swapaxes(0, 1), atol=1e-6)
    assert abs(plain - plain.swapaxes(0, 1)).max() > 0.05
    for values in (plain, symmetric):
        np.testing.assert_allclose(np.diagonal(values).T[:, 1:], rwse(graph, 4), atol=1e-6)


def test_directed_walks_go_from_receiver_to_sender(method):
    graph = ga.graphs.from_edge_list([0, 1, 2], [1, 2, 0])
    pairs = ga.graphs.all_pairs(graph)
    values = rrwp(graph, 4, pattern=pairs, directed="keep")
    np.testing.assert_allclose(values, at(dense_powers(graph, 3), pairs), atol=1e-6)
    assert values[(pairs.receivers == 1) & (pairs.senders == 0), 1] == 1
    with pytest.raises(ValueError, match="rrwp needs an undirected graph"):
        rrwp(graph, 4)


def test_weights(rng, method):
    graph = undirected([(0, 1), (1, 2), (0, 2), (2, 3)], 4)
    weight = np.tile(rng.uniform(0.5, 2, 4), 2)
    want = dense_powers(graph, 3, weight)
    np.testing.assert_allclose(rrwp(graph, 4, edge_weight=weight), at(want, graph), atol=1e-6)


def test_padding_pairs_get_zero():
    graph = mixed()
    n, e = ga.graphs.num_nodes(graph), len(graph.senders)
    padded = ga.graphs.pad(graph, ga.graphs.Budget(n + 3, e + 7, 9))
    values = rrwp(padded, 3)
    np.testing.assert_array_equal(values[:e], rrwp(graph, 3))
    np.testing.assert_array_equal(values[e:], np.zeros((7, 3)))


def test_permutation_equivariance(rng):
    graph = grid(10, 15)
    order = rng.permutation(150)
    moved = ga.testing.permute_nodes(graph, order)  # edges keep their order
    np.testing.assert_allclose(rrwp(moved, 5), rrwp(graph, 5), atol=1e-6)


def test_no_nodes_and_no_edges():
    assert rrwp(undirected([], 0), 3).shape == (0, 3)
    loops = ga.graphs.add_self_loops(undirected([], 2))
    np.testing.assert_array_equal(rrwp(undirected([], 2), 3, pattern=loops), [[1, 0, 0], [1, 0, 0]])


def test_errors():
    with pytest.raises(ValueError, match="k must be a positive integer"):
        rrwp(cycle(4), 0)
    with pytest.raises(ValueError, match="pattern must have the nodes of graph, got 5 and 4"):
        rrwp(cycle(4), 2, pattern=cycle(5))
