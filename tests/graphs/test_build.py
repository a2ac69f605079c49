import ml_dtypes
import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

import graphattn_jax as ga

deterministic = settings(max_examples=25, deadline=None, derandomize=True)


def test_edge_list_is_kept_as_given():
    graph = ga.graphs.from_edge_list([2, 0, 0, 1], [1, 1, 1, 1])
    assert graph.senders.tolist() == [2, 0, 0, 1]
    assert graph.receivers.tolist() == [1, 1, 1, 1]
    assert graph.n_node.tolist() == [3] and graph.n_edge.tolist() == [4]
    assert {x.dtype for x in (graph.senders, graph.receivers, graph.n_node, graph.n_edge)} == {
        np.dtype(np.int32)
    }


def test_number_of_nodes():
    assert ga.graphs.from_edge_list([0], [4]).n_node == 5
    assert ga.graphs.from_edge_list([0], [4], num_nodes=9).n_node == 9
    assert ga.graphs.from_edge_list([0], [1], nodes=np.zeros((6, 2), np.float32)).n_node == 6
    assert ga.graphs.from_edge_list([], []).n_node == 0


def test_lists_get_the_default_dtypes_and_arrays_keep_theirs():
    graph = ga.graphs.from_edge_list(
        [0],
        [1],
        nodes={"list": [1.5, 2.5], "half": np.ones(2, ml_dtypes.bfloat16), "wide": np.ones(2)},
        edges=[[True]],
        globals=[[3]],
    )
    assert {k: str(v.dtype) for k, v in graph.nodes.items()} == {
        "list": "float32",
        "half": "bfloat16",
        "wide": "float64",
    }
    assert graph.edges.dtype == bool and graph.globals.dtype == np.int32


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"senders": [0.5], "receivers": [0]}, "senders must be integer ids, got float32"),
        ({"senders": [0, 1], "receivers": [0]}, "2 senders and 1 receivers"),
        ({"senders": [-1], "receivers": [0]}, "senders must lie in .* got -1 at position 0"),
        ({"senders": [3], "receivers": [0], "num_nodes": 3}, "got 3 at position 0"),
        ({"senders": np.array([2**40]), "receivers": [0], "num_nodes": 3}, f"got {2**40}"),
        ({"senders": [0], "receivers": [1], "edges": [[1.0], [2.0]]}, "edges must have 1 rows"),
        ({"senders": [0], "receivers": [1], "globals": [1.0, 2.0]}, r"Fix: add a leading axis"),
        ({"senders": [0], "receivers": [1], "nodes": [[1.0], [2.0, 3.0]]}, "nodes must have rows"),
        ({"senders": [0], "receivers": [1], "nodes": {"a": ["u", "v"]}}, r"nodes\['a'\] must hold"),
        (
            {"senders": [0], "receivers": [1], "nodes": [2**40, 0]},
            "nodes holds 1099511627776 .* which int32 does not hold",
        ),
        (
            {"senders": [0], "receivers": [1], "nodes": [[1.0], [2.0]], "num_nodes": 3},
            "nodes must have 3 rows",
        ),
    ],
)
def test_edge_list_errors(kwargs, message):
    with pytest.raises(ValueError, match=message):
        ga.graphs.from_edge_list(**kwargs)


def test_dense_rows_are_receivers_and_edges_are_sorted():
    graph = ga.graphs.from_dense(np.array([[0, 3, 0], [0, 4, 0], [5, 0, 0]]), keep_weights=True)
    assert graph.receivers.tolist() == [0, 1, 2]
    assert graph.senders.tolist() == [1, 1, 0]
    assert graph.edges.tolist() == [[3], [4], [5]]
    assert ga.graphs.from_dense(np.ones((2, 2), bool)).edges is None


