import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphattn_jax import ops

deterministic = settings(max_examples=25, deadline=None, derandomize=True)
on_device = jax.jit(ops.reverse_edges)


def edge_lists(num_edges):
    ids = st.lists(st.integers(0, 3), min_size=num_edges, max_size=num_edges)
    return st.tuples(ids, ids).map(lambda pair: (np.array(pair[0], int), np.array(pair[1], int)))


def reverse_in_a_loop(senders, receivers):
    """The k-th copy of j → i takes the k-th copy of i → j."""
    copies = {}
    for e, pair in enumerate(zip(senders.tolist(), receivers.tolist(), strict=True)):
        copies.setdefault(pair, []).append(e)
    out = []
    for e, (s, r) in enumerate(zip(senders.tolist(), receivers.tolist(), strict=True)):
        rank, mirrored = copies[s, r].index(e), copies.get((r, s), [])
        out.append(mirrored[rank] if rank < len(mirrored) else -1)
    return out


@given(edges=edge_lists(8))
@deterministic
def test_matches_a_loop_on_the_host_and_under_jit(edges):
    want = reverse_in_a_loop(*edges)
    host = ops.reverse_edges(*edges)
    assert isinstance(host, np.ndarray) and host.dtype == np.int32 and host.tolist() == want
    device = on_device(*edges)
    assert device.dtype == jnp.int32 and device.tolist() == want


@given(edges=st.integers(0, 20).flatmap(edge_lists))
@deterministic
def test_involution(edges):
    senders, receivers = edges
    reverse = ops.reverse_edges(senders, receivers)
    found = np.flatnonzero(reverse >= 0)
    np.testing.assert_array_equal(reverse[reverse[found]], found)
    np.testing.assert_array_equal(senders[reverse[found]], receivers[found])
    np.testing.assert_array_equal(receivers[reverse[found]], senders[found])


@given(edges=edge_lists(8), real=st.lists(st.booleans(), min_size=8, max_size=8))
@settings(deterministic, max_examples=200)
def test_masked_edges_are_none(edges, real):
    real, want = np.array(real), np.full(8, -1)
    among_real = ops.reverse_edges(*(x[real] for x in edges))
    want[real] = (
        np.where(among_real >= 0, np.flatnonzero(real)[among_real], -1) if real.any() else []
    )
    host = ops.reverse_edges(*edges, where=real)
    assert isinstance(host, np.ndarray) and host.tolist() == want.tolist()
    assert on_device(*edges, where=real).tolist() == want.tolist()


def test_duplicates_are_paired_by_rank():
    senders, receivers = np.array([0, 0, 1, 0, 1]), np.array([1, 1, 0, 1, 0])
    assert ops.reverse_edges(senders, receivers).tolist() == [2, 4, 0, -1, 1]


def test_every_copy_of_a_self_loop_is_its_own_reverse():
    loops = np.array([2, 2, 0, 2])
    assert ops.reverse_edges(loops, loops).tolist() == [0, 1, 2, 3]


def test_one_way_edges_have_none():
    assert ops.reverse_edges(np.array([0, 1, 2]), np.array([1, 2, 0])).tolist() == [-1, -1, -1]


def test_no_edges():
    none = np.zeros(0, np.int64)
    assert ops.reverse_edges(none, none).shape == (0,)
    assert ops.reverse_edges(jnp.asarray(none), jnp.asarray(none)).dtype == jnp.int32


def test_one_device_array_suffices_to_stay_on_the_device():
    got = ops.reverse_edges(jnp.array([0, 1]), np.array([1, 0]))
    assert isinstance(got, jax.Array) and got.tolist() == [1, 0]


def test_the_mask_is_boolean():
    with pytest.raises(ValueError, match=r"where must be boolean \(True = real\)"):
        ops.reverse_edges(np.array([0]), np.array([0]), where=np.array([1]))


@pytest.mark.parametrize(
    ("senders", "receivers", "message"),
    [
        (np.array([0.0, 1.0]), np.array([1, 0]), "senders must be integer ids"),
        (np.array([0, 1]), np.array([1.0, 0.0]), "receivers must be integer ids"),
        (np.array([0, 1]), np.array([1]), r"receivers must have shape \[2\], got \(1,\)"),
    ],
)
def test_invalid_arguments(senders, receivers, message):
    with pytest.raises(ValueError, match=message):
        ops.reverse_edges(senders, receivers)
