import numpy as np
import pytest

from graphattn_jax import ops
from graphattn_jax.ops import _sorted_edges
from graphattn_jax.ops._sorted_edges import sort_edges


@pytest.fixture(params=range(20))
def edges(request):
    """Senders, receivers, which are real, (N_s, N_r): with copies, hubs, self-loops, empty rows, no edges."""
    rng = np.random.default_rng(request.param)
    num_nodes = rng.integers(1, 40, 2)
    num_edges = rng.integers(0, 200)
    ends = (rng.integers(0, rng.integers(1, n + 1), num_edges, dtype=np.int32) for n in num_nodes)
    return *ends, np.flatnonzero(rng.random(num_edges) < 0.7), tuple(num_nodes.tolist())


@pytest.mark.parametrize("masked", [False, True])
def test_both_orders_are_those_of_a_sort_by_three_keys(edges, masked):
    senders, receivers, real, num_nodes = edges
    which = real if masked else np.arange(len(senders))
    ends = sort_edges(senders, receivers, real if masked else None, num_nodes)
    for found, rows, others, num_rows in zip(
        ends, (receivers, senders), (senders, receivers), num_nodes[::-1], strict=True
    ):
        order = which[np.lexsort((which, others[which], rows[which]))]
        np.testing.assert_array_equal(found.edge, order)
        np.testing.assert_array_equal(found.neighbor, others[order])
        np.testing.assert_array_equal(found.degree, np.bincount(rows[which], minlength=num_rows))
        assert all(x.dtype == np.int32 for x in found)


def test_reverses_do_not_depend_on_how_many_rows_are_matched_at_once(edges, monkeypatch):
    senders, receivers, *_ = edges
    whole = ops.reverse_edges(senders, receivers)
    monkeypatch.setattr(_sorted_edges, "_AT_ONCE", 3)
    np.testing.assert_array_equal(ops.reverse_edges(senders, receivers), whole)


def test_reverses_of_ids_that_are_far_apart(edges):
    senders, receivers, real, num_nodes = edges
    names = np.random.default_rng(0).integers(-(2**62), 2**62, max(num_nodes))
    where = np.isin(np.arange(len(senders)), real)
    found = ops.reverse_edges(names[senders], names[receivers], where=where)
    np.testing.assert_array_equal(found, ops.reverse_edges(senders, receivers, where=where))
