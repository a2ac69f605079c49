"""Neighbour sampling: which nodes and edges are found, and what a network makes of them."""

import jax
import networkx as nx
import numpy as np
import pytest

from graphattn_jax import attention, graphs, message_passing, models
from graphattn_jax.sampling import Neighbours, Sampler
from tests.sampling.conftest import check_sample, random_graph


def in_degrees_of(sample):
    real = sample.edge_ids >= 0
    return np.bincount(sample.graph.receivers[real], minlength=len(sample.node_ids))


@pytest.mark.parametrize("disjoint", [False, True])
@pytest.mark.parametrize("pairs", [False, True])
def test_a_sample_is_a_part_of_the_graph(whole, disjoint, pairs):
    seeds = np.random.default_rng(1).permutation(60)[:50].reshape((-1, 2) if pairs else -1)
    sampler = Sampler(whole, Neighbours((4, 3, 2), disjoint=disjoint), seeds, 7, targets=seeds * 10)
    seen = []
    for index in range(len(sampler)):
        sample = sampler(5, 2, index)
        nodes, edges = check_sample(whole, sample)
        assert disjoint or len(set(nodes)) == len(nodes)
        assert disjoint or len(set(edges)) == len(edges)
        found = sample.node_ids[sample.seeds[sample.seed_mask]]
        np.testing.assert_array_equal(sample.targets[sample.seed_mask], found * 10)
        assert (sample.hops[sample.seeds[sample.seed_mask]] == 0).all()
        degrees = in_degrees_of(sample)
        whole_degrees = np.bincount(whole.receivers, minlength=60)
        for hop, fanout in enumerate((4, 3, 2, 0)):
            at = sample.hops == hop
            wanted = np.minimum(whole_degrees[sample.node_ids[at]], fanout)
            np.testing.assert_array_equal(degrees[at], wanted)
        seen.append(found)
    assert sorted(np.concatenate(seen).ravel().tolist()) == sorted(seeds.ravel().tolist())


def test_disjoint_samples_are_graphs_of_one_seed_each(whole):
    sampler = Sampler(whole, Neighbours((3, 3), disjoint=True), np.arange(10), 4)
    sample = sampler(0, 0, 2)
    n_node, n_edge = sample.graph.n_node[:4], sample.graph.n_edge[:4]
    assert (n_node[:2] > 0).all()  # ten seeds: the last batch has two
    first = np.cumsum(n_node) - n_node
    np.testing.assert_array_equal(sample.seeds[:2], first[:2])
    owner = graphs.node_graph_ids(sample.graph)
    np.testing.assert_array_equal(owner[sample.graph.senders], owner[sample.graph.receivers])
    edge_owner = graphs.edge_graph_ids(sample.graph)
    np.testing.assert_array_equal(edge_owner, owner[sample.graph.receivers])
    for seed in range(2):
        nodes = sample.node_ids[owner == seed]
        assert len(set(nodes)) == len(nodes)
        assert len(set(sample.edge_ids[edge_owner == seed])) == n_edge[seed]


@pytest.mark.parametrize("disjoint", [False, True])
def test_large_fanouts_give_the_whole_neighbourhood(whole, disjoint):
    tree = nx.MultiDiGraph()
    tree.add_nodes_from(range(60))
    tree.add_edges_from(zip(whole.receivers.tolist(), whole.senders.tolist()))
    for fanouts in ((None, None), (400, 400)):
        sampler = Sampler(whole, Neighbours(fanouts, disjoint=disjoint), [9, 50, 58], 1)
        for index in range(3):
            sample = sampler(None, 0, index)
            distance = nx.single_source_shortest_path_length(tree, [9, 50, 58][index], 2)
            nodes, edges = check_sample(whole, sample)
            assert dict(zip(nodes.tolist(), sample.hops.tolist())) == distance
            inner = {node for node, steps in distance.items() if steps < 2}
            assert sorted(edges) == [e for e in range(400) if whole.receivers[e] in inner]


@pytest.mark.parametrize("disjoint", [False, True])
def test_a_network_has_the_values_of_the_whole_graph(whole, disjoint):
    layers = (attention.GATv2(4, 2), message_passing.SAGE(3))
    network = models.PlainNetwork(2, layers, edge_features=2)
    params, state = network.init(jax.random.key(0))
    apply = jax.jit(network.apply)
    expected = apply(params, state, graphs.prepare(whole)).prediction
    sampler = Sampler(whole, Neighbours((None, None), disjoint=disjoint), np.arange(60), 25)
    for index in range(3):
        sample = sampler(0, 0, index)
        got = apply(params, state, sample.graph).prediction[sample.seeds][sample.seed_mask]
        ids = sample.node_ids[sample.seeds[sample.seed_mask]]
        np.testing.assert_allclose(got, expected[ids], rtol=1e-5, atol=1e-5)


