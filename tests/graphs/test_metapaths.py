"""Metapaths against walks counted one by one, and the guard of their size."""

import itertools
import re
from collections import Counter

import networkx as nx
import numpy as np
import pytest

import graphattn_jax as ga
from graphattn_jax import graphs

COUNTS = {"author": 4, "paper": 6, "venue": 3}
RELATIONS = (("author", "writes", "paper"), ("paper", "cites", "paper"), ("paper", "at", "venue"))
PATHS = {
    "coauthor": ("writes", "rev_writes"),
    "same venue": ("writes", "at", "rev_at", "rev_writes"),
    "cited by": ("writes", "cites", "rev_writes"),
    "author at": ("writes", "at"),
    "cites": (("paper", "cites", "paper"),),
}


def typed_graph(seed, density=0.4, parallel=True):
    rng = np.random.default_rng(seed)
    edges = {}
    for relation in RELATIONS:
        sizes = COUNTS[relation[0]], COUNTS[relation[2]]
        ends = np.argwhere(rng.random(sizes) < density).T
        edges[relation] = np.concatenate([ends, ends[:, :2]], axis=1) if parallel else ends
    nodes = {t: rng.normal(size=(n, 3)).astype(np.float32) for t, n in COUNTS.items()}
    return graphs.from_types(nodes, edges, reverse=True)


GRAPH = typed_graph(0)
SCHEMA = graphs.schema_of(GRAPH)


def walks_of(graph, path):
    """How many walks join each pair, by following every edge."""
    schema = graphs.schema_of(graph)
    walks = Counter({(n, n): 1 for n in range(len(graph.nodes.type))})
    for number, name in enumerate(path):
        own = graph.edges.relation == schema.relation_id(name)
        edges = list(zip(graph.senders[own].tolist(), graph.receivers[own].tolist()))
        if number == 0:
            starts = {s for s, _ in edges}
            walks = Counter({(n, n): 1 for n in starts})
        longer = Counter()
        for (start, at), times in walks.items():
            for s, r in edges:
                if s == at:
                    longer[start, r] += times
        walks = longer
    return walks


def edges_of(graph, name):
    own = graph.edges.relation == graphs.schema_of(graph).relation_id(name)
    return list(zip(graph.senders[own].tolist(), graph.receivers[own].tolist()))


@pytest.mark.parametrize("self_returns", [True, False])
def test_edges_are_the_pairs_that_walks_join_and_counts_how_many(self_returns):
    counted = graphs.metapaths(GRAPH, PATHS, count=True, self_returns=self_returns)
    binary = graphs.metapaths(GRAPH, PATHS, self_returns=self_returns)
    np.testing.assert_array_equal(counted.senders, binary.senders)
    assert binary.edges.features is None and binary.nodes.features is GRAPH.nodes.features
    graphs.validate(binary)
    features = counted.edges.features[:, 0]
    for name, path in PATHS.items():
        want = {p: n for p, n in walks_of(GRAPH, path).items() if self_returns or p[0] != p[1]}
        pairs = edges_of(counted, name)
        assert pairs == sorted(want, key=lambda pair: pair[::-1])
        own = counted.edges.relation == list(PATHS).index(name)
        assert features[own].tolist() == [want[pair] for pair in pairs]


def test_a_metapath_of_one_relation_reaches_as_far_as_networkx_says():
    path = ("cites",) * 3
    got = set(edges_of(graphs.metapaths(GRAPH, {"far": path}), "far"))
    own = GRAPH.edges.relation == SCHEMA.relation_id("cites")
    cites = nx.DiGraph(zip(GRAPH.senders[own].tolist(), GRAPH.receivers[own].tolist()))
    adjacency = nx.to_scipy_sparse_array(cites, nodelist=sorted(cites)) > 0
    power = adjacency.astype(int) @ adjacency.astype(int) @ adjacency.astype(int)
    nodes = sorted(cites)
    assert got == {(nodes[i], nodes[j]) for i, j in zip(*power.nonzero())}


def test_a_batch_is_its_graphs_side_by_side():
    parts = [typed_graph(seed) for seed in (1, 2)]
    together = graphs.metapaths(graphs.batch(parts), PATHS, count=True)
    apart = graphs.batch([graphs.metapaths(part, PATHS, count=True) for part in parts])
    for name in ("senders", "receivers", "n_node", "n_edge"):
        np.testing.assert_array_equal(getattr(together, name), getattr(apart, name))
    np.testing.assert_array_equal(together.edges.features, apart.edges.features)
    np.testing.assert_array_equal(together.edges.relation, apart.edges.relation)


