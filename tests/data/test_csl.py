import networkx as nx
import numpy as np
import pytest
from _folders import data_folder

import graphattn_jax as ga

SKIPS = [2, 3, 4, 5, 6, 9, 11, 12, 13, 16]


def spectrum(edges):
    """Eigenvalues of an undirected graph of 41 nodes; they tell circulant graphs of prime order apart."""
    adjacency = np.zeros((41, 41))
    adjacency[edges[:, 0], edges[:, 1]] = adjacency[edges[:, 1], edges[:, 0]] = 1
    return np.linalg.eigvalsh(adjacency)


def test_each_graph_is_the_circulant_graph_of_its_class():
    data = ga.data.load_csl()
    for graph, label in zip(ga.graphs.unbatch(data.graphs), data.labels, strict=True):
        want = spectrum(np.array(nx.circulant_graph(41, [1, SKIPS[label]]).edges))
        got = spectrum(np.stack([graph.senders, graph.receivers], axis=1))
        np.testing.assert_allclose(got, want, atol=1e-5)
        ga.graphs.validate(graph)
        assert ga.graphs.is_undirected(graph)


def test_one_graph_against_networkx():
    data = ga.data.load_csl(seed=3)
    graph = ga.graphs.to_networkx(ga.graphs.take(data.graphs, [40])).to_undirected()
    assert nx.is_isomorphic(nx.Graph(graph), nx.circulant_graph(41, [1, SKIPS[40 // 15]]))
    assert not nx.is_isomorphic(nx.Graph(graph), nx.circulant_graph(41, [1, SKIPS[0]]))


def test_copies_differ_and_the_seed_decides():
    first, again, other = (ga.data.load_csl(seed=s).graphs for s in (0, 0, 1))
    np.testing.assert_array_equal(first.senders, again.senders)
    assert (first.senders != other.senders).any()
    copies = first.senders.reshape(150, -1) - 41 * np.arange(150)[:, None]
    assert len(np.unique(copies, axis=0)) == 150


def test_folds_are_stratified_and_their_test_parts_cover_everything():
    data = ga.data.load_csl()
    assert len(data.splits) == 5
    for split in data.splits:
        np.testing.assert_array_equal(np.sort(np.concatenate(split)), np.arange(150))
        for ids, count in zip(split, (9, 3, 3), strict=True):
            assert np.bincount(data.labels[ids]).tolist() == [count] * 10
    np.testing.assert_array_equal(
        np.sort(np.concatenate([split.test for split in data.splits])), np.arange(150)
    )


@pytest.mark.data
def test_published_file_has_the_same_graphs():
    file = np.load(data_folder("graph/csl.npz") / "graph/csl.npz")
    data = ga.data.load_csl()
    np.testing.assert_array_equal(file["labels"], data.labels)
    for i, graph in enumerate(ga.graphs.unbatch(data.graphs)):
        published = spectrum(file["edges"][file["graph_id"] == i])
        ours = spectrum(np.stack([graph.senders, graph.receivers], axis=1))
        np.testing.assert_allclose(ours, published, atol=1e-5)
