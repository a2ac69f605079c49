import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _walk_cases import dense_transition, grid, loops_and_duplicates, mixed, star, undirected

import graphattn_jax as ga
from graphattn_jax.encodings import init_lspe, lspe

PARAMS = init_lspe(jax.random.key(0), 4)
PARAMS = PARAMS._replace(own=PARAMS.own._replace(bias=jnp.arange(4.0) / 10))


def positions_of(graph, seed=0):
    n = ga.graphs.num_nodes(graph)
    return np.random.default_rng(seed).normal(size=(n, 4)).astype(np.float32)


def dense_lspe(p, mixing):
    """`mixing` `[N, N, 4]`: the gate of each pair and feature."""
    message = np.einsum("ijd,jd->id", mixing, p @ np.asarray(PARAMS.other.weight))
    own = p @ np.asarray(PARAMS.own.weight) + np.asarray(PARAMS.own.bias)
    return p + np.tanh(own + message)


@pytest.mark.parametrize("graph", [grid(2, 3), mixed(), loops_and_duplicates()])
def test_default_gate_is_the_mean_over_neighbours(graph):
    p = positions_of(graph)
    mixing = np.repeat(dense_transition(graph)[:, :, None], 4, -1)
    np.testing.assert_allclose(lspe(PARAMS, graph, p), dense_lspe(p, mixing), atol=1e-5)


@pytest.mark.parametrize("columns", [1, 2, 4])
def test_gates_per_block_of_features(columns, rng):
    graph = ga.testing.random_graph(0, 6, 14, 1)
    p, gate = positions_of(graph), rng.normal(size=(14, columns)).astype(np.float32)
    mixing = ga.graphs.to_dense(graph, np.repeat(gate, 4 // columns, axis=1))
    values = lspe(PARAMS, graph, p, edge_gate=gate)
    np.testing.assert_allclose(values, dense_lspe(p, mixing), rtol=1e-5, atol=1e-5)
    fast = lspe(PARAMS, ga.graphs.prepare(graph), p, edge_gate=gate)
    np.testing.assert_allclose(fast, values, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("gated", [False, True])
def test_padding_and_jit_change_neither_values_nor_gradients(gated):
    graph = mixed()
    n, e = ga.graphs.num_nodes(graph), len(graph.senders)
    padded = ga.graphs.pad(graph, ga.graphs.Budget(n + 4, e + 6, 9))
    p = positions_of(graph)
    p_padded = np.concatenate([p, np.full((4, 4), np.nan, np.float32)])
    gate = np.full((e + 6, 2), 0.5, np.float32) if gated else None
    if gated:
        gate[e:] = np.nan

    def loss(params, graph, p, gate):
        return jnp.square(lspe(params, graph, p, edge_gate=gate)).sum()

    gradient = jax.jit(jax.grad(loss))
    want = gradient(PARAMS, graph._replace(nodes=p), p, None if gate is None else gate[:e])
    for graph_or_prepared in (ga.graphs.PaddedGraphsTuple(*padded), padded):
        got = gradient(PARAMS, graph_or_prepared._replace(nodes=p_padded), p_padded, gate)
        for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want)):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
    values = lspe(PARAMS, padded, p_padded, edge_gate=gate)
    np.testing.assert_array_equal(values[n:], np.zeros((4, 4)))
    alone = lspe(PARAMS, graph, p, edge_gate=None if gate is None else gate[:e])
    np.testing.assert_allclose(values[:n], alone, atol=1e-5)


def test_permutation_equivariance(rng):
    graph, order = grid(3, 4), rng.permutation(12)
    p = positions_of(graph)
    moved = lspe(PARAMS, ga.testing.permute_nodes(graph, order), p[order])
    np.testing.assert_allclose(moved, lspe(PARAMS, graph, p)[order], atol=1e-5)


def test_dtype_and_no_nodes():
    p = jnp.asarray(positions_of(star(3)), jnp.bfloat16)
    assert lspe(PARAMS, star(3), p).dtype == jnp.bfloat16
    empty = undirected([], 0)
    assert lspe(PARAMS, empty, positions_of(empty)).shape == (0, 4)


def test_errors():
    with pytest.raises(ValueError, match=r"positions must have shape \[4, D\], got \(3, 4\)"):
        lspe(PARAMS, star(3), np.ones((3, 4), np.float32))
    with pytest.raises(ValueError, match="x must have 4 features"):
        lspe(PARAMS, star(3), np.ones((4, 5), np.float32))
    with pytest.raises(ValueError, match="width must be divisible by columns of edge_gate"):
        lspe(PARAMS, star(3), np.ones((4, 4), np.float32), edge_gate=np.ones((6, 3), np.float32))
    with pytest.raises(ValueError, match="width must be a positive integer, got int 0"):
        init_lspe(jax.random.key(0), 0)
