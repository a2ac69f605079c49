"""What layers read from a graph and put back."""

import jax
import numpy as np
import pytest

from graphattn_jax import graphs, nn, ops
from graphattn_jax.nn import (
    read_edges,
    read_ends,
    read_nodes,
    widths_of_ends,
    with_edges,
    with_nodes,
)

GRAPH = graphs.from_edge_list(
    [0, 1], [1, 0], nodes=np.ones((3, 4), np.float32), edges=np.ones((2, 5), np.float32)
)
PAIR = graphs.bipartite(
    np.array([0, 1]),
    np.array([1, 0]),
    sender_nodes=np.ones((3, 4), np.float32),
    receiver_nodes=np.ones((2, 6), np.float32),
)
SPARSE = GRAPH._replace(nodes=ops.SparseFeatures.from_dense(GRAPH.nodes))


def test_both_ends_are_one_set_of_nodes_or_a_pair():
    senders, receivers = read_ends(GRAPH, 4, 4)
    assert senders is receivers
    assert [x.shape for x in read_ends(PAIR, 4, 6)] == [(3, 4), (2, 6)]
    with pytest.raises(ValueError, match=r"graph.nodes.senders must be an array of shape \[N, 5\]"):
        read_ends(PAIR, 5, 6)
    with pytest.raises(ValueError, match=r"graph.nodes.receivers must be .* \[N, 5\]"):
        read_ends(PAIR, 4, 5)
    with pytest.raises(ValueError, match=r"graph.nodes must be an array of shape \[N, 6\]"):
        read_ends(GRAPH, 4, 6)


def test_one_set_of_nodes_is_not_a_pair():
    with pytest.raises(ValueError, match="one set of nodes, got a bipartite graph"):
        read_nodes(PAIR, 4)


def test_sparse_features_only_where_they_are_multiplied_first():
    assert read_nodes(SPARSE, 4, allow_sparse=True) is SPARSE.nodes
    assert read_ends(SPARSE, 4, 4, allow_sparse=True) == (SPARSE.nodes, SPARSE.nodes)
    for read in (lambda g: read_nodes(g, 4), lambda g: read_ends(g, 4, 4)):
        with pytest.raises(ValueError, match="needs the nodes as an array, got SparseFeatures"):
            read(SPARSE)


def test_edges_may_stand_beside_other_inputs():
    inputs = nn.EdgeInputs(GRAPH.edges, buckets=np.array([0, 1]))
    with_inputs = GRAPH._replace(edges=inputs)
    np.testing.assert_array_equal(read_edges(with_inputs, 5), GRAPH.edges)
    new = with_edges(with_inputs, 2 * GRAPH.edges)
    assert new.edges.buckets is inputs.buckets
    np.testing.assert_array_equal(new.edges.features, 2 * GRAPH.edges)
    assert with_edges(GRAPH, None).edges is None
    with pytest.raises(ValueError, match=r"made with edge_features=5.*got NoneType None"):
        read_edges(GRAPH._replace(edges=nn.EdgeInputs()), 5)
    with pytest.raises(ValueError, match=r"graph.edges must be floating point"):
        read_edges(GRAPH._replace(edges=np.ones((2, 5), int)), 5)


def test_new_nodes_are_those_of_the_receivers():
    out = with_nodes(PAIR, np.zeros((2, 1)))
    assert out.nodes.senders is PAIR.nodes.senders and out.nodes.receivers.shape == (2, 1)
    assert with_nodes(GRAPH, np.zeros((3, 1))).nodes.shape == (3, 1)


def test_widths_of_ends():
    assert widths_of_ends(4) == (4, 4) and widths_of_ends((4, 5)) == (4, 5)
    for wrong in ((4,), (4, 5, 6)):
        with pytest.raises(ValueError, match=r"an integer, or one for \(senders, receivers\)"):
            widths_of_ends(wrong)
    with pytest.raises(ValueError, match="in_features must be a positive integer"):
        widths_of_ends((4, 0))


@pytest.mark.parametrize(("read", "width"), [(read_nodes, 4), (read_edges, 5)])
def test_padding_is_read_as_0_by_one_select_and_what_is_not_padded_as_it_is(read, width):
    def program(graph):
        return str(jax.make_jaxpr(lambda g: read(g, width))(graph))

    padded = graphs.pad(GRAPH, graphs.Budget(5, 4, 2))
    wild = padded._replace(nodes=padded.nodes + np.nan, edges=padded.edges + np.nan)
    real = graphs.node_mask(wild) if read is read_nodes else graphs.edge_mask(wild)
    found = np.asarray(read(wild, width))
    assert np.isnan(found[real]).all() and not found[~real].any()
    assert program(padded).count("select_n") == 1
    assert "select_n" not in program(graphs.prepare(GRAPH))
