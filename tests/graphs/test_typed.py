"""Typed graphs: how they are built, what is refused, and the pairs of nodes and relations in their layout."""

from dataclasses import replace

import jax
import numpy as np
import pytest

import graphattn_jax as ga
from graphattn_jax import graphs

WRITES = ("author", "writes", "paper")
CITES = ("paper", "cites", "paper")


def small(**options):
    nodes = {"author": np.ones((2, 1), np.float32), "paper": 3}
    edges = {WRITES: ([0, 1, 1], [0, 1, 2]), CITES: ([0, 1], [1, 0])}
    return graphs.from_types(nodes, edges, **options)


def test_nodes_stand_type_by_type_and_edges_relation_by_relation():
    graph = small(reverse=True)
    schema = graphs.schema_of(graph)
    assert schema.relations == (
        WRITES,
        CITES,
        ("paper", "rev_writes", "author"),
        ("paper", "rev_cites", "paper"),
    )
    assert schema.reverses == (2, 3, 0, 1)
    assert graph.nodes.type.tolist() == [0, 0, 1, 1, 1]
    assert graph.nodes.index.tolist() == [0, 1, 0, 1, 2]
    assert (graph.nodes.widths, graph.nodes.counts) == ((1, 0), (2, 3))
    assert graph.nodes.features.tolist() == [[1], [1], [0], [0], [0]]
    assert graph.senders.tolist() == [0, 1, 1, 2, 3, 2, 3, 4, 3, 2]
    assert graph.receivers.tolist() == [2, 3, 4, 3, 2, 0, 1, 1, 2, 3]
    again = graphs.from_types({"author": 2, "paper": 3}, {WRITES: ([0], [0])}, reverse=True)
    assert len(graphs.schema_of(again).relations) == 2


def test_a_relation_within_a_type_without_another_is_its_own_reverse():
    assert graphs.schema_of(small()).reverses == (-1, 1)
    assert graphs.prepare(small()).layout.reverse.tolist() == [-1, -1, -1, 4, 3]


def test_times_and_features_of_the_reverse():
    graph = small(
        reverse=True,
        edge_time={WRITES: [1.0, 2.0, 3.0], CITES: [4.0, 5.0]},
        edge_features={WRITES: np.eye(3, 2), CITES: np.ones((2, 2))},
    )
    assert graph.edges.time.tolist() == [1, 2, 3, 4, 5, -1, -2, -3, -4, -5]
    np.testing.assert_array_equal(graph.edges.features[:5], graph.edges.features[5:])


def random_typed(seed):
    rng = np.random.default_rng(seed)
    counts = {f"t{i}": int(rng.integers(1, 6)) for i in range(rng.integers(1, 4))}
    edges = {}
    for r in range(rng.integers(1, 6)):
        source, target = rng.choice(list(counts), 2)
        number = int(rng.integers(0, 9))
        edges[str(source), f"r{r}", str(target)] = (
            rng.integers(counts[source], size=number),
            rng.integers(counts[target], size=number),
        )
    time = {r: rng.integers(2, size=len(e[0])).astype(np.float32) for r, e in edges.items()}
    options = {"edge_time": time} if seed % 2 else {}
    return graphs.from_types(counts, edges, reverse=bool(seed % 3), **options)


@pytest.mark.parametrize("seed", range(60))
def test_pairs_of_random_graphs(seed):
    """With a layout, without one and padded: the pair of an edge has its node, relation and time."""
    graph = random_typed(seed)
    sizes = graphs.Budget(len(graph.nodes.type) + 3, len(graph.senders) + 4, 2)
    number = len(graph.senders)
    for given in (graph, graphs.prepare(graph), graphs.pad(graph, sizes)):
        for end in ("sender", "receiver"):
            node, relations, edges, time = graphs.relation_ends(given, end)
            node, ids = np.asarray(node), np.asarray(relations.ids)
            edges.check()
            relations.check()
            pair = np.asarray(edges.senders if end == "sender" else edges.receivers)[:number]
            own = graph.senders if end == "sender" else graph.receivers
            np.testing.assert_array_equal(node[pair], own)
            np.testing.assert_array_equal(ids[pair], graph.edges.relation)
            keys = [node[pair], ids[pair]]
            if time is not None:
                np.testing.assert_array_equal(np.asarray(time)[pair], graph.edges.time)
                keys.append(np.asarray(time)[pair])
            if end == "receiver" or given is not graph:
                assert len(np.unique(pair)) == len(np.unique(np.stack(keys), axis=1).T)
        if isinstance(given, graphs.PreparedGraph):
            reverse, schema = given.layout.reverse[:number], graphs.schema_of(graph)
            for e in np.flatnonzero(reverse >= 0):
                back = reverse[e]
                assert reverse[back] == e
                assert (graph.senders[back], graph.receivers[back]) == (
                    graph.receivers[e],
                    graph.senders[e],
                )
                assert schema.reverses[graph.edges.relation[e]] == graph.edges.relation[back]


def test_sizes_of_a_padded_layout_follow_from_the_budget():
    budget = graphs.Budget(16, 40, 2)
    shapes = {
        tuple(np.shape(x) for x in jax.tree.leaves(graphs.pad(graph, budget)))
        for graph in (small(reverse=True), small(reverse=True)._replace(edges=None))
        if graph.edges is not None
    }
    other = graphs.from_types(
        {"author": np.ones((2, 1), np.float32), "paper": 3},
        {WRITES: ([1, 1], [0, 0]), CITES: ([2], [2])},
        reverse=True,
    )
    assert {tuple(np.shape(x) for x in jax.tree.leaves(graphs.pad(other, budget)))} == shapes


