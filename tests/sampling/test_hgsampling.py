"""HGSampling: how many nodes of each type, by which chances, and all edges among them."""

import jax
import numpy as np
import pytest

from graphattn_jax import attention, graphs, models
from graphattn_jax.sampling import HGSampling, Sampler
from tests.sampling.conftest import check_sample


def typed_graph(seed=0):
    rng = np.random.default_rng(seed)
    sizes = {"a": 20, "b": 30, "c": 5}

    def ends(source, target, count):
        return rng.integers(0, sizes[source], count), rng.integers(0, sizes[target], count)

    relations = (("b", "to", "a"), ("a", "back", "b"), ("c", "in", "b"), ("a", "to", "a"))
    edges = {r: ends(r[0], r[2], 80) for r in relations}
    nodes = sizes | {"a": rng.normal(size=(20, 3)).astype(np.float32)}
    return graphs.from_types(nodes, edges)


@pytest.mark.parametrize("disjoint", [False, True])
def test_a_sample_is_an_induced_part(disjoint):
    graph = typed_graph()
    sampler = Sampler(graph, HGSampling(3, 2, disjoint=disjoint), np.arange(50), 8)
    for index in range(len(sampler)):
        sample = sampler(1, 0, index)
        nodes, edges = check_sample(graph, sample)
        owner = graphs.node_graph_ids(sample.graph)
        for root in range(8 if disjoint else 1):
            inside = nodes[owner[: len(nodes)] == root]
            assert len(set(inside)) == len(inside)
            wanted = np.isin(graph.senders, inside) & np.isin(graph.receivers, inside)
            found = edges[owner[sample.graph.receivers[: len(edges)]] == root]
            assert found.tolist() == np.flatnonzero(wanted).tolist()
            for hop in (1, 2):
                at = (sample.hops == hop) & (owner == root)
                counts = np.bincount(sample.graph.nodes.type[at], minlength=3)
                assert counts.max() <= 3
        seeds = sample.node_ids[sample.seeds[sample.seed_mask]]
        assert (sample.hops[sample.seeds[sample.seed_mask]] == 0).all() and len(seeds)


def test_chances_are_the_squares_of_the_budgets():
    """Node 0 hears from 2, 3, 4 by one relation and from 2 by another; node 1 hears from 2."""
    ends = {("p", "x", "p"): ([2, 3, 4, 2], [0, 0, 0, 1]), ("p", "y", "p"): ([2, 5], [0, 0])}
    graph = graphs.from_types({"p": 6}, ends)
    budget = np.array([1 / 3 + 1 + 1 / 2, 1 / 3, 1 / 3, 1 / 2])  # of 2, 3, 4, 5
    sampler = Sampler(graph, HGSampling(3, 1), [0, 1], 2)
    first = np.zeros(6)
    draws = 1000
    for epoch in range(draws):  # three of four: the one that is left out tells the chances
        draw, _, _ = sampler._draw(0, epoch, 0)
        first[draw.node_ids] += 1
    p = budget**2 / (budget**2).sum()
    left_out = np.zeros(4)
    for order in np.ndindex(4, 4, 4):
        if len(set(order)) == 3:
            i, j, k = order
            chance = p[i] * p[j] / (1 - p[i]) * p[k] / (1 - p[i] - p[j])
            left_out[next(iter({0, 1, 2, 3} - set(order)))] += chance
    np.testing.assert_allclose(1 - first[2:] / draws, left_out, atol=0.05)


def test_a_large_size_gives_the_values_of_the_whole_graph():
    graph = typed_graph()
    layer = attention.GAT(4, 2)
    network = models.TypedNetwork(models.TypedInputs.of(graph), (layer, layer), width=8)
    params, state = network.init(jax.random.key(0))
    apply = jax.jit(network.apply)
    expected = apply(params, state, graphs.prepare(graph)).prediction
    sampler = Sampler(graph, HGSampling(80, 2), np.arange(55), 30)
    for index in range(2):
        sample = sampler(0, 0, index)
        got = apply(params, state, sample.graph).prediction[sample.seeds][sample.seed_mask]
        ids = sample.node_ids[sample.seeds[sample.seed_mask]]
        np.testing.assert_allclose(got, expected[ids], rtol=1e-5, atol=1e-5)


def test_without_types_and_without_edges():
    graph = graphs.from_edge_list([0, 1], [1, 2], num_nodes=4, nodes=np.ones((4, 1), np.float32))
    sample = Sampler(graph, HGSampling(2, 3), [2, 3], 2)(None, 0, 0)
    assert sample.node_ids[:5].tolist() == [2, 3, 1, 0, -1]
    assert sample.hops[:4].tolist() == [0, 0, 1, 2] and sample.edge_ids[:3].tolist() == [0, 1, -1]


def test_no_draw_exceeds_the_worst_case():
    graph = typed_graph(3)
    for method in (HGSampling(2, 3), HGSampling(1, 2, disjoint=True)):
        sampler = Sampler(graph, method, np.arange(50), 5)
        nodes, edges = method.largest(sampler.neighbours, graph, 5)
        for index in range(len(sampler)):
            sample = sampler(0, 0, index)
            assert (sample.node_ids >= 0).sum() <= nodes and (sample.edge_ids >= 0).sum() <= edges


def test_numbers_are_checked():
    for options in ({"size": 0, "steps": 1}, {"size": 2, "steps": 0.5}):
        with pytest.raises(ValueError, match="must be a positive integer"):
            HGSampling(**options)
