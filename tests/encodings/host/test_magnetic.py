import networkx as nx
import numpy as np
import pytest

import graphattn_jax as ga
from graphattn_jax.encodings import laplacian_eigenvectors, magnetic_laplacian_eigenvectors

RNG = np.random.default_rng(0)
GRAPHS = 200


def digraph(n, edges, rng=RNG):
    """With parallel edges, loops, mutual edges and isolated nodes."""
    return ga.graphs.from_edge_list(*rng.integers(0, n, (2, edges)), num_nodes=n)


def dense_laplacian(graph, q, normalization="symmetric"):
    n = int(graph.n_node.sum())
    a = np.zeros((n, n))
    np.add.at(a, (graph.receivers, graph.senders), 1.0)
    w = np.maximum(a, a.T)
    h = w * np.exp(2j * np.pi * q * (a - a.T) / np.where(w > 0, w, 1))
    d = w.sum(1)
    if normalization == "combinatorial":
        return np.diag(d) - h
    root = np.where(d > 0, np.where(d > 0, d, 1) ** -0.5, 0)
    return np.diag((d > 0).astype(float)) - root[:, None] * h * root[None]


def vectors_of(eigen):
    return eigen.vectors[..., 0] + 1j * eigen.vectors[..., 1]


@pytest.mark.parametrize("normalization", ["symmetric", "combinatorial"])
def test_random_digraphs_against_dense_matrices(normalization):
    """In one batch, so that none hears of another."""
    graphs = [digraph(int(RNG.integers(1, 7)), int(RNG.integers(0, 12))) for _ in range(GRAPHS)]
    options = {"q": 0.17, "normalization": normalization}
    eigen = magnetic_laplacian_eigenvectors(ga.graphs.batch(graphs), 6, **options)
    start = 0
    for graph in graphs:
        n = int(graph.n_node[0])
        matrix = dense_laplacian(graph, **options)
        v, values, mask = (x[start : start + n] for x in (vectors_of(eigen), *eigen[1:]))
        start += n
        to = nx.Graph(zip(graph.senders.tolist(), graph.receivers.tolist()))
        to.add_nodes_from(range(n))
        for part in map(sorted, nx.connected_components(to)):
            own = matrix[np.ix_(part, part)]
            m = len(part)
            assert mask[part].sum(1).tolist() == [m] * m
            np.testing.assert_allclose(values[part[0], :m], np.linalg.eigvalsh(own), atol=1e-6)
            basis = v[part, :m]
            np.testing.assert_allclose(own @ basis, basis * values[part[0], :m], atol=1e-5)
            np.testing.assert_allclose(basis.conj().T @ basis, np.eye(m), atol=1e-5)
            skew = (np.abs(basis) ** 2 * basis).sum(0)
            clear = np.abs(skew) > 1e-3
            np.testing.assert_allclose(skew.imag, 0, atol=1e-5)
            assert (skew.real[clear] > 0).all()
    assert not eigen.vectors[~eigen.mask].any() and not eigen.values[~eigen.mask].any()


@pytest.mark.parametrize("n", [3, 4, 7])
@pytest.mark.parametrize("q", [0.0, 0.1, 0.25, 0.5])
def test_directed_cycle_in_closed_form(n, q):
    ids = np.arange(n)
    cycle = ga.graphs.from_edge_list(ids, (ids + 1) % n)
    eigen = magnetic_laplacian_eigenvectors(cycle, n, q=q)
    want = np.sort(1 - np.cos(2 * np.pi * (ids / n - q)))
    np.testing.assert_allclose(eigen.values, np.tile(want, (n, 1)), atol=1e-6)
    if (np.diff(want) > 1e-6).all():  # waves, whose entries have one length
        np.testing.assert_allclose(np.abs(vectors_of(eigen)), n**-0.5, atol=1e-6)


def test_a_tree_has_the_spectrum_of_the_undirected_one_and_phases_that_count_steps():
    tree = nx.balanced_tree(2, 3, create_using=nx.DiGraph)
    graph = ga.graphs.from_networkx(tree)
    eigen = magnetic_laplacian_eigenvectors(graph, 4, q=0.05)
    plain = laplacian_eigenvectors(graph, 4, skip_zero=False, directed="symmetrize")
    np.testing.assert_allclose(eigen.values, plain.values, atol=1e-6)
    turns = np.angle(vectors_of(eigen)[:, 0]) / (2 * np.pi * 0.05)
    depth = np.array([nx.shortest_path_length(tree, 0, i) for i in tree])
    np.testing.assert_allclose(turns - turns[0], depth, atol=1e-3)


