import jax
import networkx as nx
import numpy as np
import pytest

import graphattn_jax as ga
from graphattn_jax.encodings import init_signnet, laplacian_eigenvectors, signnet


def perceptron(params, x):
    (w1, b1), (w2, b2) = (tuple(map(np.asarray, layer)) for layer in params.layers)
    return np.maximum(x @ w1 + b1, 0) @ w2 + b2


@pytest.mark.parametrize("with_edges", [True, False])
def test_equation_vector_by_vector(graph_of, with_edges):
    networkx_graph = nx.gnm_random_graph(7, 12, seed=0)
    graph = graph_of(networkx_graph)
    vectors, values, mask = laplacian_eigenvectors(graph, 8)  # two more than there are
    assert mask.sum(1).tolist() == [6] * 7
    params = init_signnet(jax.random.key(0), 8, 4, hidden=32, channels=2, layers=2)
    params = jax.tree.map(lambda x: x + 0.1, params)
    gather = np.eye(7) + (nx.to_numpy_array(networkx_graph) if with_edges else 0)

    def phi(v, value):
        h = perceptron(params.phi[0], gather @ np.stack([v, value], 1))
        return perceptron(params.phi[1], gather @ np.maximum(h, 0))

    pairs = zip(vectors.T[:6], values.T[:6], strict=True)
    columns = [phi(v, x) + phi(-v, x) for v, x in pairs] + [np.zeros((7, 2))] * 2
    want = perceptron(params.rho, np.concatenate(columns, 1))
    assert np.ptp(want, axis=0).min() > 0.1  # ρ is alive
    got = signnet(params, vectors, values, mask, graph if with_edges else None)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


def test_any_signs_give_the_same_and_columns_differ(graph_of, rng):
    graph = graph_of(nx.gnm_random_graph(12, 24, seed=2))
    vectors, values, mask = laplacian_eigenvectors(graph, 5)
    params = init_signnet(jax.random.key(0), 5, 8)
    encode = jax.jit(lambda v: signnet(params, v, values, mask, graph))
    signs = rng.choice([-1, 1], 5).astype(np.float32)
    np.testing.assert_allclose(encode(vectors * signs), encode(vectors), atol=1e-6)
    # Not the same signs over all nodes: another vector, another result.
    assert np.abs(encode(np.abs(vectors)) - encode(vectors)).max() > 1e-3


def test_errors():
    params = init_signnet(jax.random.key(0), 3, 4)
    x, mask = np.ones((2, 4), np.float32), np.ones((2, 4), bool)
    with pytest.raises(ValueError, match="vectors must have 3 columns, as the parameters, got 4"):
        signnet(params, x, x, mask)
    path = ga.graphs.from_edge_list([0, 1, 1, 2], [1, 0, 2, 1])
    with pytest.raises(ValueError, match=r"edges.senders must lie in \[0, 2\) for 2 nodes, got 2"):
        signnet(params, x[:, :3], x[:, :3], mask[:, :3], path)
    with pytest.raises(ValueError, match="layers must be a positive integer"):
        init_signnet(jax.random.key(0), 3, 4, layers=0)
    with pytest.raises(ValueError, match="num_vectors must be a positive integer"):
        init_signnet(jax.random.key(0), 0, 4)
