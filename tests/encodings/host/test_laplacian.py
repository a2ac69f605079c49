import networkx as nx
import numpy as np
import pytest
import scipy.sparse

import graphattn_jax as ga
from graphattn_jax.encodings import laplacian

NORMALIZATIONS = ["symmetric", "combinatorial", "random_walk"]


def by_hand(adjacency, normalization):
    degree = adjacency.sum(1)
    inverse = np.diag([1 / d if d > 0 else 0.0 for d in degree])
    combinatorial = np.diag(degree) - adjacency
    if normalization == "combinatorial":
        return combinatorial
    if normalization == "random_walk":
        return inverse @ combinatorial
    return np.sqrt(inverse) @ combinatorial @ np.sqrt(inverse)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_definition_with_weights_loops_duplicates_and_isolated_nodes(normalization):
    # 0=1 twice (weights 1 and 2), 1-2 weight 0.5, loop on 2 of weight 3, node 3 isolated
    senders, receivers = np.array([0, 1, 0, 1, 1, 2, 2]), np.array([1, 0, 1, 0, 2, 1, 2])
    weight = np.array([1.0, 1.0, 2.0, 2.0, 0.5, 0.5, 3.0])
    graph = ga.graphs.from_edge_list(senders, receivers, num_nodes=4)
    adjacency = np.zeros((4, 4))
    np.add.at(adjacency, (receivers, senders), weight)
    got = laplacian(graph, normalization=normalization, edge_weight=weight)
    assert isinstance(got, scipy.sparse.csr_array) and got.dtype == np.float64
    assert got.has_sorted_indices
    np.testing.assert_allclose(got.toarray(), by_hand(adjacency, normalization), atol=1e-12)
    column = laplacian(graph, normalization=normalization, edge_weight=weight[:, None])
    np.testing.assert_array_equal(column.toarray(), got.toarray())


def test_agrees_with_networkx():
    graph = nx.gnm_random_graph(12, 20, seed=3)
    got = laplacian(ga.graphs.from_networkx(graph)).toarray()
    np.testing.assert_allclose(got, nx.normalized_laplacian_matrix(graph).toarray(), atol=1e-12)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_eigenvalue_zero_once_per_component(normalization, mixed_batch):
    batch = ga.graphs.batch(mixed_batch)
    matrix = laplacian(batch, normalization=normalization).toarray()
    components = nx.number_connected_components(nx.from_numpy_array(matrix != 0))
    assert np.sum(np.abs(np.linalg.eigvals(matrix)) < 1e-9) == components


def test_padding_is_empty_and_a_batch_is_block_diagonal(mixed_batch):
    batch = ga.graphs.batch(mixed_batch)
    alone = scipy.sparse.block_diag([laplacian(g) for g in mixed_batch]).toarray()
    np.testing.assert_allclose(laplacian(batch).toarray(), alone, atol=1e-12)
    size = len(alone)
    padded = ga.graphs.pad(batch, ga.graphs.Budget(size + 5, len(batch.senders) + 9, 8))
    got = laplacian(padded).toarray()
    np.testing.assert_allclose(got[:size, :size], alone, atol=1e-12)
    assert not got[size:].any() and not got[:, size:].any()


def test_no_edges_and_no_nodes():
    assert not laplacian(ga.graphs.from_edge_list([], [], num_nodes=3)).toarray().any()
    assert laplacian(ga.graphs.from_edge_list([], [], num_nodes=0)).shape == (0, 0)


def test_directed_graphs():
    graph = ga.graphs.from_edge_list([0, 1], [1, 2])
    with pytest.raises(ValueError, match="undirected graph: every edge in both directions"):
        laplacian(graph)
    got = laplacian(graph, normalization="combinatorial", directed="symmetrize").toarray()
    np.testing.assert_array_equal(got, [[1, -1, 0], [-1, 2, -1], [0, -1, 1]])


def test_errors():
    graph = ga.graphs.from_edge_list([0, 1], [1, 0])
    with pytest.raises(ValueError, match="normalization must be one of 'symmetric', 'comb"):
        laplacian(graph, normalization="sym")
    with pytest.raises(ValueError, match="directed must be one of 'error', 'symmetrize'"):
        laplacian(graph, directed="keep")
    with pytest.raises(ValueError, match="edge_weight must be finite and not negative, got -1"):
        laplacian(graph, edge_weight=[-1.0, -1.0])
