"""Tokens of seeds: against sets by loops over nodes; no future, no repetition, all edges of the graph among them."""

from dataclasses import replace

import numpy as np
import pytest

import graphattn_jax as ga
from graphattn_jax.graphs import ALWAYS
from graphattn_jax.sampling import Sampler, Tokens
from graphattn_jax.sampling._tokens import FILLED


def typed_graph(seed, times=True, num_edges=80):
    """Users, orders and shops, of which shops were always there; parallel edges, loops, hubs, isolated nodes."""
    rng = np.random.default_rng(seed)
    ends = {
        ("order", "of", "user"): (40, 12),
        ("order", "in", "shop"): (40, 3),
        ("user", "knows", "user"): (12, 12),
    }
    edges = {
        relation: tuple(rng.integers(0, n, num_edges) for n in sizes)
        for relation, sizes in ends.items()
    }
    nodes = {"user": 12, "order": rng.normal(size=(40, 2)).astype(np.float32), "shop": 3}
    graph = ga.graphs.from_types(nodes, edges, reverse=bool(seed % 3))
    if not times:
        return graph
    time = rng.integers(0, 50, 55).astype(np.int32)
    time[-3:] = ALWAYS
    return graph._replace(nodes=replace(graph.nodes, time=time))


def by_root(sample):
    """Per real seed, the rows of its nodes and of its edges."""
    node_root, edge_root = (
        np.asarray(ids(sample.graph))
        for ids in (ga.graphs.node_graph_ids, ga.graphs.edge_graph_ids)
    )
    real_edges = sample.edge_ids >= 0
    for i in range(sample.seed_mask.sum()):
        yield np.flatnonzero(node_root == i), np.flatnonzero(real_edges & (edge_root == i))


def hops_by_loops(graph, seed, time):
    """The hop of every known node within two hops, and all known nodes."""
    known = np.ones(55, bool) if time is None else graph.nodes.time <= time
    senders, receivers = graph.senders, graph.receivers
    hops = {seed: 0}
    for hop in (1, 2):
        ring = [j for j, i in zip(senders, receivers) if hops.get(i, 9) == hop - 1 and known[j]]
        hops |= {j: hop for j in ring if j not in hops}
    return hops, set(np.flatnonzero(known)) | {seed}


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("times", [True, False], ids=["temporal", "always"])
def test_tokens_are_the_nearest_known_nodes_with_the_edges_among_them(seed, times):
    rng = np.random.default_rng(seed)
    graph = typed_graph(seed, times, num_edges=int(rng.integers(1, 90)))
    seeds, when = rng.integers(0, 55, 7), None
    if times:
        when = np.maximum(graph.nodes.time[seeds].astype(np.int64), 0) + rng.integers(0, 20, 7)
    method = Tokens(int(rng.integers(2, 20)), fanouts=(999, 999), fill=bool(seed % 2))
    sample = Sampler(graph, method, seeds, 8, times=when)(None, 0, 0)
    assert sample.graph.layout.blocks.node.shape == (9, method.num_tokens)
    for i, (rows, edge_rows) in enumerate(by_root(sample)):
        ids, hops = sample.node_ids[rows], sample.hops[rows]
        near, known = hops_by_loops(graph, seeds[i], when[i] if times else None)
        assert ids[0] == seeds[i] and rows[0] == sample.seeds[i]
        assert len(set(ids)) == len(ids) and set(ids) <= known
        assert all(near.get(node, FILLED) == hop for node, hop in zip(ids, hops))
        most = method.num_tokens
        assert (hops != FILLED).sum() == min(most, len(near))
        assert len(ids) == min(most, len(known if method.fill else near))
        among = np.isin(graph.senders, ids) & np.isin(graph.receivers, ids)
        edges = sample.edge_ids[edge_rows]
        assert sorted(edges) == np.flatnonzero(among).tolist()
        for ends, whole in (
            (sample.graph.senders, graph.senders),
            (sample.graph.receivers, graph.receivers),
        ):
            assert np.isin(ends[edge_rows], rows).all()
            np.testing.assert_array_equal(sample.node_ids[ends[edge_rows]], whole[edges])


def test_every_node_within_two_hops_is_as_likely():
    """A star of paths: 4 neighbours, each with 2 of its own. Of 12 nodes 3 are drawn."""
    leaves = np.arange(8)
    edges = {
        ("near", "a", "seed"): (np.arange(4), np.zeros(4, int)),
        ("far", "b", "near"): (leaves, leaves // 2),
    }
    graph = ga.graphs.from_types({"seed": 1, "near": 4, "far": 8}, edges)
    sample = Sampler(graph, Tokens(4), np.zeros(4000, int), 4000)(0, 0, 0)
    drawn = sample.node_ids[sample.hops > 0]
    assert len(drawn) == 12_000 and (sample.hops < FILLED).all()
    np.testing.assert_allclose(np.bincount(drawn, minlength=13)[1:] / 1000, 1, atol=0.15)


def test_random_tokens_are_as_likely_and_known():
    nodes = {"page": 20}
    graph = ga.graphs.from_types(nodes, {("page", "links", "page"): ([1], [0])})
    time = np.arange(20, dtype=np.int32)
    graph = graph._replace(nodes=replace(graph.nodes, time=time))
    sample = Sampler(graph, Tokens(4), np.zeros(4000, int), 4000, times=np.full(4000, 9))(0, 0, 0)
    drawn = sample.node_ids[sample.hops == FILLED]
    assert drawn.max() == 9 and len(drawn) == 8000
    np.testing.assert_allclose(np.bincount(drawn)[2:] / 1000, 1, atol=0.15)


def test_hubs_are_bounded_by_the_fanouts():
    edges = {
        ("leaf", "of", "hub"): (np.arange(500), np.zeros(500, int)),
        ("hub", "to", "hub"): ([0, 1], [1, 0]),
    }
    graph = ga.graphs.from_types({"hub": 2, "leaf": 500}, edges)
    method = Tokens(12, fanouts=(8, 4), fill=False)
    sample = Sampler(graph, method, [0, 1], 2)(0, 0, 0)
    assert sample.graph.n_node[1] == 6 and 9 <= sample.graph.n_node[0] <= 10


def test_plain_graphs_have_tokens_too():
    graph = ga.graphs.from_edge_list([1, 2, 3], [0, 1, 2])
    sample = Sampler(graph, Tokens(3, fill=False), [0, 3], 2)(None, 0, 0)
    assert sample.node_ids[:4].tolist() == [0, 1, 2, 3] or sample.node_ids[:4].tolist() == [
        0,
        2,
        1,
        3,
    ]
    assert sorted(sample.edge_ids[sample.edge_ids >= 0].tolist()) == [0, 1]


def test_what_does_not_fit_is_said():
    graph = typed_graph(0, times=False)
    for match, call in {
        "num_tokens must be a positive integer": lambda: Tokens(0),
        "num_tokens must be at least 2": lambda: Tokens(1),
        "fanouts must be two numbers": lambda: Tokens(fanouts=(4,)),
        r"fanouts\[1\] must be a positive integer": lambda: Tokens(fanouts=(4, 0)),
        "for Tokens, got pairs of shape": lambda: Sampler(graph, Tokens(4), [[0, 1]], 1),
    }.items():
        with pytest.raises(ValueError, match=match):
            call()
