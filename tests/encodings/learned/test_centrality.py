import jax
import jax.numpy as jnp
import numpy as np
import pytest

import graphattn_jax as ga
from graphattn_jax.encodings import centrality, degree_encoding, init_centrality

PARAMS = init_centrality(jax.random.key(0), 3, 5)
GRAPH = ga.graphs.from_edge_list(
    [0, 0, 0, 0, 1, 2], [1, 2, 3, 4, 0, 0], num_nodes=6, nodes=np.zeros((6, 1), np.float32)
)


def classes(graph):
    return [degree_encoding(graph, 3, direction=d) for d in ("in", "out")]


def test_sums_a_row_for_each_direction():
    """Degrees beyond 3 share a row, and 0 has one."""
    degrees_in, degrees_out = [2, 1, 1, 1, 1, 0], [3, 1, 1, 0, 0, 0]  # node 0 sends 4
    want = [
        PARAMS.incoming[1 + i] + PARAMS.outgoing[1 + o] for i, o in zip(degrees_in, degrees_out)
    ]
    np.testing.assert_allclose(centrality(PARAMS, *classes(GRAPH)), jnp.stack(want), rtol=1e-6)
    np.testing.assert_allclose(
        jax.jit(lambda g: centrality(PARAMS, *classes(g)))(GRAPH), jnp.stack(want), rtol=1e-6
    )


def test_padding_gets_zero_and_trains_nothing():
    padded = ga.graphs.pad(GRAPH, ga.graphs.Budget(n_node=9, n_edge=8, n_graph=2))
    got = centrality(PARAMS, *classes(padded))
    np.testing.assert_array_equal(got[:6], centrality(PARAMS, *classes(GRAPH)))
    np.testing.assert_array_equal(got[6:], 0)
    gradient = jax.grad(lambda p: centrality(p, *classes(padded)).sum())(PARAMS)
    np.testing.assert_array_equal(gradient.incoming[:, 0], [0, 1, 4, 1, 0])
    np.testing.assert_array_equal(gradient.outgoing[:, 0], [0, 3, 2, 0, 1])


def test_initial_tables():
    params = init_centrality(jax.random.key(0), 500, 8)
    assert params.incoming.shape == params.outgoing.shape == (502, 8)
    assert not np.array_equal(params.incoming, params.outgoing)
    np.testing.assert_allclose(params.incoming.std(), 0.02, rtol=0.1)


def test_no_nodes():
    none = np.zeros(0, np.int32)
    assert centrality(PARAMS, none, none).shape == (0, 5)


def test_errors():
    incoming, outgoing = classes(GRAPH)
    with pytest.raises(ValueError, match=r"outgoing must lie in \[0, 5\) for 5 classes, got 5"):
        centrality(PARAMS, incoming, outgoing + 1)
    with pytest.raises(ValueError, match=r"outgoing must have shape \[6\]"):
        centrality(PARAMS, incoming, outgoing[:2])
    with pytest.raises(ValueError, match="incoming must be integer ids"):
        centrality(PARAMS, incoming.astype(np.float32), outgoing)
    with pytest.raises(ValueError, match="max_degree must be a positive integer"):
        init_centrality(jax.random.key(0), 0, 5)
