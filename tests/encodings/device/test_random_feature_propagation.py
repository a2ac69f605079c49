import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _walk_cases import complete, dense_transition, grid, mixed, star, undirected

import graphattn_jax as ga
from graphattn_jax.encodings import random_feature_propagation

KEY = jax.random.key(0)


def dense_trajectory(graph, features, steps, operator, weight=None):
    """One graph, step by step in float64."""
    step = dense_transition(graph, weight, symmetric=True)
    if operator == "laplacian":
        step = np.eye(len(step)) - step
    path = [np.asarray(jax.random.normal(KEY, (len(step), features), jnp.float32), np.float64)]
    for _ in range(steps):
        x = step @ path[-1]
        path.append(x / np.sqrt((x**2).mean(0)))
    return np.concatenate(path, 1)


@pytest.mark.parametrize("operator", ["adjacency", "laplacian"])
def test_equals_the_dense_trajectory(operator, rng):
    graph = grid(3, 4)
    weight = np.tile(rng.uniform(0.5, 2, 17), 2)
    values = random_feature_propagation(
        KEY, graph, num_features=3, num_steps=4, operator=operator, edge_weight=weight
    )
    assert values.dtype == jnp.float32
    want = dense_trajectory(graph, 3, 4, operator, weight)
    np.testing.assert_allclose(values, want, atol=1e-5)


def test_late_steps_are_the_dominant_eigenvector():
    graph = ga.testing.random_graph(0, 12, 80, 1, undirected=True)
    path = random_feature_propagation(KEY, graph, num_features=2, num_steps=40)
    root = np.sqrt(ga.graphs.in_degree(graph))
    want = root / np.sqrt((root**2).mean())
    np.testing.assert_allclose(abs(path[:, -2:]), np.stack([want, want], 1), atol=1e-4)


def test_each_graph_is_normalised_alone_and_zero_stays_zero(debug_nans):
    graph = mixed()
    path = np.asarray(random_feature_propagation(KEY, graph, num_features=2, num_steps=2))
    ids, degree = ga.graphs.node_graph_ids(graph), ga.graphs.in_degree(graph)
    for g in np.unique(ids):
        square = (path[ids == g, 2:] ** 2).mean(0)
        want = 1.0 if degree[ids == g].any() else 0.0
        np.testing.assert_allclose(square, np.full(4, want), rtol=1e-5)


def test_padding_preparation_and_jit_change_nothing():
    graph = mixed()
    n = ga.graphs.num_nodes(graph)
    padded = ga.graphs.pad(graph, ga.graphs.Budget(n + 4, len(graph.senders) + 6, 9))
    options = {"num_features": 2, "num_steps": 3, "operator": "laplacian"}
    plain = random_feature_propagation(KEY, graph, **options)
    run = jax.jit(lambda graph: random_feature_propagation(KEY, graph, **options))
    unprepared = ga.graphs.PaddedGraphsTuple(*padded)._replace(nodes=np.zeros((n + 4, 1)))
    for got in run(padded), run(unprepared):
        np.testing.assert_allclose(got[:n], plain, atol=1e-5)
        np.testing.assert_array_equal(got[n:], np.zeros((4, 8)))


def test_learned_weights_have_gradients():
    graph = complete(4)

    def loss(weight):
        return random_feature_propagation(
            KEY, graph, num_features=2, num_steps=3, edge_weight=weight
        )[0].sum()

    gradient = jax.jit(jax.grad(loss))(jnp.ones(12))
    assert np.isfinite(gradient).all() and abs(gradient).max() > 1e-3


def test_no_weight_no_edges_no_nodes(debug_nans):
    def last(weight):
        return random_feature_propagation(
            KEY, complete(3), num_features=2, num_steps=2, edge_weight=weight
        )[:, 2:]

    np.testing.assert_array_equal(last(jnp.zeros(6)), np.zeros((3, 4)))
    gradient = jax.grad(lambda weight: last(weight).sum())(jnp.zeros(6))
    np.testing.assert_array_equal(gradient, np.zeros(6))
    lone = random_feature_propagation(KEY, undirected([], 3), num_features=2, num_steps=2)
    np.testing.assert_array_equal(lone[:, 2:], np.zeros((3, 4)))
    empty = random_feature_propagation(KEY, undirected([], 0), num_features=2, num_steps=2)
    assert empty.shape == (0, 6)


def test_errors():
    with pytest.raises(ValueError, match="operator must be one of 'adjacency', 'laplacian'"):
        random_feature_propagation(KEY, star(2), num_features=1, num_steps=1, operator="heat")
    with pytest.raises(ValueError, match="num_steps must be a positive integer"):
        random_feature_propagation(KEY, star(2), num_features=1, num_steps=0)
    with pytest.raises(ValueError, match="key must be a typed key"):
        random_feature_propagation(jax.random.PRNGKey(0), star(2), num_features=1, num_steps=1)