@given(data=st.data())
@deterministic
def test_dense_and_sparse_agree_and_round_trip(data):
    n = data.draw(st.integers(0, 5))
    entries = data.draw(st.lists(st.integers(-1, 2), min_size=n * n, max_size=n * n))
    matrix = np.array(entries, np.float32).reshape(n, n)
    dense = ga.graphs.from_dense(matrix, keep_weights=True)
    sparse = ga.graphs.from_scipy_sparse(scipy.sparse.csc_array(matrix), keep_weights=True)
    for a, b in zip(dense, sparse, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(ga.graphs.to_dense(dense, dense.edges[:, 0]), matrix, strict=True)
    back = ga.graphs.to_scipy_sparse(dense, dense.edges[:, 0])
    np.testing.assert_array_equal(back.toarray(), matrix, strict=True)


def test_sparse_sums_duplicates_drops_zeros_and_leaves_its_argument_alone():
    matrix = scipy.sparse.coo_array(
        (np.array([1.0, 2.0, 1.0, -1.0, 0.0]), ([0, 0, 1, 1, 2], [1, 1, 0, 0, 2])), (3, 3)
    )
    graph = ga.graphs.from_scipy_sparse(matrix, keep_weights=True)
    assert (graph.receivers.tolist(), graph.senders.tolist()) == ([0], [1])
    assert graph.edges.tolist() == [[3.0]]
    assert matrix.nnz == 5


def test_to_dense_sums_duplicates_per_value_column(two_graphs):
    values = np.arange(10, dtype=np.float16).reshape(5, 2)
    matrix = ga.graphs.to_dense(two_graphs, values)
    assert matrix.shape == (5, 5, 2) and matrix.dtype == np.float16
    assert matrix[1, 0].tolist() == [0, 1]
    assert matrix[3, 4].tolist() == [14, 16]
    assert not matrix[:3, 3:].any() and not matrix[3:, :3].any()
    assert ga.graphs.to_dense(two_graphs).sum() == 5


def test_matrix_errors(two_graphs):
    with pytest.raises(ValueError, match=r"square matrix \[N, N\], got shape \(2, 3\)"):
        ga.graphs.from_dense(np.ones((2, 3)))
    with pytest.raises(ValueError, match="square"):
        ga.graphs.from_scipy_sparse(scipy.sparse.csr_array((2, 3)))
    with pytest.raises(ValueError, match="Fix: use from_dense"):
        ga.graphs.from_scipy_sparse(np.eye(2))
    with pytest.raises(ValueError, match="one row for each of 5 edges"):
        ga.graphs.to_dense(two_graphs, np.ones(4))
    with pytest.raises(ValueError, match=r"values must have shape \[5\]"):
        ga.graphs.to_scipy_sparse(two_graphs, np.ones((5, 1)))
    padded = ga.graphs.pad(two_graphs, ga.graphs.Budget(8, 8, 3))
    with pytest.raises(ValueError, match="apply to_dense before pad"):
        ga.graphs.to_dense(padded)


def test_ids_of_any_kind_are_taken_or_the_message_says_what_makes_ids_of_them():
    rng = np.random.default_rng(0)
    want = ga.graphs.from_edge_list([0, 2, 1], [1, 1, 0])
    integers = [np.dtype(kind) for kind in "bhilqBHILQ"]
    others = {
        "bool": (lambda: rng.random(3) < 0.5, "np.flatnonzero(mask)"),
        "names": (lambda: rng.choice(["a", "b", "cd"], 3), "return_inverse"),
        "fractions": (lambda: rng.integers(0, 3, 3) + 0.5, "fractions are features"),
        "joined": (lambda: np.array([0, np.nan, rng.integers(0, 3)]), "leave out the rows with NaN"),
        "whole": (lambda: rng.integers(0, 3, 3).astype(rng.choice([np.float32, np.float64])), "cast with .astype"),
    }  # fmt: skip
    for _ in range(200):
        dtype = integers[rng.integers(len(integers))]
        ids = np.array([0, 2, 1], dtype), np.array([1, 1, 0], dtype)
        if rng.random() < 0.3:
            ids = tuple(np.ascontiguousarray(np.stack([x, x], 1))[:, 0] for x in ids)  # strided
        ids[0].flags.writeable = bool(rng.random() < 0.5)
        found = ga.graphs.from_edge_list(*ids)
        assert found.senders.dtype == np.int32
        np.testing.assert_array_equal(
            [found.senders, found.receivers], [want.senders, want.receivers]
        )
        make, fix = others[str(rng.choice(list(others)))]
        place = int(rng.integers(2))
        wrong = [ids[0], make()][:: 1 if place else -1]
        with pytest.raises(ValueError, match=("senders", "receivers")[place]) as caught:
            ga.graphs.from_edge_list(*wrong)
        assert fix in str(caught.value)
