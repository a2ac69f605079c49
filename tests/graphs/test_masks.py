import jax
import jraph
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphattn_jax as ga

deterministic = settings(max_examples=25, deadline=None, derandomize=True)
masks = jax.jit(lambda g: (ga.graphs.node_mask(g), ga.graphs.edge_mask(g), ga.graphs.graph_mask(g)))
ids = jax.jit(lambda g: (ga.graphs.node_graph_ids(g), ga.graphs.edge_graph_ids(g)))


@given(data=st.data())
@deterministic
def test_agree_with_jraph_on_padded_graphs(data, batch_strategy):
    graph = ga.graphs.batch(data.draw(batch_strategy))
    padded = ga.graphs.pad(graph, ga.graphs.Budget(31, 51, 7))
    theirs = (
        jraph.get_node_padding_mask(padded),
        jraph.get_edge_padding_mask(padded),
        jraph.get_graph_padding_mask(padded),
    )
    on_host = (
        ga.graphs.node_mask(padded),
        ga.graphs.edge_mask(padded),
        ga.graphs.graph_mask(padded),
    )
    for want, host, traced in zip(theirs, on_host, masks(padded), strict=True):
        assert isinstance(host, np.ndarray)
        np.testing.assert_array_equal(host, want)
        np.testing.assert_array_equal(traced, want)


@given(data=st.data())
@deterministic
def test_graph_ids(data, batch_strategy):
    graphs = data.draw(batch_strategy)
    padded = ga.graphs.pad(ga.graphs.batch(graphs), ga.graphs.Budget(31, 51, 7))
    on_host = ga.graphs.node_graph_ids(padded), ga.graphs.edge_graph_ids(padded)
    for host, traced, sizes in zip(
        on_host, ids(padded), (padded.n_node, padded.n_edge), strict=True
    ):
        want = [g for g, size in enumerate(sizes) for _ in range(size)]
        assert host.dtype == traced.dtype == np.int32
        np.testing.assert_array_equal(host, want)
        np.testing.assert_array_equal(traced, want)


def test_unpadded_graphs_are_all_real(two_graphs):
    for mask, rows in zip(masks(two_graphs), (5, 5, 2), strict=True):
        np.testing.assert_array_equal(mask, np.ones(rows, bool))
    assert ga.graphs.graph_mask(two_graphs).tolist() == [True, True]


def test_real_graphs_without_nodes_stay_real():
    empty = ga.graphs.from_edge_list([], [])
    pair = ga.graphs.from_edge_list([0], [1])
    padded = ga.graphs.pad(ga.graphs.batch([pair, empty]), ga.graphs.Budget(4, 4, 4))
    assert ga.graphs.graph_mask(padded).tolist() == [True, True, False, False]


def test_what_jraph_padded_is_said_by_the_type(two_graphs):
    theirs = jraph.pad_with_graphs(two_graphs, 8, 9, 4)
    assert ga.graphs.node_mask(theirs).all()
    marked = ga.graphs.PaddedGraphsTuple(*theirs)
    for graph in (marked, ga.graphs.prepare(marked)):
        assert ga.graphs.node_mask(graph).sum() == 5
        assert ga.graphs.edge_mask(graph).sum() == 5
        assert ga.graphs.graph_mask(graph).tolist() == [True, True, False, False]


@given(data=st.data())
@deterministic
def test_a_layout_holds_what_the_sizes_say(data, batch_strategy):
    """On the host and traced: read from the layout, and computed from n_node and n_edge."""
    prepared = ga.graphs.pad(
        ga.graphs.batch(data.draw(batch_strategy)), ga.graphs.Budget(31, 51, 7)
    )
    plain = ga.graphs.PaddedGraphsTuple(*prepared)
    for read in (masks, ids):
        for got, want in zip(read(prepared), read(plain), strict=True):
            assert got.dtype == want.dtype
            np.testing.assert_array_equal(got, want)


def test_under_vmap_and_without_nodes(two_graphs):
    budget = ga.graphs.Budget(8, 9, 4)
    one = ga.graphs.pad(two_graphs, budget)
    two = ga.graphs.pad(ga.graphs.unbatch(two_graphs)[0], budget)
    stacked = jax.tree.map(lambda *x: np.stack(x), one, two)
    mask = jax.vmap(ga.graphs.node_mask)(stacked)
    assert mask.sum(axis=1).tolist() == [5, 3]
    featureless = one._replace(nodes=None)
    assert ga.graphs.node_mask(featureless).sum() == masks(featureless)[0].sum() == 5
    featureless = ga.graphs.PaddedGraphsTuple(*featureless)
    assert ga.graphs.node_mask(featureless).sum() == 5
    with pytest.raises(ValueError, match="no node features"):
        masks(featureless)


def test_no_rows():
    empty = ga.graphs.from_edge_list([], [], nodes=np.zeros((0, 2), np.float32))
    for x in (*masks(empty)[:2], *ids(empty)):
        assert x.shape == (0,)
