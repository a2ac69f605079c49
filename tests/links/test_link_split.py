"""Splits of links: whatever the graph, no part's graph has an edge that says what its links say."""

import numpy as np
import pytest

import graphattn_jax as ga
from graphattn_jax.links import hide_links, split_links

TYPES = {"a": 7, "b": 5}
RELATIONS = (("a", "to", "b"), ("a", "near", "a"), ("b", "next", "b"), ("a", "never", "b"))


def homogeneous(seed):
    """Parallel edges, both directions, self-loops; each edge has its number as a feature."""
    rng = np.random.default_rng(seed)
    ends = rng.integers(9, size=(2, 60))
    return ga.graphs.from_edge_list(
        *ends, num_nodes=9, edges=np.arange(60, dtype=np.float32)[:, None]
    )


def typed(seed):
    """The same of four relations: two have reverses, of which some edges lack; one has no edges."""
    rng = np.random.default_rng(seed)
    relations = (*RELATIONS, ("b", "rev_to", "a"), ("b", "rev_next", "b"))
    edges = {}
    for relation in relations:
        source, name, target = relation
        count = 0 if name == "never" else 25
        edges[relation] = np.stack([rng.integers(TYPES[t], size=count) for t in (source, target)])
    numbers = np.split(np.arange(125, dtype=np.float32)[:, None], [25, 50, 75, 75, 100])
    return ga.graphs.from_types(TYPES, edges, edge_features=dict(zip(relations, numbers)))


def facts(graph, directed=False):
    """What each edge says, found one by one; None for a self-loop."""
    said = []
    for e, ends in enumerate(zip(graph.senders.tolist(), graph.receivers.tolist())):
        name, has_reverse = "", False
        if hasattr(graph.edges, "relation"):
            schema = graph.nodes.schema
            name = schema.relations[graph.edges.relation[e]][1]
            names = {n for _, n, _ in schema.relations}
            if name.startswith("rev_"):
                name, ends, has_reverse = name[4:], ends[::-1], True
            has_reverse |= "rev_" + name in names
        if ends[0] == ends[1]:
            said.append(None)
        elif has_reverse or directed or name == "never":
            said.append((name, *ends))
        else:
            said.append((name, frozenset(ends)))
    return said


def said_by(part, graph, directed=False):
    """By the links of a part, by way of their edges."""
    every = facts(graph, directed)
    return [every[e] for e in part.edges]


def numbers(graph):
    features = graph.edges.features if hasattr(graph.edges, "features") else graph.edges
    return features[:, 0].astype(int)


@pytest.mark.parametrize("make", [homogeneous, typed])
@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_nothing_leaks(make, directed, seed):
    graph = make(seed)
    every = facts(graph, directed)
    split = split_links(graph, (0.6, 0.2, 0.2), seed=seed, supervision=0.4, directed=directed)
    links = [said_by(part, graph, directed) for part in split]
    assert None not in set().union(*links)
    assert len(set().union(*links)) == sum(map(len, links))  # each once, in one part
    messages = [set(facts(part.graph, directed)) - {None} for part in split]
    for part, own in zip(messages, links):
        assert not part & set(own)
    assert not (messages[0] | messages[1]) & set(links[2])
    # Nothing is lost either.
    assert messages[1] == messages[0] | set(links[0])
    assert messages[2] == messages[1] | set(links[1])
    assert messages[2] | set(links[2]) == set(every) - {None}
    for part in split:
        kept = numbers(part.graph)
        assert (np.diff(kept) > 0).all()  # the order of the edges
        np.testing.assert_array_equal(graph.senders[kept], part.graph.senders)
        np.testing.assert_array_equal(graph.receivers[kept], part.graph.receivers)
        loops = {e for e, fact in enumerate(every) if fact is None}
        assert loops <= set(kept.tolist())
        assert [every[e] for e in kept] == facts(part.graph, directed)
        if make is typed:
            np.testing.assert_array_equal(graph.edges.relation[kept], part.graph.edges.relation)


def test_links_have_the_forward_direction_and_name_their_edge():
    graph = typed(0)
    schema = graph.nodes.schema
    for part in split_links(graph, (0.5, 0.25, 0.25), directed=True):
        for head, r, tail, edge in zip(*part.links, part.edges):
            source, name, target = schema.relations[r]
            assert not name.startswith("rev_")
            assert schema.types[graph.nodes.type[head]] == source
            assert schema.types[graph.nodes.type[tail]] == target
            assert facts(graph, True)[edge] == (name, head, tail)


def test_shares_hold_in_each_relation_and_training_keeps_one():
    rng = np.random.default_rng(0)
    sizes = {"r0": 40, "r1": 10, "r2": 2, "r3": 1, "r4": 1}
    pairs = rng.permutation(400)[: sum(sizes.values())]
    parts = np.split(pairs, np.cumsum(list(sizes.values()))[:-1])
    edges = {("a", name, "b"): np.divmod(p, 20) for name, p in zip(sizes, parts)}
    graph = ga.graphs.from_types({"a": 20, "b": 20}, edges, reverse=True)
    split = split_links(graph, (0.5, 0.25, 0.25), supervision=1.0)
    counts = np.stack([np.bincount(part.links.relations, minlength=5) for part in split])
    np.testing.assert_array_equal(counts.sum(0), list(sizes.values()))
    assert (abs(counts - np.outer([0.5, 0.25, 0.25], list(sizes.values()))) <= 1).all()
    assert (counts[0] >= 1).all()
    assert not len(split.train.graph.senders)


