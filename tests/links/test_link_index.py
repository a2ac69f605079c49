"""The index of what is known, against sets of Python."""

import itertools

import numpy as np
import pytest

import graphattn_jax as ga
from graphattn_jax.links import Links, index_links, is_known, ranking_candidates


def mixed(seed=0, reverse=True):
    """Types whose nodes are interleaved; two relations between types, one within."""
    rng = np.random.default_rng(seed)
    kinds = np.array([0, 1, 0, 2, 1, 0, 2, 1, 0])
    ends = ((0, 1), (0, 0), (1, 2))
    rows = []
    for r, (source, target) in enumerate(ends):
        s, t = np.flatnonzero(kinds == source), np.flatnonzero(kinds == target)
        rows += [(rng.choice(s), r, rng.choice(t)) for _ in range(6)]
    triples = np.array(rows).T
    graph = ga.graphs.from_triples(
        tuple(triples), node_types=kinds, relation_names=("x", "y", "z"), reverse=reverse
    )
    return graph


def all_known(graph, directed):
    """Every (head, relation, tail) that the edges say."""
    reverses = graph.nodes.schema.reverses
    found = set()
    for h, r, t in zip(graph.senders, graph.edges.relation, graph.receivers):
        found.add((h, r, t))
        if reverses[r] >= 0 and (reverses[r] != r or not directed):
            found.add((t, reverses[r], h))
    return found


@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
def test_what_is_known(directed, reverse):
    graph = mixed(reverse=reverse)
    index, known = index_links(graph, directed=directed), all_known(graph, directed)
    schema = graph.nodes.schema
    triples = [
        (h, r, t)
        for h, r, t in itertools.product(range(9), range(len(schema.relations)), range(9))
        if graph.nodes.type[h] == schema.sources[r] and graph.nodes.type[t] == schema.targets[r]
    ]
    links = Links(*np.array(triples).T)
    np.testing.assert_array_equal(is_known(index, links), [t in known for t in triples])
    for side, end in (("tail", 2), ("head", 0)):
        found = ranking_candidates(index, links, side)
        for triple, row in zip(triples, found):
            wanted_type = (schema.targets, schema.sources)[side == "head"][triple[1]]
            for node in range(9):
                other = list(triple)
                other[end] = node
                fits = graph.nodes.type[node] == wanted_type
                want = node == triple[end] or (fits and tuple(other) not in known)
                assert row[node] == want


def test_without_types_and_with_further_links():
    more = Links(np.array([2, 3]), None, np.array([3, 1]))
    index = index_links(4, Links(np.array([0]), None, np.array([1])), more, directed=True)
    pairs = np.array([[0, 1], [1, 0], [2, 3], [3, 1], [0, 0]])
    found = is_known(index, Links(pairs[:, 0], None, pairs[:, 1]))
    assert found.tolist() == [True, False, True, True, False]
    no_loops = index_links(4, more, self_links=False)
    assert is_known(no_loops, Links(np.arange(4), None, np.arange(4))).all()
    nothing = index_links(3)
    assert not is_known(nothing, Links(np.arange(3), None, np.arange(3))).any()


def test_what_does_not_fit_is_said():
    graph = mixed()
    index = index_links(graph)
    with pytest.raises(ValueError, match=r"links\.tails must have nodes of type 1 for relation 0"):
        ranking_candidates(index, Links(np.array([0]), np.array([0]), np.array([2])))
    with pytest.raises(ValueError, match=r"links\.heads must lie in \[0, 9\)"):
        is_known(index, Links(np.array([9]), np.array([0]), np.array([2])))
    with pytest.raises(ValueError, match=r"links\.relations must lie in \[0, 6\) for 6 relations"):
        index_links(graph, Links(np.array([0]), np.array([6]), np.array([1])))
    with pytest.raises(ValueError, match="side must be one of 'tail', 'head'"):
        ranking_candidates(index, Links(np.array([0]), np.array([0]), np.array([1])), "tails")
    with pytest.raises(ValueError, match=r"links must be a Links such as ga\.links\.Links"):
        index_links(4, (np.array([0]), None, np.array([1])))
    with pytest.raises(ValueError, match="nodes must be one graph, got a batch of 2"):
        index_links(ga.graphs.batch([ga.graphs.from_edge_list([0], [1])] * 2))
