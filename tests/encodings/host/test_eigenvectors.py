import networkx as nx
import numpy as np
import pytest

import graphattn_jax as ga
from graphattn_jax.encodings import laplacian, laplacian_eigenvectors
from graphattn_jax.encodings.host import _eigenvectors

NORMALIZATIONS = ["symmetric", "combinatorial", "random_walk"]

# Non-trivial spectra in ascending order.
SPECTRA = {
    "cycle symmetric": (nx.cycle_graph(9), 1 - np.cos(2 * np.pi * np.repeat([1, 2, 3, 4], 2) / 9)),
    "cycle combinatorial": (
        nx.cycle_graph(9),
        2 - 2 * np.cos(2 * np.pi * np.repeat([1, 2, 3, 4], 2) / 9),
    ),
    "path symmetric": (nx.path_graph(8), 1 - np.cos(np.pi * np.arange(1, 8) / 7)),
    "path combinatorial": (nx.path_graph(8), 2 - 2 * np.cos(np.pi * np.arange(1, 8) / 8)),
    "complete symmetric": (nx.complete_graph(6), np.full(5, 6 / 5)),
    "complete combinatorial": (nx.complete_graph(6), np.full(5, 6.0)),
    "star symmetric": (nx.star_graph(5), [1, 1, 1, 1, 2]),
    "star combinatorial": (nx.star_graph(5), [1, 1, 1, 1, 6]),
    "hypercube random_walk": (nx.hypercube_graph(3), [2 / 3] * 3 + [4 / 3] * 3 + [2]),
    "hypercube combinatorial": (nx.hypercube_graph(3), [2] * 3 + [4] * 3 + [6]),
}


@pytest.mark.parametrize("case", SPECTRA)
@pytest.mark.parametrize("max_dense", [256, 1], ids=["stacked", "large"])
def test_closed_forms(case, max_dense, graph_of):
    graph, want = SPECTRA[case]
    eigen = laplacian_eigenvectors(
        graph_of(graph), len(want), normalization=case.split()[1], max_dense=max_dense
    )
    np.testing.assert_allclose(eigen.values, np.tile(want, (len(graph), 1)), atol=1e-6)
    assert eigen.mask.all()


def check_eigenpairs(graph, eigen, normalization):
    """Residuals, norms per component, and orthogonality to the trivial vector."""
    matrix = laplacian(graph, normalization=normalization).toarray()
    vectors, values = eigen.vectors.astype(float), eigen.values.astype(float)
    np.testing.assert_allclose(matrix @ vectors, vectors * values, atol=2e-6)
    for part in nx.connected_components(nx.from_numpy_array((matrix != 0).astype(int))):
        rows = sorted(part)
        norms = np.linalg.norm(vectors[rows], axis=0)
        np.testing.assert_allclose(norms, eigen.mask[rows[0]], atol=1e-6)
        assert (values[rows] == values[rows[0]]).all()
        assert (np.diff(values[rows[0]][eigen.mask[rows[0]]]) >= 0).all()


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("max_dense", [256, 10])
def test_residuals_and_norms_of_a_batch(normalization, max_dense, mixed_batch):
    batch = ga.graphs.batch(mixed_batch)
    eigen = laplacian_eigenvectors(batch, 6, normalization=normalization, max_dense=max_dense)
    assert [a.shape for a in eigen] == [(len(eigen.vectors), 6)] * 3
    assert [a.dtype for a in eigen] == [np.float32, np.float32, bool]
    check_eigenpairs(batch, eigen, normalization)


def test_numbers_of_pairs(mixed_batch):
    eigen = laplacian_eigenvectors(ga.graphs.batch(mixed_batch), 6)
    sizes = [7] * 7 + [4] * 4 + [1, 1] + [3] * 3 + [1] + [5] * 5 + [24] * 24
    got = eigen.mask.sum(1)[: len(sizes)]
    np.testing.assert_array_equal(got, np.minimum(np.array(sizes) - 1, 6))
    assert not eigen.vectors[~eigen.mask].any() and not eigen.values[~eigen.mask].any()
    assert (eigen.values[eigen.mask] > 0).all()


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_the_trivial_pair(normalization, mixed_batch):
    batch = ga.graphs.batch(mixed_batch)
    eigen = laplacian_eigenvectors(batch, 4, normalization=normalization, skip_zero=False)
    rest = laplacian_eigenvectors(batch, 3, normalization=normalization)
    np.testing.assert_allclose(eigen.values[:, 0], 0, atol=1e-6)
    assert eigen.mask[:, 0].all()
    degree = laplacian(batch, normalization="combinatorial").diagonal()
    cycle, path = eigen.vectors[:7, 0], eigen.vectors[7:11, 0]
    np.testing.assert_allclose(cycle, np.full(7, 7**-0.5), atol=1e-6)
    want = np.sqrt(degree[7:11]) if normalization == "symmetric" else np.ones(4)
    np.testing.assert_allclose(path, want / np.linalg.norm(want), atol=1e-6)
    assert eigen.vectors[11, 0] == 1  # isolated
    for got, expected in zip(eigen, rest, strict=True):
        np.testing.assert_allclose(got[:, 1:], expected, atol=1e-6)


@pytest.mark.parametrize("max_dense", [256, 10])
def test_a_batch_is_each_graph_alone_and_padding_is_zero(mixed_batch, max_dense):
    batch = ga.graphs.batch(mixed_batch)
    alone = [laplacian_eigenvectors(g, 5, max_dense=max_dense) for g in mixed_batch]
    together = laplacian_eigenvectors(batch, 5, max_dense=max_dense)
    size = len(together.mask)
    budget = ga.graphs.Budget(size + 5, len(batch.senders) + 9, 8)
    padded = laplacian_eigenvectors(ga.graphs.pad(batch, budget), 5, max_dense=max_dense)
    for field in range(3):
        want = np.concatenate([eigen[field] for eigen in alone])
        np.testing.assert_allclose(together[field], want, atol=1e-6)
        np.testing.assert_allclose(padded[field][:size], want, atol=1e-6)
        assert not padded[field][size:].any()


