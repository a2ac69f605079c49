import jax
import numpy as np
import pytest
from _edges import prepared
from hypothesis import given, settings
from hypothesis import strategies as st

from graphattn_jax import ops

deterministic = settings(max_examples=25, deadline=None, derandomize=True)


def assert_tiles(tiles, rows, neighbors, real, num_rows):
    """Every real edge lies in one slot, in a tile of its row; the tiles ascend."""
    num_edges = len(rows)
    assert {x.dtype for x in tiles} == {np.dtype(np.int32)}
    assert tiles.edge.shape == tiles.neighbor.shape == (len(tiles.row), tiles.edge.shape[1])
    assert (np.diff(tiles.row) >= 0).all()
    filled = tiles.edge < num_edges
    edge = tiles.edge[filled]
    np.testing.assert_array_equal(np.sort(edge), real)
    np.testing.assert_array_equal(tiles.neighbor[filled], neighbors[edge])
    owner = np.broadcast_to(tiles.row[:, None], filled.shape)
    np.testing.assert_array_equal(owner[filled], rows[edge])
    assert (tiles.edge[~filled] == num_edges).all() and not tiles.neighbor[~filled].any()
    assert ((tiles.row >= 0) & (tiles.row < max(num_rows, 1))).all()


@st.composite
def edge_lists(draw):
    num_senders, num_receivers = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    num_edges = draw(st.integers(0, 40))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    where = rng.random(num_edges) < 0.7 if draw(st.booleans()) else None
    senders, receivers = (rng.integers(0, n, num_edges) for n in (num_senders, num_receivers))
    return senders, receivers, num_senders, num_receivers, where


@given(case=edge_lists(), static=st.booleans())
@deterministic
def test_each_real_edge_has_one_slot_in_both_tilings(case, static):
    senders, receivers, num_senders, num_receivers, where = case
    edges = prepared(
        senders,
        receivers,
        num_senders=num_senders,
        num_receivers=num_receivers,
        where=where,
        static=static,
    )
    real = np.arange(len(senders)) if where is None else np.flatnonzero(where)
    assert_tiles(edges.layout.by_receiver, receivers, senders, real, num_receivers)
    assert_tiles(edges.layout.by_sender, senders, receivers, real, num_senders)
    assert edges.reverse is None


@given(case=edge_lists())
@deterministic
def test_reverse_is_among_real_edges(case):
    senders, receivers, num_senders, num_receivers, where = case
    edges = prepared(senders, receivers, num_senders=max(num_senders, num_receivers), where=where)
    real = np.arange(len(senders)) if where is None else np.flatnonzero(where)
    want = np.full(len(senders), -1)
    among_real = ops.reverse_edges(senders[real], receivers[real])
    for e, r in zip(real, among_real, strict=True):
        want[e] = real[r] if r >= 0 else -1
    np.testing.assert_array_equal(edges.reverse, want)


@pytest.mark.parametrize(("num_nodes", "num_edges"), [(6, 30), (5, 3), (9, 9), (3, 100)])
def test_static_sizes_depend_on_the_counts_only(num_nodes, num_edges, rng):
    hub = np.zeros(num_edges, int), np.arange(num_edges) % num_nodes
    even = np.arange(num_edges) % num_nodes, rng.integers(0, num_nodes, num_edges)
    none = np.zeros(num_edges, bool)
    patterns = [
        prepared(*hub, num_senders=num_nodes, static=True),
        prepared(*even, num_senders=num_nodes, static=True),
        prepared(*even, num_senders=num_nodes, static=True, where=none),
    ]
    shapes = [[np.shape(x) for x in jax.tree.leaves(edges.layout)] for edges in patterns]
    assert shapes[0] == shapes[1] == shapes[2]
    for edges, (s, r) in zip(patterns[:2], (hub, even), strict=True):
        assert_tiles(edges.layout.by_receiver, r, s, np.arange(num_edges), num_nodes)


def test_static_layouts_compile_once(rng):
    traces = []

    @jax.jit
    def attend(x, edges):
        traces.append(None)
        return ops.edge_attention(x, x, x, edges).out

    x = rng.normal(size=(5, 1, 2)).astype(np.float32)
    for seed in range(3):
        edges = np.random.default_rng(seed).integers(0, 5, (2, 12))
        attend(x, prepared(*edges, num_senders=5, static=True))
    assert len(traces) == 1


