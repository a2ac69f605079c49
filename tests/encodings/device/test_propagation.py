import jax
import numpy as np
import pytest
from _walk_cases import dense_transition, loops_and_duplicates, mixed, star, undirected
from hypothesis import given, settings
from hypothesis import strategies as st

import graphattn_jax as ga
from graphattn_jax import encodings
from graphattn_jax.encodings.device._propagation import (
    laplacian_operator,
    own_edges,
    propagate,
    symmetric_weights,
)

KEY = jax.random.key(0)
PAIR = ga.graphs.bipartite(
    np.array([0, 1]),
    np.array([0, 0]),
    sender_nodes=np.ones((2, 3), np.float32),
    receiver_nodes=np.ones((1, 3), np.float32),
)


@given(
    pairs=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=12),
    isolated=st.integers(1, 3),
    columns=st.sampled_from([1, 2]),
)
@settings(max_examples=30, deadline=None, derandomize=True)
def test_a_step_is_a_product_with_the_matrix_prepared_padded_or_not(pairs, isolated, columns):
    graph = undirected(pairs, 6 + isolated)
    nodes = graph.n_node[0]
    x = np.random.default_rng(0).normal(size=(nodes, columns, 2)).astype(np.float32)
    step = dense_transition(graph, symmetric=True)
    want = np.einsum("ij,jhc->ihc", step, x)
    padded = ga.graphs.pad(graph, ga.graphs.Budget(12, 40, 3))
    wide = np.concatenate([x, np.zeros((12 - nodes, columns, 2), np.float32)])
    for some, rows in (
        (graph, x),
        (ga.graphs.prepare(graph), x),
        (padded, wide),
        (ga.graphs.PaddedGraphsTuple(*padded), wide),
    ):
        edges = own_edges(some)
        weights = symmetric_weights(edges, None)
        for w in (weights, np.broadcast_to(weights[:, None], (len(weights), columns))):
            got = propagate(edges, jax.numpy.asarray(w), jax.numpy.asarray(rows))
            np.testing.assert_allclose(got[:nodes], want, atol=1e-5)
            assert not got[nodes:].any()


@pytest.mark.parametrize("normalization", ["symmetric", "combinatorial", "random_walk"])
@pytest.mark.parametrize("graph", [mixed(), loops_and_duplicates()])
def test_the_operator_is_the_matrix(normalization, graph):
    matrix = encodings.laplacian(graph, normalization=normalization).toarray()
    apply = laplacian_operator(own_edges(graph), normalization, None)
    got = apply(jax.numpy.eye(len(matrix), dtype=np.float32))
    np.testing.assert_allclose(got, matrix, atol=1e-5)


@pytest.mark.parametrize(
    "encode",
    [
        lambda g: encodings.rwse_estimate(KEY, g, 2, num_probes=2),
        lambda g: encodings.random_feature_propagation(KEY, g, num_features=1, num_steps=1),
        lambda g: encodings.heat_kernel_diagonal_estimate(KEY, g, np.ones(1), num_probes=2),
        lambda g: encodings.pearl(
            encodings.init_pearl(KEY, 2, 2, 2), g, num_samples=1, sample_key=KEY
        ),
        lambda g: encodings.lspe(encodings.init_lspe(KEY, 3), g, np.ones((1, 3), np.float32)),
        lambda g: encodings.laplacian_loss(np.ones((1, 3), np.float32), g),
        lambda g: encodings.rwse(g, 2),
    ],
    ids=["rwse_estimate", "features", "heat", "pearl", "lspe", "loss", "on the host"],
)
def test_bipartite_graphs_are_refused(encode):
    encode(star(0))
    with pytest.raises(ValueError, match="one set of nodes, got a bipartite one"):
        encode(PAIR)
