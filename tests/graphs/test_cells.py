"""The cells of a database and their four masks, against loops over pairs of cells."""

from dataclasses import replace

import numpy as np
import pytest

import graphattn_jax as ga

SIZE = 40


def database(seed, reverse=True):
    """Orders with two foreign keys, one of them sometimes null; users with a key to another; shops of no column."""
    rng = np.random.default_rng(seed)
    orders, users = int(rng.integers(1, 6)), int(rng.integers(1, 4))
    some = np.flatnonzero(rng.random(orders) < 0.7)
    graph = ga.graphs.from_types(
        {
            "order": rng.normal(size=(orders, 2)).astype(np.float32),
            "user": rng.normal(size=(users, 1)).astype(np.float32),
            "shop": 2,
        },
        {
            ("order", "of", "user"): (np.arange(orders), rng.integers(0, users, orders)),
            ("order", "in", "shop"): (some, rng.integers(0, 2, len(some))),
            ("user", "invited by", "user"): ([users - 1], [0]),
        },
        reverse=reverse,
    )
    kinds = np.asarray(graph.nodes.type)
    categories = np.where(kinds[:, None] < 2, rng.integers(0, 4, (len(kinds), 1)), 0)
    nodes = replace(
        graph.nodes, categories=categories.astype(np.int32), vocabularies=((4,), (4,), ())
    )
    return graph._replace(nodes=nodes)


def by_loops(graph, found):
    """Four dense matrices over all cells of a batch."""
    graph_of = np.asarray(ga.graphs.node_graph_ids(graph))
    real = np.asarray(ga.graphs.edge_mask(graph))
    names = [name for _, name, _ in ga.graphs.schema_of(graph).relations]
    keys = {
        (int(s), int(r))
        for s, r, relation, there in zip(graph.senders, graph.receivers, graph.edges.relation, real)
        if there and not names[relation].startswith("rev_")
    }
    m = len(found.row)
    dense = {name: np.zeros((m, m), bool) for name in found.patterns._fields}
    for i in range(m):
        for j in range(m):
            a, b = int(found.row[i]), int(found.row[j])
            if graph_of[a] != graph_of[b]:
                continue
            dense["full"][i, j] = True
            dense["column"][i, j] = found.column[i] == found.column[j]
            dense["feature"][i, j] = a == b or (a, b) in keys
            dense["neighbour"][i, j] = (b, a) in keys
    return dense


def as_dense(blocks, m):
    """The pairs of a pattern as a matrix over cells."""
    pairs = blocks.mask[:, :, None] & blocks.mask[:, None, :]
    if blocks.pairs is not None:
        assert not (blocks.pairs & ~np.asarray(pairs)).any()
        pairs = blocks.pairs
    out = np.zeros((m + 1, m + 1), bool)
    for node, there in zip(blocks.node, np.asarray(pairs)):
        out[np.ix_(node, node)] |= there
    assert not out[m].any() and not out[:, m].any()
    return out[:m, :m]


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("padded", [False, True])
def test_masks_are_those_of_loops(seed, padded):
    graph = ga.graphs.batch([database(seed), database(seed + 20)])
    if padded:
        graph = ga.graphs.pad(graph, ga.graphs.Budget(40, 120, 4))
    found = ga.graphs.cells(graph, SIZE)
    dense = by_loops(graph, found)
    for name, blocks in found.patterns._asdict().items():
        np.testing.assert_array_equal(as_dense(blocks, len(found.row)), dense[name], err_msg=name)


def test_every_value_is_a_cell_in_its_column():
    graph = database(3)
    found = ga.graphs.cells(graph, SIZE)
    kinds, nodes = graph.nodes.type[found.row], graph.nodes
    assert (kinds < 2).all()  # shops have no column
    for row, column, number, category, kind in zip(*found[:4], kinds):
        place = column - (0, 3)[kind]  # orders: two numbers and a category, users: one and one
        if place < (2, 1)[kind]:
            assert number == nodes.features[row, place] and category == -1
        else:
            assert category == nodes.categories[row, 0] and number == 0
    assert len(found.row) == 3 * (nodes.type == 0).sum() + 2 * (nodes.type == 1).sum()


def test_reverse_relations_are_the_same_keys():
    one, other = (ga.graphs.cells(database(4, reverse), SIZE) for reverse in (True, False))
    for a, b in zip(one.patterns, other.patterns, strict=True):
        np.testing.assert_array_equal(as_dense(a, len(one.row)), as_dense(b, len(one.row)))


def test_attention_runs_under_each_mask():
    found = ga.graphs.cells(database(5), SIZE)
    m = len(found.row)
    q = np.random.default_rng(0).normal(size=(m, 2, 4)).astype(np.float32)
    for blocks in found.patterns:
        weights = ga.ops.block_attention(q, q, q, blocks).attention.weights[0, 0]
        allowed = as_dense(blocks, m)
        np.testing.assert_array_equal(np.asarray(weights)[:m, :m] > 0, allowed)


def test_what_does_not_fit_is_said():
    with pytest.raises(ValueError, match="size must be at least"):
        ga.graphs.cells(database(0), 2)
    with pytest.raises(ValueError, match="graph must be typed"):
        ga.graphs.cells(ga.graphs.from_edge_list([0], [1]), 4)
