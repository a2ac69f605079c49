import numpy as np
import pytest
from _walk_cases import complete, cycle, dense_transition, mixed, star, undirected

import graphattn_jax as ga
from graphattn_jax.encodings import electrostatic


def one_component(graph, weight=None):
    """The statistics by the obvious computation with a pseudoinverse by singular values."""
    adjacency = ga.graphs.to_dense(graph, weight).astype(np.float64)
    step = dense_transition(graph, weight)
    inverse = np.linalg.pinv(np.diag(adjacency.sum(1)) - adjacency, rcond=1e-10)
    potential = inverse - np.diag(inverse)[None, :]
    columns = []
    for v, p in ((potential, step), (potential.T, step.T)):
        columns += [v.min(0), v.mean(0), v.std(0), (p * v).sum(0)]
    assert potential.max() < 1e-9  # why there are no maxima
    return np.stack(columns, 1)


@pytest.mark.parametrize("graph", [cycle(5), complete(4), star(6), undirected([(0, 1)], 2)])
def test_equals_the_pseudoinverse(graph):
    values = electrostatic(graph)
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, one_component(graph), atol=1e-5)


def test_closed_form_on_complete_graphs():
    n = 5  # L⁺ = (I − J/n) / n, so V is −1/n off the diagonal
    column = [-1 / n, -(n - 1) / n**2, np.sqrt((n - 1) / n**4), -1 / n]
    np.testing.assert_allclose(electrostatic(complete(n)), np.tile(column * 2, (n, 1)), atol=1e-6)


def test_weights_are_conductances_and_loops_only_slow_the_walk(rng):
    graph = undirected([(0, 1), (1, 2), (2, 3), (3, 0), (0, 2), (1, 1)], 4)
    weight = np.tile(rng.uniform(0.5, 2, 6), 2)
    values = electrostatic(graph, edge_weight=weight)
    np.testing.assert_allclose(values, one_component(graph, weight), atol=1e-5)
    scaled = electrostatic(graph, edge_weight=1e6 * weight)
    np.testing.assert_allclose(1e6 * scaled, values, rtol=1e-4)


def test_components_do_not_mix_and_lone_nodes_get_zero():
    graph = mixed()
    values = electrostatic(graph)
    alone = np.concatenate([electrostatic(g) for g in ga.graphs.unbatch(graph)])
    np.testing.assert_allclose(values, alone, atol=1e-6)
    np.testing.assert_allclose(values[:5], one_component(cycle(5)), atol=1e-5)
    lone = ga.graphs.in_degree(graph) == 0
    np.testing.assert_array_equal(values[lone], np.zeros((lone.sum(), 8)))
    assert (values[~lone].min(1) < 0).all()


def test_padding_and_permutation(rng):
    graph = mixed()
    n = ga.graphs.num_nodes(graph)
    values = electrostatic(graph)
    padded = ga.graphs.pad(graph, ga.graphs.Budget(n + 3, len(graph.senders) + 5, 9))
    np.testing.assert_array_equal(electrostatic(padded), np.pad(values, ((0, 3), (0, 0))))
    order = np.lexsort((rng.random(n), ga.graphs.node_graph_ids(graph)))
    moved = ga.testing.permute_nodes(graph, order)
    np.testing.assert_allclose(electrostatic(moved), values[order], atol=1e-5)


def test_no_nodes_and_directed_graphs():
    assert electrostatic(undirected([], 0)).shape == (0, 8)
    arrow = ga.graphs.from_edge_list([0], [1])
    with pytest.raises(ValueError, match="electrostatic needs an undirected graph"):
        electrostatic(arrow)
    with pytest.raises(ValueError, match="directed must be one of 'error', 'symmetrize'"):
        electrostatic(arrow, directed="keep")
    np.testing.assert_allclose(
        electrostatic(arrow, directed="symmetrize"), electrostatic(undirected([(0, 1)], 2))
    )