def test_drawn_neighbours_are_unbiased(whole):
    """The mean over many samples of the mean over drawn neighbours is the mean over all of them."""
    heard = whole.senders[whole.receivers == 3]
    for replace in (False, True):
        method = Neighbours((5,), replace=replace, disjoint=True)
        sampler = Sampler(whole, method, np.full(3000, 3), 3000)
        sample = sampler(1, 0, 0)
        nodes = sample.node_ids[sample.graph.senders[sample.edge_ids >= 0]]
        assert len(nodes) == 15_000
        share = np.bincount(nodes, minlength=60) / len(nodes)
        np.testing.assert_allclose(share, np.bincount(heard, minlength=60) / len(heard), atol=0.006)


def test_with_replacement_an_edge_comes_several_times():
    path = graphs.from_edge_list([0, 1], [1, 2], nodes=np.eye(3, dtype=np.float32))
    sample = Sampler(path, Neighbours((5, 2), replace=True), [2, 0], 2)(None, 0, 0)
    assert sorted(sample.edge_ids[sample.edge_ids >= 0].tolist()) == [0, 0, 1, 1, 1, 1, 1]
    assert sample.node_ids[:4].tolist() == [2, 0, 1, -1]


def test_fanouts_by_relation():
    rng = np.random.default_rng(0)
    graph = graphs.from_types(
        {"a": np.arange(20, dtype=np.float32)[:, None], "b": 30},
        {
            ("b", "to", "a"): (rng.integers(0, 30, 200), rng.integers(0, 20, 200)),
            ("a", "back", "b"): (rng.integers(0, 20, 200), rng.integers(0, 30, 200)),
            ("a", "in", "a"): (rng.integers(0, 20, 200), rng.integers(0, 20, 200)),
        },
    )
    method = Neighbours(({"to": 2, ("a", "in", "a"): 1}, {"back": 3}))
    assert method == Neighbours(method.fanouts) and hash(method)
    for fanouts, wanted in (
        (method, [[2, 0, 1], [0, 3, 0]]),
        (Neighbours((2, 1)), [[2] * 3, [1] * 3]),
    ):
        sampler = Sampler(graph, fanouts, np.arange(50), 16)
        sample = sampler(0, 0, 1)
        check_sample(graph, sample)
        nodes = sample.graph.nodes
        assert nodes.schema == graph.nodes.schema and nodes.counts == graph.nodes.counts
        real = sample.node_ids >= 0
        for name in ("type", "index", "features"):
            np.testing.assert_array_equal(
                getattr(nodes, name)[real], getattr(graph.nodes, name)[sample.node_ids[real]]
            )
        degree = np.zeros((50, 3), int)
        np.add.at(degree, (graph.receivers, graph.edges.relation), 1)
        got = np.zeros((len(real), 3), int)
        edges = sample.edge_ids >= 0
        np.add.at(got, (sample.graph.receivers[edges], sample.graph.edges.relation[edges]), 1)
        for hop in range(2):
            at = sample.hops == hop
            assert at.any()
            np.testing.assert_array_equal(
                got[at], np.minimum(degree[sample.node_ids[at]], wanted[hop])
            )


def test_degenerate_graphs():
    empty = graphs.from_edge_list([], [], num_nodes=3, nodes=np.ones((3, 1), np.float32))
    sample = Sampler(empty, Neighbours((2, 2)), [1, 1, 2], 4)(0, 0, 0)
    assert sample.node_ids[:3].tolist() == [1, 2, -1] or sample.node_ids[:3].tolist() == [2, 1, -1]
    assert sample.seed_mask.tolist() == [True, True, True, False]
    assert (sample.edge_ids == -1).all()


def test_no_draw_exceeds_the_worst_case():
    for seed in range(5):
        graph = random_graph(seed, n=30, e=200)
        for method in (
            Neighbours((3, 2)),
            Neighbours((None, 2)),
            Neighbours((2, 2), disjoint=True),
            Neighbours((4, 3), replace=True),
        ):
            sampler = Sampler(graph, method, np.arange(30), 6)
            nodes, edges = method.largest(sampler.neighbours, graph, 6)
            for index in range(len(sampler)):
                sample = sampler(seed, 0, index)
                assert (sample.node_ids >= 0).sum() <= nodes
                assert (sample.edge_ids >= 0).sum() <= edges


def test_a_typed_network_has_the_values_of_the_whole_graph():
    rng = np.random.default_rng(0)
    graph = graphs.from_types(
        {"a": rng.normal(size=(20, 3)).astype(np.float32), "b": 30},
        {("a", "to", "b"): (rng.integers(0, 20, 90), rng.integers(0, 30, 90))},
        reverse=True,
    )
    layer = message_passing.RGCN(4, schema=graphs.schema_of(graph))
    network = models.TypedNetwork(models.TypedInputs.of(graph), (layer, layer), width=8)
    params, state = network.init(jax.random.key(0))
    apply = jax.jit(network.apply)
    expected = apply(params, state, graphs.prepare(graph)).prediction
    method = Neighbours(({"to": None, "rev_to": 99}, None), disjoint=True)
    sample = Sampler(graph, method, np.arange(50), 50)(0, 0, 0)
    got = apply(params, state, sample.graph).prediction[sample.seeds]
    np.testing.assert_allclose(got, expected[sample.node_ids[sample.seeds]], rtol=1e-5, atol=1e-5)
