import networkx as nx
import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

import graphattn_jax as ga
from graphattn_jax.encodings import effective_resistance
from graphattn_jax.encodings.host import _effective_resistance
from graphattn_jax.encodings.host._conjugate_gradient import conjugate_gradient
from graphattn_jax.encodings.host._laplacian import laplacian_of


def undirected(graph):
    return ga.graphs.add_reverse_edges(ga.graphs.from_networkx(graph))


def reference(graph, weight=None):
    """R_ij = L⁺_ii + L⁺_jj − 2 L⁺_ij, infinite where (L L⁺)_ij says: another component."""
    a = ga.graphs.to_dense(graph, weight).astype(np.float64)
    inverse = np.linalg.pinv(np.diag(a.sum(1)) - a, rcond=1e-10)
    diagonal = np.diag(inverse)
    r = diagonal[:, None] + diagonal[None, :] - 2 * inverse
    reach = np.linalg.matrix_power(a + np.eye(len(a)), len(a)) > 0
    return np.where(reach, r, np.inf)


def of_all_pairs(graph, **options):
    n = ga.graphs.num_nodes(graph)
    return effective_resistance(graph, pattern=ga.graphs.all_pairs(graph), **options).reshape(n, n)


@pytest.fixture(params=["dense", "sparse"])
def exact(request, monkeypatch):
    """Both ways to be exact, the sparse one for components of three nodes and more."""
    if request.param == "sparse":
        monkeypatch.setattr(_effective_resistance, "DENSE_NODES", 2)
        monkeypatch.setattr(_effective_resistance, "COLUMNS_AT_ONCE", 3)


@pytest.mark.parametrize("num_edges", [0, 16, 40])
def test_is_the_pseudo_inverse(exact, num_edges):
    graph = ga.testing.random_graph(0, 14, num_edges, 1, undirected=True, self_loops=True)
    got = of_all_pairs(graph)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, reference(graph), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(np.diag(got), 0)
    np.testing.assert_array_equal(got, got.T)


def test_weights_are_conductances(exact):
    graph = ga.testing.random_graph(1, 10, 30, 1, undirected=True)
    weight = 0.1 + np.abs(graph.nodes[graph.senders, 0] * graph.nodes[graph.receivers, 0])
    want = reference(graph, weight)
    np.testing.assert_allclose(of_all_pairs(graph, edge_weight=weight), want, rtol=1e-5, atol=1e-6)
    ten = of_all_pairs(graph, edge_weight=10 * weight)
    np.testing.assert_allclose(ten, want / 10, rtol=1e-5, atol=1e-6)


def test_foster_edges_sum_to_nodes_minus_components(exact):
    graph = ga.testing.random_graph(2, 60, 110, 1, undirected=True)
    parts = nx.number_connected_components(ga.graphs.to_networkx(graph).to_undirected())
    assert parts > 1
    total = effective_resistance(graph).astype(np.float64).sum() / 2
    np.testing.assert_allclose(total, 60 - parts, rtol=1e-5)


def test_in_trees_resistance_is_distance(exact):
    tree = undirected(nx.random_labeled_tree(40, seed=0))
    pairs = ga.graphs.all_pairs(tree)
    hops = ga.encodings.shortest_path_distances(tree, 40, pattern=pairs)
    np.testing.assert_allclose(effective_resistance(tree, pattern=pairs), hops, rtol=1e-5)


@pytest.mark.parametrize("n", [3, 8])
def test_complete_graphs_and_cycles(exact, n):
    complete = of_all_pairs(undirected(nx.complete_graph(n)))
    np.testing.assert_allclose(complete, 2 / n * (1 - np.eye(n)), rtol=1e-5, atol=1e-7)
    gap = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    cycle = of_all_pairs(undirected(nx.cycle_graph(n)))
    np.testing.assert_allclose(cycle, gap * (n - gap) / n, rtol=1e-5, atol=1e-6)


def test_duplicates_are_parallel_and_loops_carry_nothing(exact):
    graph = ga.graphs.from_edge_list([0, 1, 0, 1, 0, 1, 2], [1, 0, 1, 0, 0, 2, 1])
    want = [0.5, 0.5, 0.5, 0.5, 0, 1, 1]
    np.testing.assert_allclose(effective_resistance(graph), want, rtol=1e-6)


def test_an_edge_of_weight_zero_is_none():
    graph = ga.graphs.from_edge_list([0, 1, 1, 2], [1, 0, 2, 1])
    got = effective_resistance(graph, edge_weight=np.array([2.0, 2.0, 0.0, 0.0]))
    assert got.tolist() == [0.5, 0.5, np.inf, np.inf]


def test_directed_graphs_are_refused_or_symmetrised():
    arrow = ga.graphs.from_edge_list([0, 1], [1, 2])
    with pytest.raises(ValueError, match="effective_resistance needs an undirected graph"):
        effective_resistance(arrow)
    np.testing.assert_allclose(effective_resistance(arrow, directed="symmetrize"), 1, rtol=1e-6)


def test_a_long_path_is_exact():
    n = 5000
    path = ga.graphs.add_reverse_edges(ga.graphs.from_edge_list(np.arange(n - 1), np.arange(1, n)))
    pattern = ga.graphs.from_edge_list([0, n - 1, 17, 5], [n - 1, 0, 3, 5], num_nodes=n)
    got = effective_resistance(path, pattern=pattern)
    np.testing.assert_allclose(got, [n - 1, n - 1, 14, 0], rtol=1e-5)