def test_padding_has_no_trivial_pair(graph_of):
    padded = ga.graphs.pad(graph_of(nx.path_graph(3)), ga.graphs.Budget(6, 9, 2))
    eigen = laplacian_eigenvectors(padded, 2, skip_zero=False)
    assert eigen.mask[:3].all() and not eigen.mask[3:].any() and not eigen.vectors[3:].any()


@pytest.mark.parametrize("max_dense", [256, 10])
def test_signs_do_not_depend_on_the_order_of_nodes(max_dense, graph_of):
    graph = graph_of(nx.gnm_random_graph(30, 70, seed=5))  # simple spectrum, no symmetry
    permutation = np.random.default_rng(0).permutation(30)
    moved = ga.testing.permute_nodes(graph, permutation)
    eigen = laplacian_eigenvectors(graph, 5, max_dense=max_dense)
    again = laplacian_eigenvectors(moved, 5, max_dense=max_dense)
    np.testing.assert_allclose(again.vectors, eigen.vectors[permutation], atol=1e-5)
    assert (np.sum(eigen.vectors.astype(float) ** 3, axis=0) > 0).all()


def test_where_cubes_vanish_the_first_large_entry_is_positive(graph_of):
    eigen = laplacian_eigenvectors(graph_of(nx.path_graph(6)), 5, normalization="combinatorial")
    odd = eigen.vectors[:, ::2]
    np.testing.assert_allclose(odd, -odd[::-1], atol=1e-6)
    large = np.abs(odd) >= 0.5 * np.abs(odd).max(0)
    assert (np.take_along_axis(odd, large.argmax(0)[None], 0) > 0).all()


def test_projectors_of_multiple_eigenvalues(graph_of):
    complete = laplacian_eigenvectors(graph_of(nx.complete_graph(7)), 6)
    np.testing.assert_allclose(complete.vectors @ complete.vectors.T, np.eye(7) - 1 / 7, atol=1e-6)
    cycle = laplacian_eigenvectors(graph_of(nx.cycle_graph(11)), 2)
    i = np.arange(11)
    want = 2 / 11 * np.cos(2 * np.pi * (i[:, None] - i) / 11)
    np.testing.assert_allclose(cycle.vectors @ cycle.vectors.T, want, atol=1e-6)


def test_large_and_stacked_agree(graph_of):
    graph = graph_of(nx.gnm_random_graph(80, 240, seed=2))
    small = laplacian_eigenvectors(graph, 6)
    large = laplacian_eigenvectors(graph, 6, max_dense=8)
    for got, want in zip(large, small, strict=True):
        np.testing.assert_allclose(got, want, atol=1e-5)


def test_weights_scale_the_combinatorial_spectrum_and_not_the_normalised_one(graph_of):
    graph = graph_of(nx.gnm_random_graph(12, 30, seed=2))
    weight = np.full(len(graph.senders), 3.0)
    for normalization, factor in (("combinatorial", 3), ("symmetric", 1)):
        plain = laplacian_eigenvectors(graph, 4, normalization=normalization)
        weighted = laplacian_eigenvectors(graph, 4, normalization=normalization, edge_weight=weight)
        np.testing.assert_allclose(weighted.values, factor * plain.values, rtol=1e-5)
        np.testing.assert_allclose(weighted.vectors, plain.vectors, atol=1e-5)


def test_directed_graphs(graph_of):
    arcs = ga.graphs.from_edge_list([0, 1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="laplacian_eigenvectors needs an undirected graph"):
        laplacian_eigenvectors(arcs, 2)
    got = laplacian_eigenvectors(arcs, 2, directed="symmetrize")
    want = laplacian_eigenvectors(graph_of(nx.path_graph(4)), 2)
    np.testing.assert_allclose(got.vectors, want.vectors, atol=1e-6)


def test_nothing():
    for nodes in (0, 1, 3):
        eigen = laplacian_eigenvectors(ga.graphs.from_edge_list([], [], num_nodes=nodes), 2)
        assert eigen.vectors.shape == (nodes, 2)
        assert not eigen.mask.any() and not eigen.vectors.any()


def test_errors(graph_of):
    graph = graph_of(nx.path_graph(4))
    with pytest.raises(ValueError, match="k must be a positive integer, got int 0"):
        laplacian_eigenvectors(graph, 0)
    with pytest.raises(ValueError, match="max_dense must be a positive integer"):
        laplacian_eigenvectors(graph, 2, max_dense=0)
    with pytest.raises(ValueError, match="normalization must be one of"):
        laplacian_eigenvectors(graph, 2, normalization="rw")
    with pytest.raises(ValueError, match="directed must be one of 'error', 'symmetrize'"):
        laplacian_eigenvectors(graph, 2, directed="keep")


def test_many_small_components_are_solved_in_threads_with_the_same_result(monkeypatch):
    graphs = [ga.testing.random_graph(i, 4 + i % 7, 10, 1, undirected=True) for i in range(40)]
    batch = ga.graphs.batch(graphs)
    alone = ga.encodings.laplacian_eigenvectors(batch, 3)
    monkeypatch.setattr(_eigenvectors, "MANY_NODES", 1)
    threaded = ga.encodings.laplacian_eigenvectors(batch, 3)
    for one, other in zip(alone, threaded, strict=True):
        np.testing.assert_array_equal(one, other)