def test_one_hub_is_cut_into_tiles():
    senders, receivers = np.arange(1000), np.zeros(1000, int)
    edges = prepared(senders, receivers, num_senders=1000)
    width = edges.layout.by_receiver.edge.shape[1]
    assert edges.layout.by_receiver.row.shape == (-(-1000 // width),)
    assert not edges.layout.by_receiver.row.any()
    assert_tiles(edges.layout.by_receiver, receivers, senders, np.arange(1000), 1000)
    assert_tiles(edges.layout.by_sender, senders, receivers, np.arange(1000), 1000)


@pytest.mark.parametrize(("num_edges", "width"), [(5, 2), (30, 2), (40, 4), (159, 8), (9999, 16)])
def test_static_width_follows_the_mean_degree(num_edges, width, rng):
    ids = rng.integers(0, 10, (2, num_edges))
    edges = prepared(*ids, num_senders=10, static=True)
    assert edges.layout.by_receiver.edge.shape[1] == width


@pytest.mark.parametrize(
    ("degrees", "width"),
    [([3] * 10, 8), ([16] * 10, 16), ([3] * 99 + [900], 8), ([40] * 10, 8), ([64] * 9, 32)],
)
def test_width_follows_the_degrees(degrees, width):
    receivers = np.repeat(np.arange(len(degrees)), degrees)
    senders = np.zeros_like(receivers)
    edges = prepared(senders, receivers, num_senders=len(degrees))
    assert edges.layout.by_receiver.edge.shape[1] == width


def test_isolated_nodes_own_no_tile():
    edges = prepared(np.array([1]), np.array([3]), num_senders=5)
    assert edges.layout.by_receiver.row.tolist() == [3] and edges.layout.by_sender.row.tolist() == [
        1
    ]


@pytest.mark.parametrize("static", [False, True])
@pytest.mark.parametrize("num_nodes", [0, 3])
def test_no_edges(static, num_nodes):
    none = np.zeros(0, int)
    edges = prepared(none, none, num_senders=num_nodes, static=static)
    assert_tiles(edges.layout.by_receiver, none, none, none, num_nodes)
    assert edges.reverse.shape == (0,)
    assert len(edges.layout.by_receiver.row) == (num_nodes if static else 0)


def test_transposed_layout_is_the_layout_of_the_transposed_edges(rng):
    senders, receivers = rng.integers(0, 4, (2, 9))
    edges = prepared(senders, receivers, num_senders=4)
    transposed = prepared(receivers, senders, num_senders=4)
    jax.tree.map(np.testing.assert_array_equal, edges.T, transposed)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"senders": np.array([0, 3])}, r"senders must lie in \[0, 3\) for 3 nodes, got 3 at pos.* 1"),
        ({"receivers": np.array([-1, 0])}, r"receivers must lie in \[0, 3\).* got -1 at position 0"),
        ({"num_receivers": 1}, r"receivers must lie in \[0, 1\)"),
        ({"senders": np.array([0.0, 1.0])}, "senders must be integer ids"),
        ({"receivers": np.array([1])}, r"receivers must have shape \[2\]"),
        ({"where": np.array([1, 0])}, "mask must be boolean"),
        ({"where": np.array([True])}, r"mask must have shape \[2\]"),
    ],
)  # fmt: skip
def test_invalid_arguments(change, message):
    arguments = {"senders": np.array([0, 1]), "receivers": np.array([1, 2]), "num_senders": 3}
    with pytest.raises(ValueError, match=message):
        prepared(**(arguments | change))


@pytest.mark.parametrize("masked", [False, True])
def test_degree_blocks_hold_every_edge_once(rng, masked):
    senders, receivers = rng.integers(0, 9, 60), rng.integers(0, 12, 60) // 2 * 2
    receivers[:30] = 0
    where = np.arange(60) % 4 > 0 if masked else np.ones(60, bool)
    edges = prepared(
        senders, receivers, num_senders=9, num_receivers=12, where=where, degree_blocks=True
    )
    both = zip(edges.layout.degree_blocks, ((receivers, senders, 12), (senders, receivers, 9)))
    for found, (rows, columns, num_rows) in both:
        degree = np.bincount(rows[where], minlength=num_rows)
        nodes = np.concatenate([b.node for b in found.blocks])
        slots = np.concatenate([b.edge.ravel() for b in found.blocks])
        np.testing.assert_array_equal(np.sort(nodes), np.flatnonzero(degree))
        np.testing.assert_array_equal(nodes[found.place[degree > 0]], np.flatnonzero(degree))
        assert (found.place[degree == 0] == len(nodes)).all()
        np.testing.assert_array_equal(slots[found.slot[where]], np.flatnonzero(where))
        assert (found.slot[~where] == len(slots)).all()
        assert (slots < 60).sum() == where.sum()
        for block in found.blocks:
            width = block.edge.shape[1]
            assert ((degree[block.node] <= width) & (2 * degree[block.node] > width)).all()
            filled = block.edge < 60
            np.testing.assert_array_equal(
                rows[block.edge[filled]], np.repeat(block.node, filled.sum(1))
            )
            np.testing.assert_array_equal(columns[block.edge[filled]], block.neighbor[filled])
    assert edges.T.layout.degree_blocks == edges.layout.degree_blocks[::-1]


def test_degree_blocks_have_no_static_sizes():
    with pytest.raises(ValueError, match=r"degree_blocks=True has no static sizes.*Fix: static="):
        prepared(np.arange(2), np.arange(2), num_senders=3, static=True, degree_blocks=True)