def test_palindromes_are_their_own_reverse():
    together = graphs.prepare(graphs.metapaths(GRAPH, {"coauthor": PATHS["coauthor"]}))
    reverse = together.layout.reverse
    assert (reverse >= 0).all()
    np.testing.assert_array_equal(together.senders[reverse], together.receivers)


def test_the_estimate_is_near_and_made_before_the_product():
    rng = np.random.default_rng(0)
    ends = rng.integers((2000, 40), size=(6000, 2)).T
    graph = graphs.from_types(
        {"author": 2000, "paper": 40}, {("author", "writes", "paper"): ends}, reverse=True
    )
    path = {"coauthor": ("writes", "rev_writes")}
    size = len(graphs.metapaths(graph, path).senders)
    pattern = r"'coauthor' would have about (\S+) edges after 2 of 2 relations.*sample_metapaths"
    with pytest.raises(ValueError, match=pattern) as raised:
        graphs.metapaths(graph, path, max_edges=size // 2)
    estimate = float(re.search(pattern, str(raised.value)).group(1))
    assert 0.75 * size < estimate < 1.25 * size
    # 450 million walks would be refused, the pairs are not.
    assert len(graphs.metapaths(graph, path, max_edges=2 * size).senders) == size


def test_the_cache_keeps_products_by_content(tmp_path):
    def run(graph, count=False):
        return graphs.metapaths(graph, PATHS, count=count, cache=tmp_path)

    def files():
        return len(list(tmp_path.rglob("output.pkl")))

    once = run(GRAPH)
    assert files() == len(PATHS)
    np.testing.assert_array_equal(run(GRAPH).senders, once.senders)
    assert files() == len(PATHS)
    run(GRAPH, count=True)
    assert files() == 2 * len(PATHS)
    other = typed_graph(3)
    np.testing.assert_array_equal(run(other).senders, graphs.metapaths(other, PATHS).senders)
    assert files() == 3 * len(PATHS)


def test_schema_metapaths_are_all_that_chain():
    found = graphs.schema_metapaths(SCHEMA, "author", 3)
    assert list(found)[:3] == ["rev_writes", "writes>rev_writes", "cites>rev_writes"]
    for path in found.values():
        assert path[-1][2] == "author"
        assert all(a[2] == b[0] for a, b in itertools.pairwise(path))
    # Backwards: to authors by one relation, to papers by four, to venues by one.
    assert [sum(len(p) == k for p in found.values()) for k in (1, 2, 3)] == [1, 4, 1 + 2 * 4 + 1]
    only = graphs.schema_metapaths(SCHEMA, "author", 2, sources=("author",))
    assert list(only) == ["writes>rev_writes"]
    names = graphs.Schema(("a",), (("a", "to", "a"), ("a", "by", "a")))
    assert len(graphs.schema_metapaths(names, "a", 2)) == 6


def test_no_edges_and_no_nodes_of_a_type():
    empty = graphs.from_types(
        {"author": 2, "paper": 0}, {("author", "writes", "paper"): ([], [])}, reverse=True
    )
    path = {"coauthor": ("writes", "rev_writes")}
    assert len(graphs.metapaths(empty, path, max_edges=1).senders) == 0
    assert graphs.metapath_walks(empty, path["coauthor"], walks=3)[:, :, 1:].max() == -1
    assert len(graphs.sample_metapaths(empty, path, walks=3).senders) == 0


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: graphs.metapaths(GRAPH, {}), "paths must be a dict of at least one name"),
        (lambda: graphs.metapaths(GRAPH, [("writes",)]), "paths must be a dict"),
        (lambda: graphs.metapaths(GRAPH, {"a": "writes"}), r"paths\['a'\] must be a tuple of rel"),
        (lambda: graphs.metapaths(GRAPH, {"a": ("wrote",)}), "relation 'wrote' is not there"),
        (
            lambda: graphs.metapaths(GRAPH, {"a": ("writes", "rev_at")}),
            r"paths\['a'\] does not chain: .* reaches 'paper', and .* leaves 'venue'",
        ),
        (lambda: graphs.schema_metapaths(SCHEMA, "book", 2), "target must be one of 'author'"),
        (lambda: graphs.schema_metapaths(SCHEMA, "paper", 0), "hops must be a positive integer"),
        (
            lambda: graphs.metapath_walks(GRAPH, PATHS["coauthor"], [5]),
            "receivers must be of type 'author'.* got node 5",
        ),
        (
            lambda: graphs.metapaths(graphs.pad(GRAPH, graphs.Budget(20, 80, 2)), PATHS),
            "metapaths got a padded graph",
        ),
        (lambda: graphs.metapaths(ga.testing.random_graph(0, 3, 4, 2), PATHS), "must be typed"),
    ],
)
def test_what_does_not_fit_is_said(call, message):
    with pytest.raises(ValueError, match=message):
        call()