@pytest.mark.parametrize("make", [homogeneous, typed])
@pytest.mark.parametrize("seed", range(3))
def test_by_time_no_edge_is_from_the_future(make, seed):
    graph = make(seed)
    time = np.random.default_rng(seed + 10).integers(40, size=len(graph.senders))  # with ties
    every = facts(graph)
    latest = {fact: max(t for f, t in zip(every, time) if f == fact) for fact in set(every)}
    split = split_links(graph, (0.6, 0.2, 0.2), time=time, supervision=0.3)
    before = -1
    for part in split:
        times = [latest[fact] for fact in said_by(part, graph)]
        messages = time[numbers(part.graph)]
        assert messages.max() < min(times)
        assert before < min(times)
        before = max(times)
        assert not set(facts(part.graph)) & set(said_by(part, graph))
    dates = np.datetime64("2026-01-01", "ns") + time.astype("timedelta64[ns]")
    again = split_links(graph, (0.6, 0.2, 0.2), time=dates, supervision=0.3)
    for one, two in zip(split, again):
        np.testing.assert_array_equal(one.edges, two.edges)


def test_some_relations_only():
    graph = typed(1)
    split = split_links(graph, (0.5, 0.25, 0.25), relations=["rev_to"])
    names = {graph.nodes.schema.relations[r][1] for part in split for r in part.links.relations}
    assert names == {"to"}
    others = np.isin(graph.edges.relation, [1, 2, 5])
    for part in split:
        assert set(np.flatnonzero(others)) <= set(numbers(part.graph))


def test_a_function_of_the_seed_and_the_epoch_alone():
    graph = homogeneous(0)
    one, two, other = (split_links(graph, seed=s).test.edges for s in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert one.tolist() != other.tolist()
    hidden = [hide_links(graph, 0.5, seed=3, epoch=e) for e in (0, 1, 1)]
    assert len({len(part.edges) for part in hidden}) == 1
    assert hidden[0].edges.tolist() != hidden[1].edges.tolist()
    np.testing.assert_array_equal(hidden[1].edges, hidden[2].edges)
    for part in hidden:
        assert not set(facts(part.graph)) & set(said_by(part, graph))


def test_padding_is_left_out():
    graph = typed(0)
    padded = ga.graphs.pad(graph, ga.graphs.Budget(20, 140, 2))
    for one, two in zip(split_links(graph), split_links(padded)):
        np.testing.assert_array_equal(one.edges, two.edges)
        np.testing.assert_array_equal(one.graph.senders, two.graph.senders)


def test_extremes():
    graph = homogeneous(0)
    every = split_links(graph, (1.0, 0.0, 0.0), supervision=1.0)
    assert not len(every.val.edges) and not len(every.test.edges)
    assert (every.train.graph.senders == every.train.graph.receivers).all()
    none = split_links(graph, (0.5, 0.5, 0.0), supervision=0.0)
    assert not len(none.train.edges) and len(none.val.edges)
    assert hide_links(graph, 0.0, seed=0).graph.senders.tolist() == graph.senders.tolist()
    loops = ga.graphs.from_edge_list([0, 1], [0, 1])
    assert not len(hide_links(loops, 1.0, seed=0).edges)


def test_what_cannot_be_split_is_said():
    graph = homogeneous(0)
    pair = ga.graphs.from_edge_list([0, 1], [1, 0])
    for call, message in (
        (lambda: split_links(pair), "enough links for fractions, got none for train of 1 links"),
        (lambda: split_links(pair, supervision=1.0), "got none for val of 1 links"),
        (lambda: split_links(graph, (0.5, 0.5)), "fractions must be"),
        (lambda: split_links(graph, (0.5, 0.6, 0.1)), "fractions must be"),
        (lambda: split_links(graph, supervision=1.5), "supervision must be a share from 0 to 1"),
        (lambda: split_links(graph, seed=-1), "seed must be a non-negative integer, got int -1"),
        (lambda: split_links(graph, time=np.ones(3)), r"time must have shape \[60\], got \(3,\)"),
        (lambda: split_links(graph, time=np.full(60, np.nan)), "got none for edge 0"),
        (lambda: split_links(graph, time=np.array(["x"] * 60)), "time must hold numbers or dates"),
        (lambda: split_links(graph, relations=["to"]), "graph must be typed"),
        (lambda: split_links(typed(0), relations="to"), r"relations must be a list of names"),
        (lambda: split_links(typed(0), relations=["of"]), "relation 'of' is not there"),
        (lambda: hide_links(graph, True, seed=0), "share must be a share"),
        (lambda: hide_links(graph, 0.5, seed=0, epoch=0.5), "epoch must be a non-negative"),
        (lambda: split_links([graph]), "graph must be a GraphsTuple, got list"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
