"""Negatives: exactly what is not known, uniform over it, and a function of three numbers."""

import numpy as np
import pytest
from test_link_index import all_known, mixed

import graphattn_jax as ga
from graphattn_jax.links import Links, corrupt_links, index_links, random_non_links


def links_of(graph):
    return Links(graph.senders, graph.edges.relation, graph.receivers)


def flat(links):
    return list(zip(*(np.asarray(x).ravel().tolist() for x in links)))


@pytest.mark.parametrize("side", ["both", "tail", "head"])
@pytest.mark.parametrize("seed", range(3))
def test_filtered_typed_negatives_are_never_known(side, seed):
    graph = mixed(seed)
    schema, links = graph.nodes.schema, links_of(graph)
    known = all_known(graph, False)
    found, where = corrupt_links(index_links(graph), links, 20, side=side, seed=seed)
    assert found.heads.shape == where.shape == (36, 20)
    positives = np.repeat(np.stack(links, axis=1), 20, axis=0)
    for (h, r, t), there, (head, _, tail) in zip(flat(found), where.ravel(), positives):
        if not there:
            assert (h, t) == (head, tail)
            continue
        assert (h, r, t) not in known
        assert (h == head) or (t == tail)
        assert side != "tail" or h == head
        assert side != "head" or t == tail
        assert graph.nodes.type[h] == schema.sources[r]
        assert graph.nodes.type[t] == schema.targets[r]


def test_uniform_over_all_that_is_not_known():
    graph = ga.graphs.from_edge_list([0, 0, 0], [1, 4, 5], num_nodes=8)
    index = index_links(graph, self_links=False)
    link = Links(np.array([0]), None, np.array([4]))
    found, where = corrupt_links(index, link, 4000, side="tail", seed=0)
    assert where.all() and found.relations is None
    counts = np.bincount(found.tails[0], minlength=8)
    assert set(np.flatnonzero(counts)) == {2, 3, 6, 7}
    assert abs(counts[[2, 3, 6, 7]] - 1000).max() < 5 * np.sqrt(1000)
    pairs, there = random_non_links(index, np.zeros(9000, int), seed=0)
    assert there.all()
    counts = np.zeros((8, 8))
    np.add.at(counts, (pairs.heads, pairs.tails), 1)
    known = np.eye(8, dtype=bool)
    known[[0, 0, 0, 1, 4, 5], [1, 4, 5, 0, 0, 0]] = True
    assert (counts[known] == 0).all()
    assert abs(counts[~known] - 9000 / 50).max() < 5 * np.sqrt(180)


def test_random_non_links_of_relations_between_types():
    graph = mixed()
    schema, known = graph.nodes.schema, all_known(graph, False)
    relations = np.repeat(np.arange(6), 50)
    found, where = random_non_links(index_links(graph), relations, seed=0)
    assert where.all() and set(flat(found)).isdisjoint(known)
    np.testing.assert_array_equal(
        graph.nodes.type[found.heads], np.array(schema.sources)[relations]
    )
    np.testing.assert_array_equal(
        graph.nodes.type[found.tails], np.array(schema.targets)[relations]
    )


def test_unfiltered_and_untyped():
    graph = mixed()
    links = links_of(graph)
    without = ga.graphs.edge_subgraph(graph, np.zeros(36, bool))
    found, where = corrupt_links(index_links(without), links, 50, seed=0)
    assert where.all() and set(flat(found)) & all_known(graph, False)
    np.testing.assert_array_equal(
        graph.nodes.type[found.heads],
        graph.nodes.type[links.heads][:, None] + np.zeros((1, 50), int),
    )
    untyped = Links(links.heads, None, links.tails)
    found, _ = corrupt_links(index_links(9), untyped, 50, side="head", seed=0)
    assert set(np.unique(found.heads)) == set(range(9))


def test_where_no_negative_exists():
    full = ga.graphs.from_types({"a": 2, "b": 2}, {("a", "to", "b"): ([0, 0, 1], [0, 1, 0])})
    index = index_links(full)
    links = Links(np.array([0, 1]), np.array([0, 0]), np.array([2, 2]))
    found, where = corrupt_links(index, links, 5, side="tail", seed=0)
    assert where.tolist() == [[False] * 5, [True] * 5]
    assert found.tails.tolist() == [[2] * 5, [3] * 5]
    # Of node 0 all tails are known, but of tail 3 not all heads.
    link = Links(np.array([0]), np.array([0]), np.array([3]))
    found, where = corrupt_links(index, link, 30, side="both", seed=0)
    assert where.all() and set(flat(found)) == {(1, 0, 3)}
    complete = index_links(1, Links(np.array([0]), None, np.array([0])))
    _, where = random_non_links(complete, np.zeros(3, int), seed=0)
    assert not where.any()


def test_a_function_of_seed_epoch_and_batch():
    graph = mixed()
    index, links = index_links(graph), links_of(graph)

    def drawn(*place):
        return flat(
            corrupt_links(index, links, 4, seed=place[0], epoch=place[1], batch=place[2])[0]
        )

    assert drawn(1, 2, 3) == drawn(1, 2, 3)
    assert len({tuple(drawn(*p)) for p in ((1, 2, 3), (0, 2, 3), (1, 0, 3), (1, 2, 0))}) == 4


def test_what_does_not_fit_is_said():
    index, links = index_links(mixed()), links_of(mixed())
    with pytest.raises(ValueError, match="count must be a positive integer"):
        corrupt_links(index, links, 0, seed=0)
    with pytest.raises(ValueError, match="side must be one of 'both', 'tail', 'head'"):
        corrupt_links(index, links, 1, side="left", seed=0)
    with pytest.raises(ValueError, match="batch must be a non-negative integer"):
        corrupt_links(index, links, 1, seed=0, batch=-1)
    with pytest.raises(ValueError, match=r"relations must lie in \[0, 6\)"):
        random_non_links(index, np.array([6]), seed=0)
