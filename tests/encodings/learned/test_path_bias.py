import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

import graphattn_jax as ga
from graphattn_jax.encodings import edge_features_on_paths, init_path_bias, path_bias

PARAMS = init_path_bias(jax.random.key(0), 4, 3, 2)
GRAPH = ga.testing.random_graph(0, 9, 24, 1, undirected=True, edge_width=3)
PAIRS = ga.graphs.all_pairs(GRAPH)
PATHS = edge_features_on_paths(GRAPH, 4, pattern=PAIRS)


def reference(weight, edges, paths):
    """Equation 7, pair by pair and edge by edge."""
    rows = []
    for path in paths:
        terms = [edges[e] @ weight[n] for n, e in enumerate(path) if e >= 0]
        rows.append(np.mean(terms, axis=0) if terms else np.zeros(weight.shape[2]))
    return np.stack(rows)


def test_is_the_mean_along_the_path():
    got = path_bias(PARAMS, GRAPH.edges, PATHS)
    want = reference(np.asarray(PARAMS.weight), GRAPH.edges, PATHS)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    assert np.abs(want).max() > 0.1
    np.testing.assert_allclose(jax.jit(path_bias)(PARAMS, GRAPH.edges, PATHS), got, atol=1e-6)


def test_depends_on_the_order_along_the_path():
    edges, paths = jnp.eye(3), np.array([[0, 1, -1, -1], [1, 0, -1, -1]])
    there, back = path_bias(PARAMS, edges, paths)
    assert (jnp.abs(there - back) > 1e-3).all()


def test_pairs_without_a_path_have_no_bias_and_no_gradient():
    nowhere = np.full((5, 4), -1)

    def total(edges):
        return path_bias(PARAMS, edges, nowhere).sum()

    edges = jnp.asarray(GRAPH.edges)
    assert total(edges) == 0
    np.testing.assert_array_equal(jax.grad(total)(edges), np.zeros_like(edges))
    assert path_bias(PARAMS, jnp.zeros((0, 3)), nowhere).shape == (5, 2)
    assert path_bias(PARAMS, edges, np.zeros((0, 4), np.int32)).shape == (0, 2)


def test_gradients():
    check_grads(
        lambda weight, edges: path_bias(type(PARAMS)(weight), edges, PATHS[:20]),
        (PARAMS.weight, jnp.asarray(GRAPH.edges)),
        order=1,
        modes=["rev"],
        rtol=0.02,
    )


def test_padding_and_virtual_nodes():
    budget = ga.graphs.Budget(n_node=12, n_edge=100, n_graph=2)
    padded, pattern = (ga.graphs.pad(g, budget) for g in (GRAPH, PAIRS))
    paths = edge_features_on_paths(padded, 4, pattern=pattern)
    got = path_bias(PARAMS, padded.edges, paths)
    np.testing.assert_allclose(got[:81], path_bias(PARAMS, GRAPH.edges, PATHS), rtol=1e-6)
    np.testing.assert_array_equal(got[81:], 0)
    paths = ga.encodings.extend_to_virtual_nodes(PATHS, PAIRS, -1)
    np.testing.assert_array_equal(path_bias(PARAMS, GRAPH.edges, paths)[81:], 0)


def test_half_precision_stays_half():
    got = path_bias(PARAMS, jnp.asarray(GRAPH.edges, jnp.bfloat16), PATHS)
    assert got.dtype == jnp.bfloat16
    want = path_bias(PARAMS, GRAPH.edges, PATHS)
    np.testing.assert_allclose(got.astype(jnp.float32), want, atol=0.03)


def test_errors():
    with pytest.raises(ValueError, match=r"edges must have shape \[E, 3\], got \(2, 2\)"):
        path_bias(PARAMS, jnp.ones((2, 2)), PATHS)
    with pytest.raises(ValueError, match=r"paths must have shape \[E_pattern, 4\]"):
        path_bias(PARAMS, GRAPH.edges, PATHS[:, :3])
    with pytest.raises(ValueError, match=r"paths other than -1 must lie in \[0, 24\)"):
        path_bias(PARAMS, GRAPH.edges, np.full((1, 4), 24))
    with pytest.raises(ValueError, match="edges must be floating point"):
        path_bias(PARAMS, np.ones((2, 3), np.int32), PATHS)
    with pytest.raises(ValueError, match="heads must be a positive integer"):
        init_path_bias(jax.random.key(0), 1, 1, 0)
