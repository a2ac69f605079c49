import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np
import pytest
import scipy.linalg

import graphattn_jax as ga
from graphattn_jax.encodings import chebyshev_coefficients, chebyshev_filter, laplacian

FILTERS = {
    "heat": lambda x: np.exp(-3 * x),
    "polynomial": lambda x: 1 - 2 * x + x**3,
    "band": lambda x: 1 / (1 + 10 * (x - 0.7) ** 2),
}


@pytest.mark.parametrize("function", FILTERS.values(), ids=FILTERS)
@pytest.mark.parametrize("upper", [2.0, 9.0])
def test_coefficients_interpolate(function, upper):
    coefficients = chebyshev_coefficients(function, 200, upper=upper)
    x = np.linspace(0, upper, 57)
    got = np.polynomial.chebyshev.chebval(2 * x / upper - 1, coefficients)
    np.testing.assert_allclose(got, function(x), atol=1e-5 * np.abs(function(x)).max())


def test_coefficients_of_chebyshev_polynomials():
    square = chebyshev_coefficients(lambda x: 2 * (x - 1) ** 2 - 1, 4)
    np.testing.assert_allclose(square, [0, 0, 1, 0, 0], atol=1e-7)
    np.testing.assert_allclose(chebyshev_coefficients(lambda x: 0 * x + 5, 0), [5])
    assert square.dtype == np.float32


@pytest.mark.parametrize("normalization", ["symmetric", "combinatorial", "random_walk"])
@pytest.mark.parametrize("weighted", [False, True])
def test_filter_is_the_function_of_the_matrix(normalization, weighted, graph_of, rng):
    graph = graph_of(nx.disjoint_union(nx.gnm_random_graph(9, 16, seed=0), nx.empty_graph(1)))
    weight = None
    if weighted:
        half = rng.uniform(0.5, 2, len(graph.senders) // 2).astype(np.float32)
        weight = np.concatenate([half, half])
    matrix = laplacian(graph, normalization=normalization, edge_weight=weight).toarray()
    upper = 2 * matrix.diagonal().max()
    coefficients = chebyshev_coefficients(lambda x: np.exp(-0.5 * x), 24, upper=upper)
    got = chebyshev_filter(
        graph,
        np.eye(10, dtype=np.float32),
        coefficients,
        upper=upper,
        normalization=normalization,
        edge_weight=weight,
    )
    np.testing.assert_allclose(got, scipy.linalg.expm(-0.5 * matrix), atol=1e-5)
    if normalization != "symmetric":
        np.testing.assert_allclose(got.sum(1), np.ones(10), atol=1e-5)  # heat is preserved


def test_jit_gradients_and_padding(graph_of, rng, debug_nans):
    graph = graph_of(nx.path_graph(5))
    signal = rng.normal(size=(5, 2)).astype(np.float32)
    padded = ga.graphs.pad(graph._replace(nodes=signal), ga.graphs.Budget(9, 14, 3))
    spoilt = padded.nodes.copy()
    spoilt[5:] = 7.0
    coefficients = jnp.array([0.5, -1.0, 0.25])

    def loss(coefficients, signal, graph):
        out = chebyshev_filter(graph, signal, coefficients)
        return jnp.sum(out**2), out

    run = jax.jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True))
    (_, want), alone = run(coefficients, signal, graph)
    (_, got), together = run(coefficients, spoilt, padded)
    np.testing.assert_allclose(got[:5], want, atol=1e-6)
    np.testing.assert_allclose(together[0], alone[0], rtol=1e-5)
    np.testing.assert_allclose(together[1][:5], alone[1], atol=1e-5)
    assert not got[5:].any() and not together[1][5:].any()
    scaled = laplacian(graph).toarray() - np.eye(5)  # upper = 2
    dense = 0.5 * np.eye(5) - scaled + 0.25 * (2 * scaled @ scaled - np.eye(5))
    np.testing.assert_allclose(want, dense @ signal, atol=1e-5)


def test_edge_cases(graph_of):
    graph = graph_of(nx.path_graph(3))
    constant = chebyshev_filter(graph, np.ones((3, 1), np.float32), jnp.array([2.0]))
    np.testing.assert_array_equal(constant, np.full((3, 1), 2.0))
    half = chebyshev_filter(graph, jnp.ones((3, 1), jnp.bfloat16), jnp.array([2.0, 1.0]))
    assert half.dtype == jnp.bfloat16
    nothing = ga.graphs.from_edge_list([], [], num_nodes=2)
    # L = 0, so g(0) = 2 - 1.
    out = chebyshev_filter(nothing, np.ones((2, 1), np.float32), jnp.array([2.0, 1.0]))
    np.testing.assert_array_equal(out, np.ones((2, 1)))


def test_errors(graph_of):
    graph, signal = graph_of(nx.path_graph(3)), np.ones((3, 1), np.float32)
    for arguments, message in (
        ((lambda x: x, -1), "degree must be an integer >= 0, got -1"),
        ((lambda x: np.float64(1), 3), r"function\(x\) must have shape \[4\]"),
        ((lambda x: x + np.inf, 3), r"function must be finite on \[0, 2.0\]"),
    ):
        with pytest.raises(ValueError, match=message):
            chebyshev_coefficients(*arguments)
    with pytest.raises(ValueError, match="upper must be positive"):
        chebyshev_coefficients(lambda x: x, 3, upper=0)
    with pytest.raises(ValueError, match=r"signal must have shape \[N, F\]"):
        chebyshev_filter(graph, signal[:, 0], jnp.ones(2))
    with pytest.raises(ValueError, match="coefficients must have at least one entry"):
        chebyshev_filter(graph, signal, jnp.ones(0))
    with pytest.raises(ValueError, match="normalization must be one of"):
        chebyshev_filter(graph, signal, jnp.ones(2), normalization="rw")
    with pytest.raises(ValueError, match=r"edge_weight must have shape \[4\], got \(3,\)"):
        chebyshev_filter(graph, signal, jnp.ones(2), edge_weight=np.ones(3))