def test_without_a_potential_it_is_the_laplacian():
    for graph in (digraph(9, 20), ga.graphs.add_reverse_edges(digraph(9, 20))):
        options = {"skip_zero": False, "directed": "symmetrize"}
        want = laplacian_eigenvectors(graph, 5, **options)
        got = magnetic_laplacian_eigenvectors(graph, 5, q=0.0)
        np.testing.assert_allclose(got.values, want.values, atol=1e-6)
        np.testing.assert_allclose(got.vectors[..., 0], want.vectors, atol=1e-4)
        np.testing.assert_allclose(got.vectors[..., 1], 0, atol=1e-4)
    undirected = magnetic_laplacian_eigenvectors(graph, 5, q=0.3)
    np.testing.assert_allclose(undirected.values, got.values, atol=1e-6)


def test_edges_turned_round_give_the_conjugate():
    graph = digraph(8, 24)
    one, other = (
        magnetic_laplacian_eigenvectors(g, 4, q=0.2) for g in (graph, ga.graphs.transpose(graph))
    )
    np.testing.assert_allclose(one.values, other.values, atol=1e-6)
    np.testing.assert_allclose(one.vectors, other.vectors * [1, -1], atol=1e-4)
    assert np.abs(one.vectors[..., 1]).max() > 0.05


def test_the_order_of_nodes_and_the_scale_of_weights_do_not_matter():
    graph, order = digraph(8, 24), RNG.permutation(8)
    moved = ga.testing.permute_nodes(graph, order)
    one, other = (magnetic_laplacian_eigenvectors(g, 5) for g in (graph, moved))
    np.testing.assert_allclose(other.vectors, one.vectors[order], atol=1e-4)
    weighted = magnetic_laplacian_eigenvectors(graph, 5, edge_weight=np.full(24, 1e4))
    np.testing.assert_allclose(weighted.vectors, one.vectors, atol=1e-4)


def test_large_components_by_the_sparse_solver():
    ids = np.arange(120)
    ring = ga.graphs.from_edge_list(ids, (ids + 1) % 120)
    for graph in (ring, digraph(120, 400)):
        dense, sparse = (
            magnetic_laplacian_eigenvectors(graph, 5, max_dense=size) for size in (256, 20)
        )
        np.testing.assert_allclose(sparse.values, dense.values, atol=1e-5)
        matrix, v = dense_laplacian(graph, 0.1), vectors_of(sparse)
        label = sparse.values
        here = sparse.mask.all(axis=1)
        rows = (matrix @ v - v * label)[here]
        np.testing.assert_allclose(rows, 0, atol=1e-5)
        gram = v[here].conj().T @ v[here]
        np.testing.assert_allclose(gram, np.eye(5), atol=1e-4)


def test_padding_and_isolated_nodes():
    graph = ga.graphs.from_edge_list([0, 1], [1, 2], num_nodes=4)
    padded = ga.graphs.pad(graph, ga.graphs.Budget(7, 6, 3))
    alone, eigen = (magnetic_laplacian_eigenvectors(g, 3) for g in (graph, padded))
    for x, y in zip(eigen, alone):
        np.testing.assert_array_equal(x[:4], y)
        assert not x[4:].any()
    assert eigen.mask[3].tolist() == [True, False, False]
    assert eigen.vectors[3, 0].tolist() == [1, 0] and eigen.values[3, 0] == 0


def test_errors():
    graph = digraph(3, 4)
    for options, message in (
        ({"k": 0}, "k must be a positive integer"),
        ({"q": 0.7}, r"q must be a number in \[0, 0.5\]"),
        ({"q": "0.1"}, "q must be a number"),
        ({"normalization": "random_walk"}, "normalization must be one of"),
        ({"edge_weight": np.full(4, -1.0)}, "edge_weight must be finite and not negative"),
    ):
        with pytest.raises(ValueError, match=message):
            magnetic_laplacian_eigenvectors(graph, **{"k": 2} | options)