def test_new_features_keep_the_layout_and_new_types_drop_it():
    graph = graphs.prepare(small())
    features = replace(graph.nodes, features=graph.nodes.features + 1)
    assert isinstance(graph._replace(nodes=features), graphs.PreparedGraph)
    kinds = replace(graph.nodes, type=graph.nodes.type.copy())
    assert not isinstance(graph._replace(nodes=kinds), graphs.PreparedGraph)
    edges = graph.edges._replace(relation=graph.edges.relation.copy())
    assert not isinstance(graph._replace(edges=edges), graphs.PreparedGraph)


@pytest.mark.parametrize(
    "nodes, edges, message",
    [
        ({"a": 2}, {("a", "r", "b"): ([0], [0])}, "the type of .* must be one of 'a'; got 'b'"),
        ({"a": 2}, {("a", "r", "a"): ([0], [2])}, r"receivers of edges\[.*\] must lie in \[0, 2\)"),
        ({"a": 2}, {("a", "r", "a"): ([0, 1], [0])}, "as many senders as receivers, got 2 and 1"),
        ({"a": 2}, {("a", "r", "a"): ([0.5], [0])}, "senders of edges.* must be integer ids"),
        ({"a": 2}, {("a", "r", "a"): np.zeros((4, 2), int)}, r"Fix: for \[E, 2\], its transpose"),
        ({"a": 2}, {("a", "a"): ([0], [0])}, "a relation must be"),
        ({"a": np.ones(3)}, {("a", "r", "a"): ([0], [0])}, r"nodes\['a'\] must have shape"),
        ({"a": np.ones((3, 1), int)}, {("a", "r", "a"): ([0], [0])}, "must be floating point"),
        ({}, {}, "schema.types must be a tuple of different names"),
        ([], {}, "nodes must be a dict of types"),
    ],
)
def test_what_does_not_fit_is_said(nodes, edges, message):
    with pytest.raises(ValueError, match=message):
        graphs.from_types(nodes, edges)


def test_edges_of_another_type_are_refused():
    graph = small()
    wrong = graph._replace(edges=graph.edges._replace(relation=np.ones(5, np.int32)))
    with pytest.raises(
        ValueError, match=r"edge 0 of relation .*cites.* has node 0 of type 'author'"
    ):
        graphs.prepare(wrong)
    with pytest.raises(ValueError, match="edge_features must have an array for every relation"):
        small(edge_features={WRITES: np.ones((3, 2))})
    with pytest.raises(ValueError, match="relation 'reads' is not there"):
        graphs.schema_of(graph).relation_id("reads")


def test_typed_graphs_in_a_batch():
    """Separate graphs with other numbers of nodes: batched, padded, in `GraphBatches`, and back."""
    other = graphs.from_types(
        {"author": np.zeros((4, 1), np.float32), "paper": 1}, {WRITES: ([3], [0]), CITES: ([], [])}
    )
    parts = [small(), other, small()]
    whole = graphs.batch(parts)
    assert whole.nodes.counts == (4, 3) and whole.senders[5] == 5 + 3
    budget = graphs.Budget(32, 32, 5)
    back = graphs.unbatch(graphs.pad(whole, budget))
    for got, want in zip(back, parts, strict=True):
        for x, y in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
            np.testing.assert_array_equal(x, y)
    stepped = ga.training.GraphBatches(whole, 2, seed=0, budgets=(budget,))
    structures = {jax.tree.structure(batch) for batch in (next(stepped), next(stepped))}
    assert len(structures) == 1
    layer = ga.attention.HGT(heads=1, schema=graphs.schema_of(whole), implementation="reference")
    params = layer.init(jax.random.key(0), 1)
    together = layer.apply(params, graphs.pad(whole, budget)).graph.nodes.features[:15]
    alone = [layer.apply(params, part).graph.nodes.features for part in parts]
    np.testing.assert_allclose(together, np.concatenate(alone), rtol=1e-5, atol=1e-6)
    missing = graphs.from_types({"author": 1, "paper": 1}, {WRITES: ([0], [0])})
    with pytest.raises(ValueError, match=r"graph 1 has other relations than graph 0, .*cites"):
        graphs.batch([small(), missing])


def test_types_without_nodes_and_relations_without_edges():
    graph = graphs.from_types({"author": 0, "paper": 2}, {WRITES: ([], []), CITES: ([0], [1])})
    assert graph.nodes.counts == (0, 2) and graph.edges.relation.tolist() == [1]
    for given in (graphs.prepare(graph), graphs.pad(graph, graphs.Budget(4, 4, 2))):
        assert graphs.validate(given) is given
        assert graphs.node_groups(given).num_groups == 2


def test_times_of_nodes():
    dates = np.array(["1970-01-01T00:00:05", "1969-12-31T23:59:59"], "datetime64[s]")
    graph = small(node_time={"author": dates})
    assert graph.nodes.time.tolist() == [5, -1] + [graphs.ALWAYS] * 3
    for time, message in (
        ({"author": [1]}, r"node_time\['author'\] must have shape \[2\]"),
        ({"autor": [1, 2]}, "a type of node_time must be one of.* Fix: 'author'"),
        ({"author": [1, np.nan]}, r"node_time\['author'\] has no time in row 1"),
    ):
        with pytest.raises(ValueError, match=message):
            small(node_time=time)


def test_validation_names_types_and_relations():
    graph = small()
    wrong = graph._replace(nodes=replace(graph.nodes, index=graph.nodes.index + 1))
    with pytest.raises(
        ValueError, match=r"index of node 1 must lie in .0, 2. for nodes of type 'au"
    ):
        graphs.validate(wrong)
    wrong = graph._replace(edges=graph.edges._replace(relation=np.ones(5, np.int32)))
    with pytest.raises(ValueError, match=r"edge 0 of relation .*cites.* has node 0"):
        graphs.validate(wrong)
