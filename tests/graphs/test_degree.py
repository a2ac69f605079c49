import jax
import numpy as np

import graphattn_jax as ga


def test_counts_duplicates_and_loops_but_no_padding(two_graphs):
    assert ga.graphs.in_degree(two_graphs).tolist() == [0, 1, 1, 3, 0]
    assert ga.graphs.out_degree(two_graphs).tolist() == [1, 1, 0, 1, 2]
    padded = ga.graphs.pad(two_graphs, ga.graphs.Budget(8, 12, 4))
    for degree in (ga.graphs.in_degree, ga.graphs.out_degree):
        want = np.append(degree(two_graphs), [0, 0, 0])
        on_host, traced = degree(padded), jax.jit(degree)(padded)
        assert isinstance(on_host, np.ndarray) and on_host.dtype == traced.dtype == np.int32
        np.testing.assert_array_equal(on_host, want)
        np.testing.assert_array_equal(traced, want)


def test_isolated_and_missing_nodes():
    assert ga.graphs.in_degree(ga.graphs.from_edge_list([], [], num_nodes=2)).tolist() == [0, 0]
    assert ga.graphs.in_degree(ga.graphs.from_edge_list([], [])).shape == (0,)
