"""Positives by the number of metapaths, counted one by one."""

import numpy as np
import pytest

import graphattn_jax as ga


@pytest.mark.parametrize("count", [1, 3, 20])
def test_the_most_connected_and_itself(count):
    rng = np.random.default_rng(0)
    edges = {("p", f"m{k}", "p"): rng.integers(8, size=(2, 30)) for k in range(3)}
    graph = ga.graphs.from_types({"p": 8}, edges)
    shared = np.zeros((8, 8), int)
    for senders, receivers in edges.values():
        reached = np.zeros((8, 8), int)
        reached[receivers, senders] = 1
        shared += reached
    found = ga.graphs.metapath_positives(graph, count)
    for i in range(8):
        others = sorted((-shared[i, j], j) for j in range(8) if j != i and shared[i, j])
        assert set(np.flatnonzero(found[i])) == {i, *(j for _, j in others[: count - 1])}
    padded = ga.graphs.pad(graph, ga.graphs.Budget(10, 100, 2))
    np.testing.assert_array_equal(ga.graphs.metapath_positives(padded, count), found)


def test_what_does_not_fit_is_said():
    with pytest.raises(ValueError, match="count must be a positive integer"):
        ga.graphs.metapath_positives(ga.graphs.from_edge_list([0], [1]), 0)
    with pytest.raises(ValueError, match="graph must be typed"):
        ga.graphs.metapath_positives(ga.graphs.from_edge_list([0], [1]), 1)
