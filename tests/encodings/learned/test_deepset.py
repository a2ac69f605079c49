import jax
import networkx as nx
import numpy as np

from graphattn_jax.encodings import (
    init_laplace_deepset,
    laplace_deepset,
    laplacian_eigenvectors,
)


def test_equation_node_by_node(graph_of):
    vectors, values, mask = laplacian_eigenvectors(graph_of(nx.path_graph(4)), 5)
    params = jax.tree.map(lambda x: x + 0.1, init_laplace_deepset(jax.random.key(0), 3, hidden=4))
    (w1, b1), (w2, b2) = params.layers
    got = laplace_deepset(params, vectors, values, mask)
    for node in range(4):
        want = np.zeros(3)
        for k in range(3):  # the path has three non-trivial pairs
            pair = np.array([vectors[node, k], values[node, k]])
            want += np.maximum(np.maximum(pair @ w1 + b1, 0) @ w2 + b2, 0)
        np.testing.assert_allclose(got[node], want, atol=1e-5)


def test_order_of_pairs_does_not_count(graph_of):
    eigen = laplacian_eigenvectors(graph_of(nx.path_graph(6)), 5)
    params = init_laplace_deepset(jax.random.key(0), 8)
    turned = [x[:, ::-1] for x in eigen]
    np.testing.assert_allclose(
        laplace_deepset(params, *turned), laplace_deepset(params, *eigen), atol=1e-6
    )
