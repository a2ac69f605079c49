import jax
import networkx as nx
import numpy as np
import pytest
import scipy.stats

import graphattn_jax as ga
from graphattn_jax.encodings import init_laplace_deepset, init_spe, laplace_deepset, spe
from graphattn_jax.encodings import laplacian_eigenvectors as eigenvectors

PARAMS = jax.tree.map(lambda x: x + 0.1, init_spe(jax.random.key(0), 6, functions=3, hidden=8))


def perceptron(params, x):
    (w1, b1), (w2, b2) = (tuple(map(np.asarray, layer)) for layer in params.layers)
    return np.maximum(x @ w1 + b1, 0) @ w2 + b2


@pytest.mark.parametrize("pattern", ["edges", "all pairs"])
def test_equation_with_dense_matrices(graph_of, pattern):
    graph = graph_of(nx.gnm_random_graph(9, 14, seed=4))
    vectors, values, mask = eigenvectors(graph, 5)
    where = ga.graphs.all_pairs(graph) if pattern == "all pairs" else graph
    phi = perceptron(PARAMS.phi, values[0][:, None])
    matrices = np.einsum("ik,km,jk->ijm", vectors, phi, vectors)
    messages = perceptron(PARAMS.pair, matrices)
    links = ga.graphs.to_dense(where).astype(float)
    received = np.einsum("ij,ijm->im", links, messages)
    diagonal = np.einsum("iim->im", matrices)
    want = perceptron(PARAMS.rho, np.concatenate([diagonal, received], 1))
    got = spe(PARAMS, vectors, values, mask, where)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "graph, spaces",
    [(nx.cycle_graph(9), [2, 2, 2, 2]), (nx.complete_graph(6), [5]), (nx.path_graph(5), [1] * 4)],
    ids=["cycle", "complete", "path"],
)
def test_another_basis_of_each_eigenspace_gives_the_same(graph, spaces, graph_of):
    graph = graph_of(graph)
    vectors, values, mask = eigenvectors(graph, sum(spaces))
    turned, start = vectors.copy(), 0
    for i, size in enumerate(spaces):
        rotation = (
            scipy.stats.ortho_group.rvs(size, random_state=i) if size > 1 else np.array([[-1.0]])
        )
        turned[:, start : start + size] = vectors[:, start : start + size] @ rotation
        start += size
    got, want = (spe(PARAMS, v, values, mask, graph) for v in (turned, vectors))
    np.testing.assert_allclose(got, want, atol=1e-5)
    # The same change is visible to an encoder of the vectors themselves.
    deepset = init_laplace_deepset(jax.random.key(0), 4)
    got, want = (laplace_deepset(deepset, v, values, mask) for v in (turned, vectors))
    assert np.abs(got - want).max() > 1e-2


def test_nodes_of_a_vertex_transitive_graph_are_equal(graph_of):
    graph = graph_of(nx.cycle_graph(8))
    eigen = eigenvectors(graph, 6)  # three whole eigenspaces
    got = np.asarray(spe(PARAMS, *eigen, graph))
    np.testing.assert_allclose(got, np.tile(got[:1], (8, 1)), atol=1e-5)


def test_stable_where_eigenvectors_are_not(graph_of):
    # Two bases that are far apart, of two nearly equal matrices.
    graph = graph_of(nx.cycle_graph(9))
    results = []
    for i in range(2):
        weight = np.ones(18)
        weight[[i, i + 9]] = 1.001  # edge i, both directions
        vectors, values, mask = eigenvectors(graph, 2, edge_weight=weight)
        results.append((vectors, spe(PARAMS, vectors, values, mask, graph)))
    (v0, p0), (v1, p1) = results
    assert np.abs(v0 - v1).max() > 0.1
    np.testing.assert_allclose(p0, p1, atol=5e-3 * np.abs(p0).max())


def test_padding_edges_send_nothing_wherever_they_lead(graph_of):
    graph = graph_of(nx.cycle_graph(6))
    eigen = eigenvectors(graph, 4)
    keep = np.arange(12) % 3 > 0
    order = np.argsort(~keep, kind="stable")
    fewer = graph._replace(senders=graph.senders[keep], receivers=graph.receivers[keep])
    masked = ga.graphs.PaddedGraphsTuple(*ga.testing.permute_edges(graph, order))
    masked = masked._replace(n_node=np.array([6, 1], np.int32), n_edge=np.array([8, 4], np.int32))
    longer = (np.concatenate([x, np.zeros_like(x[:1])]) for x in eigen)
    got = spe(PARAMS, *longer, masked)
    np.testing.assert_allclose(got[:6], spe(PARAMS, *eigen, fewer), atol=1e-6)
    assert not got[6:].any()


def test_no_pairs(graph_of):
    eigen = eigenvectors(graph_of(nx.cycle_graph(6)), 4)
    assert spe(PARAMS, *eigen, ga.graphs.from_edge_list([], [], num_nodes=6)).shape == (6, 6)


def test_a_pattern_on_other_nodes_is_refused(graph_of):
    eigen = eigenvectors(graph_of(nx.cycle_graph(6)), 4)
    with pytest.raises(ValueError, match=r"edges.senders must lie in \[0, 6\) for 6 nodes, got 6"):
        spe(PARAMS, *eigen, graph_of(nx.path_graph(8)))
