import numpy as np
import pytest
from _walk_cases import complete, cycle, dense_transition, grid, mixed, path, star, undirected

import graphattn_jax as ga
from graphattn_jax.encodings import hitting_times


def square(graph, **options):
    """`[N, N]`: row = where the walk starts."""
    n = ga.graphs.num_nodes(graph)
    return hitting_times(graph, pattern=ga.graphs.all_pairs(graph), **options).reshape(n, n)


def by_linear_systems(graph, weight=None):
    step = dense_transition(graph, weight)
    n = len(step)
    times = np.zeros((n, n))
    for j in range(n):
        other = np.arange(n) != j
        system = np.eye(n - 1) - step[np.ix_(other, other)]
        times[other, j] = np.linalg.solve(system, np.ones(n - 1))
    return times


def test_closed_forms():
    n = 7
    i, j = np.indices((n, n))
    want = np.where(i < j, j**2 - i**2, (n - 1 - j) ** 2 - (n - 1 - i) ** 2)
    np.testing.assert_allclose(square(path(n)), want, atol=1e-5)
    np.testing.assert_allclose(square(complete(n)), (n - 1) * (i != j), atol=1e-5)
    distance = abs(i - j)
    np.testing.assert_allclose(square(cycle(n)), distance * (n - distance), atol=1e-5)
    leaf_to_hub, hub_to_leaf = square(star(4))[[1, 0], [0, 1]]
    np.testing.assert_allclose([leaf_to_hub, hub_to_leaf], [1, 7], atol=1e-5)


def test_equals_linear_systems_with_weights_loops_and_duplicates(rng):
    pairs = [(0, 1), (1, 2), (2, 3), (3, 0), (0, 2), (1, 1), (0, 1), (3, 4)]
    graph, weight = undirected(pairs, 5), np.tile(rng.uniform(0.5, 2, 8), 2)
    want = by_linear_systems(graph, weight)
    np.testing.assert_allclose(square(graph, edge_weight=weight), want, rtol=1e-5)
    np.testing.assert_allclose(square(graph, edge_weight=1e-6 * weight[:, None]), want, rtol=1e-5)


def test_commute_times_are_there_and_back_and_add_up_by_foster():
    graph = grid(3, 3)
    there, both = square(graph), square(graph, commute=True)
    np.testing.assert_allclose(both, there + there.T, rtol=1e-5)
    resistance = hitting_times(graph, commute=True) / 24
    np.testing.assert_allclose(resistance.sum() / 2, 8, rtol=1e-5)  # Σ R = N − 1


def test_default_pattern_is_the_edges():
    graph = star(3)  # edges hub -> leaf first: receivers are leaves, which walk to the hub
    leaf = np.asarray(graph.senders) == 0
    np.testing.assert_allclose(hitting_times(graph), np.where(leaf, 1, 5), atol=1e-5)


def test_unreachable_pairs_and_padding():
    graph = undirected([(0, 1)], 3)
    pairs = ga.graphs.all_pairs(graph)
    times = hitting_times(graph, pattern=pairs).reshape(3, 3)
    assert times.dtype == np.float32
    inf = np.inf
    np.testing.assert_allclose(times, [[0, 1, inf], [1, 0, inf], [inf, inf, 0]], atol=1e-6)
    assert hitting_times(graph, pattern=pairs, unreachable=-1.0).min() == -1
    padded = ga.graphs.pad(pairs, ga.graphs.Budget(5, 12, 2))
    at = ga.graphs.Budget(5, 4, 2)
    np.testing.assert_array_equal(
        hitting_times(ga.graphs.pad(graph, at), pattern=padded), np.r_[times.ravel(), 0, 0, 0]
    )


def test_batch_and_permutation(rng):
    graph = mixed()
    times = hitting_times(graph)
    alone = np.concatenate([hitting_times(g) for g in ga.graphs.unbatch(graph)])
    np.testing.assert_allclose(times, alone, rtol=1e-5)
    order = np.lexsort((rng.random(ga.graphs.num_nodes(graph)), ga.graphs.node_graph_ids(graph)))
    moved = ga.testing.permute_nodes(graph, order)
    np.testing.assert_allclose(hitting_times(moved), times, rtol=1e-5)


def test_no_nodes_and_errors():
    assert hitting_times(undirected([], 0)).shape == (0,)
    arrow = ga.graphs.from_edge_list([0], [1])
    with pytest.raises(ValueError, match="hitting_times needs an undirected graph"):
        hitting_times(arrow)
    with pytest.raises(ValueError, match="directed must be one of 'error', 'symmetrize'"):
        hitting_times(arrow, directed="keep")
    with pytest.raises(ValueError, match="pattern must have the nodes of graph"):
        hitting_times(path(3), pattern=path(4))
