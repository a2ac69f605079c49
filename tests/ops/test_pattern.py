"""The pattern as a value; its layout is in `test_edge_layout`, what a mask and `one_way` do to weights in
`test_normalizers`.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graphattn_jax import ops

SENDERS, RECEIVERS = np.array([0, 1, 0, 1, 2]), np.array([1, 0, 1, 0, 1])
EDGES = ops.Edges(SENDERS, RECEIVERS, num_senders=3)
BIPARTITE = ops.Edges(SENDERS, RECEIVERS, num_senders=3, num_receivers=2)
ALL = {"plain": EDGES, "prepared": ops.prepare_edges(EDGES), "bipartite": BIPARTITE}


def test_sizes():
    assert (EDGES.num_edges, EDGES.num_rows, EDGES.is_bipartite) == (5, 3, False)
    assert (BIPARTITE.num_rows, BIPARTITE.is_bipartite) == (2, True)
    same = dataclasses.replace(EDGES, num_receivers=3)  # as many, but others
    assert same.is_bipartite and same.num_rows == 3


@pytest.mark.parametrize("name", ALL)
def test_the_other_direction(name):
    edges = ALL[name]
    there = edges.T
    assert there.senders is edges.receivers and there.receivers is edges.senders
    assert (there.num_senders, there.num_rows) == (edges.num_rows, edges.num_senders)
    assert there.is_bipartite == edges.is_bipartite
    assert jax.tree.structure(there.T) == jax.tree.structure(edges)
    jax.tree.map(np.testing.assert_array_equal, there.T, edges)
    there.check()


def test_an_argument_of_a_compiled_function_whose_sizes_are_static():
    traced = []

    @jax.jit
    def loops(edges):
        traced.append(edges.num_senders)
        return jnp.sum(edges.senders == edges.receivers)

    assert loops(EDGES) == 0 == loops(EDGES.where(np.ones(5, bool)))
    assert loops(dataclasses.replace(EDGES, num_senders=4)) == 0
    assert loops(EDGES) == 0 and traced == [3, 3, 4]


def test_masks_add_up_and_keep_the_layout():
    first, second = np.array([1, 1, 0, 1, 1], bool), np.array([1, 0, 1, 1, 1], bool)
    prepared = ALL["prepared"]
    found = prepared.where(first).where(second)
    assert found.mask.tolist() == (first & second).tolist()
    assert found.layout is prepared.layout and prepared.reverse is not None


def test_reverse_edges_are_found_among_real_ones():
    assert EDGES.found_reverse().tolist() == [1, 0, 3, 2, -1]
    real = np.array([False, True, True, True, True])
    for edges in (EDGES.where(real), ops.prepare_edges(EDGES.where(real)), ALL["prepared"].where(real)):  # fmt: skip
        assert edges.found_reverse().tolist() == [-1, 2, 1, -1, -1]
        assert jax.jit(lambda e: e.found_reverse())(edges).tolist() == [-1, 2, 1, -1, -1]
    given = dataclasses.replace(EDGES, reverse=np.full(5, -1))
    assert given.found_reverse().tolist() == [-1] * 5


def test_one_way_survives_a_mask_and_adds_up():
    one = np.array([True, False, False, False, False])
    other = np.array([False, False, True, False, False])
    for edges in (EDGES, ALL["prepared"]):
        assert edges.one_way(one).found_reverse().tolist() == [-1, -1, 3, 2, -1]
        assert edges.one_way(one).one_way(other).found_reverse().tolist() == [-1] * 5
        masked = edges.one_way(one).where(np.array([True, True, True, False, True]))
        assert masked.found_reverse().tolist() == [-1, -1, -1, -1, -1]
        assert edges.where(~one).one_way(one).found_reverse().tolist() == [-1, 2, 1, -1, -1]


LAYOUT = ALL["prepared"].layout
INVALID = {
    "senders": ({"senders": np.array([0, 1, 0, 1, 3])}, r"edges.senders must lie in \[0, 3\)"),
    "receivers": ({"receivers": RECEIVERS[:4]}, r"edges.receivers must have shape \[5\]"),
    "float ids": ({"senders": SENDERS.astype(float)}, "edges.senders must be integer ids"),
    "size": ({"num_senders": 3.0}, r"edges.num_senders must be a Python integer, got float 3.0"),
    "negative": ({"num_receivers": -1}, "edges.num_receivers must be a Python integer, got int -1"),
    "mask": ({"mask": np.ones(5)}, r"edges.mask must be boolean \(True = real\)"),
    "mask size": ({"mask": np.ones(4, bool)}, r"edges.mask must have shape \[5\]"),
    "reverse": ({"reverse": np.zeros(4, int)}, r"edges.reverse must have shape \[5\]"),
    "directed": ({"directed": np.ones(4, bool)}, r"edges.directed must have shape \[5\]"),
    "layout": (
        {"layout": LAYOUT, "num_senders": 4},
        "layout is that of 5 edges from 3 senders to 3 rec",
    ),
}


@pytest.mark.parametrize("case", INVALID)
def test_invalid_parts(case):
    change, message = INVALID[case]
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(EDGES, **change).check()


def test_invalid_masks():
    for f in (EDGES.where, EDGES.one_way):
        with pytest.raises(ValueError, match="must be boolean"):
            f(np.ones(5))
    with pytest.raises(ValueError, match="prepare_edges runs on the host and got a traced pattern"):
        jax.jit(ops.prepare_edges)(EDGES)
