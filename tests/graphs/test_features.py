"""Numbers that come in are the numbers that are stored, or there is an error."""

import jax
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphattn_jax as ga

deterministic = settings(max_examples=60, deadline=None, derandomize=True)

INTEGERS = (np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64)
FLOATS = (np.float16, ml_dtypes.bfloat16, np.float32, np.float64)
numbers = st.one_of(
    st.integers(-(2**31), 2**32),
    st.floats(-1e9, 1e9),
    st.sampled_from([0.5, -1, 255, 256, 1e300, 2**63, float("nan"), float("inf"), True]),
)


def is_stored(value, array):
    """Exactly in integers; rounded once in floats, where it is finite."""
    if np.issubdtype(array.dtype, np.integer) or array.dtype == bool:
        return all(int(x) == value for x in array.ravel())
    wanted = np.float64(value).astype(array.dtype)
    return np.array_equal(array, np.full_like(array, wanted), equal_nan=True)


def holds(dtype, value):
    if dtype is bool:
        return value in (0, 1)
    if dtype in INTEGERS:
        limits = np.iinfo(dtype)
        return np.isfinite(value) and int(value) == value and limits.min <= value <= limits.max
    with np.errstate(over="ignore"):
        return bool(np.isfinite(np.float64(value).astype(dtype))) == bool(np.isfinite(value))


FILLS = {
    "self-loops": lambda g, x: ga.graphs.add_self_loops(g, fill=x).edges[1:],
    "virtual nodes": lambda g, x: ga.graphs.add_virtual_node(g, node_fill=x).nodes[2:],
    "their edges": lambda g, x: ga.graphs.add_virtual_node(g, edge_fill=x).edges[1:],
    "expander": lambda g, x: ga.graphs.add_expander(g, 2, edge_fill=x).edges[1:],
}


@pytest.mark.parametrize("name", FILLS)
@given(value=numbers, dtype=st.sampled_from([bool, *INTEGERS, *FLOATS]), wrapped=st.booleans())
@deterministic
def test_a_fill_is_stored_or_refused(name, value, dtype, wrapped):
    features = {"nodes": np.zeros((2, 3), dtype), "edges": np.zeros((1, 3), dtype)}
    graph = ga.graphs.from_edge_list([0], [1], **features)
    fill = np.asarray(value) if wrapped else value
    if holds(dtype, value):
        filled = FILLS[name](graph, fill)
        assert filled.dtype == dtype and filled.size
        assert is_stored(value, filled)
    else:
        with pytest.raises(ValueError, match=r"fill holds .* does not hold"):
            FILLS[name](graph, fill)


def test_a_half_in_integers_and_minus_one_in_unsigned_ones():
    kinds = ga.graphs.from_edge_list([0], [1], edges={"kind": np.array([7], np.uint8)})
    for fill in (0.5, -1, {"kind": 256}):
        with pytest.raises(ValueError, match=r"fill.* which uint8 does not hold"):
            ga.graphs.add_self_loops(kinds, fill=fill)
    wide = ga.graphs.from_edge_list([0], [1], edges=np.zeros(1))
    assert ga.graphs.add_self_loops(wide, fill=0.1).edges[1] == 0.1  # not by way of float32


@pytest.mark.parametrize(
    "values", [[2**31, 0], [-(2**31) - 1, 0], [-(2**63), 0], [2**63, 2**63], [1e39, 0.0]]
)
def test_lists_beyond_the_default_dtypes(values):
    with pytest.raises(ValueError, match=r"nodes holds .* which (int|float)32 does not hold"):
        ga.graphs.from_edge_list([0], [1], nodes=values)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_ids_of_any_integer_type(dtype):
    senders, receivers = np.array([0, 2, 1], dtype), np.array([1, 1, 0], dtype)
    want = ga.graphs.from_edge_list([0, 2, 1], [1, 1, 0])
    index = np.stack([senders, receivers])
    batch = ga.graphs.batch([want, want])
    pairs = [
        (ga.graphs.from_edge_list(senders, receivers), want),
        (ga.graphs.from_pyg_data({"edge_index": index}), want),
        (ga.graphs.from_pyg_data({"edge_index": index, "ptr": np.array([0, 3], dtype)}), want),
        (ga.graphs.from_pyg_data({"edge_index": index, "batch": np.zeros(3, dtype)}), want),
        (ga.graphs.batch([jax.tree.map(lambda x: x.astype(dtype), want)]), want),
        (ga.graphs.take(batch, np.array([1], dtype)), want),
        (ga.graphs.coalesce(want._replace(senders=senders, receivers=receivers)), want),
    ]
    for got, wanted in pairs:
        for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
            np.testing.assert_array_equal(a, b, strict=True)
    none = np.zeros(0, dtype)
    assert ga.graphs.from_edge_list(none, none).n_node == 0
    assert ga.graphs.from_pyg_data({"edge_index": np.zeros((2, 0), dtype)}).n_node == 0


@pytest.mark.parametrize("value", [3.5, 3.0, True, -1, 2**31, "3", None, np.array([3, 4])])
def test_a_number_of_nodes_is_an_integer(value):
    if value is not None:  # None: as many as there are ids
        with pytest.raises(ValueError, match=r"num_nodes must be an integer from 0 to 2\*\*31 - 1"):
            ga.graphs.from_edge_list([0], [1], num_nodes=value)
        with pytest.raises(ValueError, match=r"num_nodes must be an integer from 0 to 2\*\*31 - 1"):
            ga.graphs.from_pyg_data({"edge_index": np.array([[0], [1]]), "num_nodes": value})
    for good in (4, np.int64(4), np.uint8(4), np.array(4)):
        assert ga.graphs.from_edge_list([0], [1], num_nodes=good).n_node == 4


@given(
    dtype=st.sampled_from([*INTEGERS, *FLOATS]),
    seed=st.integers(0, 99),
    reduce=st.sampled_from(["sum", "max", "first"]),
)
@deterministic
def test_merged_edges_are_the_sum_or_refused(dtype, seed, reduce):
    rng = np.random.default_rng(seed)
    if dtype in INTEGERS:
        limits = np.iinfo(dtype)
        values = rng.integers(limits.min // 4, limits.max // 4, 6, dtype)
        exact = [int(x) for x in values]
    else:
        values = rng.choice([1.5, -2.0, 6e4], 6).astype(dtype)
        exact = [float(x) for x in values]
    zeros = np.zeros(6, int)
    graph = ga.graphs.from_edge_list(zeros, zeros, edges=values)
    want = {"sum": sum, "max": max, "first": lambda x: x[0]}[reduce](exact)
    if holds(dtype, want):
        assert is_stored(want, ga.graphs.coalesce(graph, reduce).edges)
    else:
        with pytest.raises(ValueError, match=r"the merged edges holds .* does not hold"):
            ga.graphs.coalesce(graph, reduce)