@pytest.mark.parametrize("count", [8, 200])
def test_projection_has_the_promised_error(count):
    """Unbiased, with relative standard deviation √(2/k), over 100 draws of a small graph."""
    graph = ga.testing.random_graph(3, 12, 40, 1, undirected=True)
    weight = 0.5 + np.abs(graph.nodes[graph.senders, 0] * graph.nodes[graph.receivers, 0])
    pairs = ga.graphs.all_pairs(graph, self_loops=False)
    options = {"pattern": pairs, "edge_weight": weight}
    want = effective_resistance(graph, **options)
    draws = np.stack(
        [
            effective_resistance(
                graph, method="projection", num_projections=count, seed=seed, **options
            )
            for seed in range(100)
        ]
    )
    relative = draws / want - 1
    limit = np.sqrt(2 / count)
    np.testing.assert_allclose(relative.mean(0), 0, atol=5 * limit / np.sqrt(100))
    assert relative.std() <= limit
    assert relative.std() > 0.5 * limit


def test_projection_across_components():
    graph = ga.graphs.from_edge_list([0, 1, 2, 3], [1, 0, 3, 2], num_nodes=5)
    got = of_all_pairs(graph, method="projection", num_projections=3)
    want = np.full((5, 5), np.inf)  # one edge per component: its sign does not matter
    want[:2, :2] = want[2:4, 2:4] = 1 - np.eye(2)
    want[4, 4] = 0
    np.testing.assert_allclose(got, want, rtol=1e-6)


def test_projection_follows_its_seed():
    graph = ga.testing.random_graph(4, 10, 40, 1, undirected=True)
    draw = [effective_resistance(graph, method="projection", seed=s) for s in (0, 0, 1)]
    np.testing.assert_array_equal(draw[0], draw[1])
    assert (draw[0] != draw[2]).any()


@pytest.mark.parametrize("nodes", [2, 9, 40])
def test_projection_of_paths_and_trees_ends_for_every_seed(nodes):
    """Their columns are solved after few and different numbers of steps."""
    tree = nx.random_labeled_tree(nodes, seed=0)
    for graph in (
        undirected(nx.path_graph(nodes)),
        undirected(tree),
        undirected(nx.star_graph(nodes)),
    ):
        for seed in range(30):
            got = effective_resistance(graph, method="projection", seed=seed)
            np.testing.assert_allclose(got, 1, rtol=1e-4)  # of one edge: its sign does not matter


@given(
    edges=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=20),
    weight=st.lists(st.sampled_from([0.1, 1.0, 7.0]), min_size=20, max_size=20),
    tolerance=st.sampled_from([1e-2, 1e-6, 1e-12, 1e-200]),
    seed=st.integers(0, 99),
)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_columns_are_solved_whatever_stands_beside_them(edges, weight, tolerance, seed):
    ends = np.array(edges, int).reshape(-1, 2)
    root = np.sqrt(weight[: len(ends)])
    incidence = np.zeros((10, len(ends)))  # Bᵀ W^{1/2}
    np.add.at(incidence, (ends[:, 0], np.arange(len(ends))), root)
    np.add.at(incidence, (ends[:, 1], np.arange(len(ends))), -root)
    matrix = scipy.sparse.csr_array(incidence @ incidence.T)
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], (len(ends), 16))
    targets = incidence @ signs
    targets[:, 3] = 0
    got = conjugate_gradient(matrix, targets, tolerance=tolerance)
    alone = [conjugate_gradient(matrix, t[:, None], tolerance=tolerance) for t in targets.T]
    np.testing.assert_allclose(got, np.concatenate(alone, axis=1), rtol=1e-6, atol=1e-9)
    np.testing.assert_array_equal(got[:, 3], 0)
    diagonal = matrix.diagonal()[:, None]
    scale = np.divide(1, diagonal, out=np.zeros_like(diagonal), where=diagonal > 0)
    left, start = (np.sqrt(np.sum(scale * x**2, axis=0)) for x in (targets - matrix @ got, targets))
    assert (left <= 2 * tolerance * start + 1e-12).all()


@pytest.mark.parametrize("num_edges", [0, 30])
def test_conjugate_gradients_solve(rng, num_edges):
    graph = ga.testing.random_graph(5, 15, num_edges, 1, undirected=True)
    laplacian = laplacian_of(ga.graphs.to_scipy_sparse(graph).astype(np.float64), "combinatorial")
    targets = laplacian @ rng.normal(size=(15, 3))
    targets[:, 1] = 0
    got = conjugate_gradient(laplacian, targets, tolerance=1e-10)
    np.testing.assert_allclose(laplacian @ got, targets, atol=1e-8)
    np.testing.assert_array_equal(got[:, 1], 0)


def test_errors():
    graph = ga.graphs.from_edge_list([0, 1], [1, 0])
    with pytest.raises(ValueError, match="method must be one of 'exact', 'projection'"):
        effective_resistance(graph, method="fast")
    with pytest.raises(ValueError, match="num_projections must be a positive integer"):
        effective_resistance(graph, num_projections=0)
    with pytest.raises(ValueError, match=r"tolerance must lie in \(0, 1\), got 2"):
        effective_resistance(graph, tolerance=2)
    with pytest.raises(ValueError, match="directed must be one of 'error', 'symmetrize'"):
        effective_resistance(graph, directed="keep")
    with pytest.raises(ValueError, match="edge_weight must be finite and not negative, got -1"):
        effective_resistance(graph, edge_weight=np.array([-1.0, -1.0]))


def test_conjugate_gradients_say_when_they_give_up():
    path = ga.graphs.to_scipy_sparse(undirected(nx.path_graph(50))).astype(np.float64)
    targets = np.zeros((50, 1))
    targets[[0, -1], 0] = 1, -1
    with pytest.raises(ValueError, match=r"not reached in 5 steps.*Fix: method='exact'"):
        conjugate_gradient(
            laplacian_of(path, "combinatorial"), targets, tolerance=1e-6, max_steps=5
        )
