import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphattn_jax as ga

deterministic = settings(max_examples=25, deadline=None, derandomize=True)


@pytest.mark.parametrize(
    ("reduce", "want"),
    [("sum", [10, 2, 5]), ("mean", [10 / 3, 2, 5]), ("max", [6, 2, 5]), ("first", [1, 2, 5])],
)
def test_reductions_keep_the_place_of_the_first(reduce, want):
    edges = np.array([1, 2, 3, 5, 6], np.float32)
    graph = ga.graphs.from_edge_list([0, 1, 0, 0, 0], [1, 0, 1, 0, 1], edges=edges)
    merged = ga.graphs.validate(ga.graphs.coalesce(graph, reduce))
    assert merged.senders.tolist() == [0, 1, 0] and merged.receivers.tolist() == [1, 0, 0]
    np.testing.assert_allclose(merged.edges, np.float32(want), rtol=1e-7)
    assert merged.edges.dtype == np.float32
    assert graph.edges.tolist() == edges.tolist()


@given(data=st.data())
@deterministic
def test_sum_keeps_the_matrix(data, graph_strategy):
    graph = data.draw(graph_strategy)
    merged = ga.graphs.validate(ga.graphs.coalesce(graph))
    pairs = list(zip(merged.senders.tolist(), merged.receivers.tolist(), strict=True))
    assert pairs == list(
        dict.fromkeys(zip(graph.senders.tolist(), graph.receivers.tolist(), strict=True))
    )
    np.testing.assert_allclose(
        ga.graphs.to_dense(merged, merged.edges),
        ga.graphs.to_dense(graph, graph.edges),
        rtol=1e-5,
        atol=1e-6,
    )


def test_batches(two_graphs):
    merged = ga.graphs.validate(ga.graphs.coalesce(two_graphs))
    assert merged.n_edge.tolist() == [2, 2]
    assert merged.edges[:, 0].tolist() == [10, 11, 20, 43]


def test_dtypes():
    edges = {
        "half": np.array([1024] + [1] * 256, ml_dtypes.bfloat16),  # stepwise bf16 stays at 1024
        "flag": np.array([True] + [False] * 256),
        "count": np.ones(257, np.int16),
    }
    zeros = np.zeros(257, np.int32)
    merged = ga.graphs.coalesce(ga.graphs.from_edge_list(zeros, zeros, edges=edges)).edges
    assert {k: (x.dtype, x.tolist()) for k, x in merged.items()} == {
        "half": (np.dtype(ml_dtypes.bfloat16), [1280.0]),
        "flag": (np.dtype(bool), [True]),
        "count": (np.dtype(np.int16), [257]),
    }


def test_no_edges_and_errors(two_graphs):
    empty = ga.graphs.from_edge_list([], [], edges=np.zeros((0, 2), np.float32))
    assert ga.graphs.coalesce(empty, "mean").edges.shape == (0, 2)
    with pytest.raises(ValueError, match="reduce must be one of 'sum', 'mean', 'max', 'first'"):
        ga.graphs.coalesce(two_graphs, "min")
    with pytest.raises(ValueError, match="edges must be floating point"):
        ga.graphs.coalesce(two_graphs._replace(edges=np.arange(5)), "mean")
    padded = ga.graphs.pad(two_graphs, ga.graphs.Budget(8, 12, 4))
    with pytest.raises(ValueError, match="apply coalesce before pad"):
        ga.graphs.coalesce(padded)
