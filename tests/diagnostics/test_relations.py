"""Tables of attention by relation, against sums over edges one by one; and the picture."""

import matplotlib
import numpy as np
import pytest

import graphattn_jax as ga
from graphattn_jax import diagnostics, nn, ops

RELATIONS = (("a", "to", "b"), ("b", "near", "b"), ("b", "alone", "a"))
EDGES = {
    RELATIONS[0]: ([0, 1, 0, 1], [0, 0, 1, 2]),
    RELATIONS[1]: ([1, 2, 3], [0, 1, 3]),
    RELATIONS[2]: ([], []),
}
GRAPH = ga.graphs.from_types({"a": 2, "b": 5}, EDGES)
WEIGHTS = np.array(
    [[0.1, 0.5], [0.3, 0.0], [0.5, 1.0], [1.0, 1.0], [0.6, 0.5], [0.5, 0.0], [1.0, 1.0]]
)


def attention(weights, shares=None):
    return ops.Attention(lambda: ops.Weights(weights, weights, weights, shares=shares))


def test_mass_and_spread_are_means_over_nodes():
    table = diagnostics.relation_table(attention(WEIGHTS), GRAPH)
    assert table.relations == RELATIONS and table.edges.tolist() == [4, 3, 0]
    # Four of five nodes of b hear anything, and no node of a.
    want = np.stack([WEIGHTS[:4].sum(axis=0), WEIGHTS[4:].sum(axis=0)]) / 4
    np.testing.assert_allclose(table.mass[:2], want)
    np.testing.assert_allclose(table.mass[:2].sum(axis=0), 1)
    assert np.isnan(table.mass[2]).all() and table.shares is None
    p = np.array([0.25, 0.75])  # the only node with two edges of a relation
    np.testing.assert_allclose(table.spread[0, 0], -(p * np.log(p)).sum() / np.log(2))
    assert table.spread[0, 1] == 0 and np.isnan(table.spread[1:]).all()


def test_shares_of_relations_weigh_the_attention_within_them():
    ends = ga.graphs.relation_ends(ga.graphs.prepare(GRAPH), "receiver")
    of_pair = np.arange(1.0, 1 + len(ends.node))
    shares = nn.Shares(of_pair, of_pair)
    table = diagnostics.relation_table(attention(WEIGHTS, shares), ga.graphs.prepare(GRAPH))
    relation, of_edge = np.asarray(ends.relations.ids), of_pair[np.asarray(ends.edges.receivers)]
    want = (WEIGHTS * of_edge[:, None])[:4].sum(axis=0) / 4
    np.testing.assert_allclose(table.mass[0], want)
    np.testing.assert_allclose(table.shares[:2], [of_pair[relation == r].mean() for r in (0, 1)])
    assert np.isnan(table.shares[2])


def test_padding_does_not_count():
    padded = ga.graphs.pad(GRAPH, ga.graphs.Budget(12, 20, 3))
    weights = np.concatenate([WEIGHTS, np.full((13, 2), np.nan)])
    got = diagnostics.relation_table(attention(weights), padded)
    want = diagnostics.relation_table(attention(WEIGHTS), GRAPH)
    for a, b in zip(got[1:4], want[1:4]):
        np.testing.assert_allclose(a, b)


def test_it_prints_a_row_per_relation_and_draws_a_cell_per_head():
    matplotlib.use("Agg")
    table = diagnostics.relation_table(attention(WEIGHTS), GRAPH)
    lines = str(table).splitlines()
    assert lines[0].split() == [
        "relation",
        "edges",
        "mass",
        "0",
        "mass",
        "1",
        "spread",
        "0",
        "spread",
        "1",
    ]
    assert lines[1].startswith("a to → b") and lines[1].split()[4:] == [
        "4",
        "0.475",
        "0.625",
        "0.811",
        "0.000",
    ]
    assert lines[3].split()[-4:] == ["-"] * 4
    ax = diagnostics.plot_relations([table, table])
    image = ax.get_images()[0].get_array()
    assert image.shape == (3, 4)
    np.testing.assert_allclose(image[:2, 2:], table.mass[:2])
    matplotlib.pyplot.close(ax.figure)


def test_what_does_not_fit_is_said():
    table = diagnostics.relation_table(attention(WEIGHTS), GRAPH)
    with pytest.raises(ValueError, match=r"attention must be the ga.ops.Attention of a layer"):
        diagnostics.relation_table(WEIGHTS, GRAPH)
    with pytest.raises(ValueError, match=r"attention.weights must have shape \[7, H\]"):
        diagnostics.relation_table(attention(WEIGHTS[:3]), GRAPH)
    with pytest.raises(ValueError, match="must be typed"):
        diagnostics.relation_table(attention(WEIGHTS), ga.testing.random_graph(0, 3, 4, 2))
    with pytest.raises(ValueError, match="all of the same relations"):
        diagnostics.plot_relations([table, table._replace(relations=())])
