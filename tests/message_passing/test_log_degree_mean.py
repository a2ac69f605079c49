"""The mean of log(d + 1) over a data set."""

import numpy as np
import pytest

from graphattn_jax import graphs
from graphattn_jax.message_passing import log_degree_mean

STAR = graphs.from_edge_list([1, 2, 3, 0], [0, 0, 0, 1], nodes=np.ones((4, 2), np.float32))
PAIR = graphs.from_edge_list([0, 1], [1, 0], nodes=np.ones((2, 2), np.float32))
EXPECTED = (np.log(4) + 3 * np.log(2)) / 6  # degrees 3, 1, 0, 0 and 1, 1


def test_in_degrees_of_all_nodes_of_all_graphs():
    np.testing.assert_allclose(log_degree_mean([STAR, PAIR]), EXPECTED, rtol=1e-12)
    np.testing.assert_allclose(log_degree_mean(iter([STAR, PAIR])), EXPECTED, rtol=1e-12)


def test_batches_and_padding():
    batch = graphs.batch([STAR, PAIR])
    padded = graphs.pad(batch, graphs.Budget(n_node=10, n_edge=20, n_graph=4))
    for graph in (batch, padded):
        np.testing.assert_allclose(log_degree_mean([graph]), EXPECTED, rtol=1e-12)


def test_a_data_set_without_edges_has_none():
    empty = graphs.from_edge_list([], [], num_nodes=3)
    for graph_list in ([], [empty]):
        with pytest.raises(ValueError, match="graph_list must have edges"):
            log_degree_mean(graph_list)


def test_one_graph_is_not_a_list():
    with pytest.raises(ValueError, match="got one GraphsTuple"):
        log_degree_mean(STAR)
