"""The k best incoming edges of every receiver."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graphattn_jax import ops


def chosen_by_hand(scores, receivers, mask, num_rows, k):
    found = np.zeros((num_rows, k), int), np.zeros((num_rows, k), bool)
    for i in range(num_rows):
        own = [
            e for e in range(len(scores)) if receivers[e] == i and mask[e] and scores[e] > -np.inf
        ]
        own = sorted(own, key=lambda e: -scores[e])[:k]
        found[0][i, : len(own)], found[1][i, : len(own)] = own, True
    return found


@pytest.mark.parametrize("k", [1, 3, 50])
def test_they_are_those_of_sorting_by_hand(k):
    rng = np.random.default_rng(k)
    senders, receivers = rng.integers(6, size=(2, 40)).astype(np.int32)
    receivers = np.where(receivers == 4, 5, receivers)  # one hears nobody
    mask = rng.random(40) < 0.8
    scores = np.round(rng.normal(size=40), 1).astype(np.float32)  # with ties
    scores[:3] = [-np.inf, np.nan, 1e30]
    edges = ops.Edges(senders, receivers, 6, mask=mask)
    got = jax.jit(lambda s, e: ops.top_k_edges(s, e, k))(scores, edges)
    edge, filled = chosen_by_hand(scores, receivers, mask, 6, k)
    np.testing.assert_array_equal(got.mask, filled)
    np.testing.assert_array_equal(got.edge, edge)
    got = ops.top_k_edges(jnp.asarray(scores), ops.prepare_edges(edges, static=True), k)
    np.testing.assert_array_equal(got.edge, edge)


def test_no_edges_and_bad_arguments():
    none = np.zeros(0, np.int32)
    got = ops.top_k_edges(np.zeros(0, np.float32), ops.Edges(none, none, 3), 2)
    assert got.edge.shape == (3, 2) and not got.mask.any()
    edges = ops.Edges(np.array([0]), np.array([1]), 2)
    with pytest.raises(ValueError, match="k must be a positive integer"):
        ops.top_k_edges(np.ones(1, np.float32), edges, 0)
    with pytest.raises(ValueError, match=r"scores must have shape \[1\]"):
        ops.top_k_edges(np.ones(2, np.float32), edges, 1)
