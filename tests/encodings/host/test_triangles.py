import itertools

import networkx as nx
import numpy as np
import pytest
import scipy.sparse

from graphattn_jax.encodings.host._triangles import triangles


def all_triangles(matrix):
    """Corners and the product of the sides of each triangle, from all triples of nodes."""
    dense = matrix.toarray()
    found = {}
    for i, j, k in itertools.combinations(range(len(dense)), 3):
        product = dense[i, j] * dense[j, k] * dense[i, k]
        if product:
            found[i, j, k] = product
    return found


@pytest.mark.parametrize("wedges", [1, 7, 2**20])
@pytest.mark.parametrize(
    "graph",
    [
        nx.gnm_random_graph(15, 50, seed=0),
        nx.wheel_graph(12),
        nx.complete_graph(6),
        nx.path_graph(4),
        nx.empty_graph(3),
        nx.empty_graph(0),
    ],
    ids=["random", "wheel", "complete", "path", "no edges", "no nodes"],
)
def test_each_triangle_once_with_its_sides(graph, wedges, rng, monkeypatch):
    monkeypatch.setattr("graphattn_jax.encodings.host._triangles._WEDGES", wedges)
    size = len(graph)
    weight = np.triu(rng.uniform(1, 2, (size, size)))
    pattern = nx.to_scipy_sparse_array(graph) if size else np.zeros((0, 0))
    matrix = scipy.sparse.csr_array(pattern * (weight + weight.T))
    want = all_triangles(matrix)
    got = {}
    for corners, sides in triangles(matrix):
        assert corners.shape == sides.shape == (3, len(corners[0]))
        for corner, product in zip(corners.T, sides.prod(axis=0)):
            key = tuple(sorted(corner.tolist()))
            assert key not in got
            got[key] = product
    assert got == pytest.approx(want)
    if size > 4:
        assert want


def test_a_hub_costs_no_more_than_its_edges(monkeypatch):
    """A star of 3,000 leaves with one triangle: its 3,000² / 2 pairs of edges are never looked at."""
    star = nx.star_graph(3000)
    star.add_edge(1, 2)
    looked_at = []

    class Numpy:
        def __getattr__(self, name):
            return getattr(np, name)

        def repeat(self, values, counts):
            looked_at.append(int(np.sum(counts)))
            return np.repeat(values, counts)

    monkeypatch.setattr("graphattn_jax.encodings.host._triangles.np", Numpy())
    [(corners, _)] = triangles(scipy.sparse.csr_array(nx.to_scipy_sparse_array(star)))
    assert sorted(corners.ravel().tolist()) == [0, 1, 2]
    assert max(looked_at) <= 2 * star.number_of_edges()
