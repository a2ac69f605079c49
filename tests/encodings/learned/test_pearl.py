import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _walk_cases import cycle, dense_transition, grid, mixed, star, undirected

import graphattn_jax as ga
from graphattn_jax.encodings import init_pearl, pearl

KEY = jax.random.key(0)
PARAMS = init_pearl(jax.random.key(1), 4, 6, 3)._replace(epsilon=jnp.array([0.3, -0.2]))


def run(graph, **options):
    return jax.jit(lambda: pearl(PARAMS, graph, **options))()


def dense_mlp(params, x):
    for i, layer in enumerate(params.layers):
        x = (np.maximum(x, 0) if i else x) @ np.asarray(layer.weight) + np.asarray(layer.bias)
    return x


def dense_pearl(params, graph, vectors):
    """`[N, M, D]`: every sample by itself."""
    step, adjacency = dense_transition(graph, symmetric=True), ga.graphs.to_dense(graph)
    out = []
    for w in vectors.T:
        powers = np.stack([np.linalg.matrix_power(step, t) @ w for t in range(4)], 1)
        f = dense_mlp(params.filter, powers)
        for layer, epsilon in zip(params.layers, np.asarray(params.epsilon)):
            f = np.maximum(f, 0)
            f = dense_mlp(layer, (1 + epsilon) * f + adjacency @ f)
        out.append(f)
    return np.stack(out, 1)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_equals_dense_computation_sample_by_sample(reduction):
    graph = grid(2, 3)
    reduce = getattr(np, reduction)
    vectors = np.asarray(jax.random.normal(KEY, (6, 5), jnp.float32))
    values = run(graph, num_samples=5, sample_key=KEY, reduction=reduction)
    assert values.shape == (6, 3) and values.dtype == jnp.float32
    want = reduce(dense_pearl(PARAMS, graph, vectors), axis=1)
    np.testing.assert_allclose(values, want, rtol=1e-4, atol=1e-5)
    values = run(graph, kind="basis", num_samples=6, reduction=reduction)
    want = reduce(dense_pearl(PARAMS, graph, np.eye(6)), axis=1)
    np.testing.assert_allclose(values, want, rtol=1e-4, atol=1e-5)


def test_basis_is_equivariant(rng):
    graph = ga.testing.random_graph(0, 8, 24, 1, undirected=True)
    order = rng.permutation(8)
    values = run(graph, kind="basis", num_samples=8)
    moved = run(ga.testing.permute_nodes(graph, order), kind="basis", num_samples=8)
    np.testing.assert_allclose(moved, values[order], rtol=1e-4, atol=1e-5)
    assert abs(values - values[order]).max() > 1e-2


def test_basis_tells_apart_what_message_passing_cannot():
    one, two = cycle(6), ga.graphs.batch([cycle(3), cycle(3)])
    two = two._replace(n_node=np.array([6], np.int32), n_edge=np.array([12], np.int32))
    a, b = (run(g, kind="basis", num_samples=6) for g in (one, two))
    np.testing.assert_allclose(a, np.broadcast_to(a[:1], a.shape), atol=1e-5)
    assert abs(a[0] - b[0]).max() > 1e-3


def test_basis_batch_is_each_graph_alone_whatever_the_number_of_samples():
    parts = [cycle(5), undirected([(0, 1)], 3), grid(2, 3)]
    together = run(ga.graphs.batch(parts), kind="basis", num_samples=9)
    alone = [run(g, kind="basis", num_samples=ga.graphs.num_nodes(g)) for g in parts]
    np.testing.assert_allclose(together, np.concatenate(alone), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["random", "basis"])
def test_padding_preparation_and_jit_change_nothing(kind):
    graph = mixed()
    n = ga.graphs.num_nodes(graph)
    padded = ga.graphs.pad(graph, ga.graphs.Budget(n + 20, len(graph.senders) + 6, 9))
    options = {"kind": kind, "num_samples": 12, "sample_key": KEY}
    plain = run(graph, **options)
    fast = jax.jit(lambda graph: pearl(PARAMS, graph, **options))(padded)
    np.testing.assert_allclose(fast[:n], plain, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(fast[n:], np.zeros((20, 3)))
    unprepared = ga.graphs.PaddedGraphsTuple(*padded)
    np.testing.assert_allclose(run(unprepared, **options), fast, rtol=1e-4, atol=1e-5)


def test_more_random_samples_come_nearer_to_equivariance():
    graph = cycle(5)  # all nodes are alike

    def spread(samples):
        return run(graph, num_samples=samples, sample_key=KEY).std(0).max()

    assert spread(4096) < spread(16) / 4


def test_gradients_reach_all_parameters():
    def loss(params):
        return pearl(params, grid(2, 3), num_samples=4, sample_key=KEY).sum()

    gradient = jax.jit(jax.grad(loss))(PARAMS)
    assert all(np.isfinite(g).all() and abs(g).max() > 0 for g in jax.tree.leaves(gradient))


def test_no_edges_and_no_nodes(debug_nans):
    alike = pearl(PARAMS, undirected([], 3), kind="basis", num_samples=3)
    np.testing.assert_allclose(alike, np.broadcast_to(alike[:1], alike.shape), atol=1e-6)
    assert pearl(PARAMS, undirected([], 0), kind="basis", num_samples=1).shape == (0, 3)


def test_errors():
    with pytest.raises(ValueError, match="kind='random' needs sample_key"):
        pearl(PARAMS, star(3), num_samples=2)
    with pytest.raises(ValueError, match="sample_key must be a typed key"):
        pearl(PARAMS, star(3), num_samples=2, sample_key=jax.random.PRNGKey(0))
    with pytest.raises(ValueError, match="num_samples must be at least 4, the nodes of the"):
        pearl(PARAMS, star(3), kind="basis", num_samples=3)
    with pytest.raises(ValueError, match="kind must be one of 'random', 'basis'"):
        pearl(PARAMS, star(3), kind="eigen", num_samples=3)
    with pytest.raises(ValueError, match="reduction must be one of 'mean', 'sum'"):
        pearl(PARAMS, star(3), kind="basis", num_samples=4, reduction="max")
    with pytest.raises(ValueError, match="num_layers must be a positive integer"):
        init_pearl(KEY, 4, 6, 3, num_layers=0)
