"""A matrix per group of rows, by all implementations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import graphattn_jax as ga
from graphattn_jax.ops import GROUP_IMPLEMENTATIONS, Groups, grouped_matmul, prepare_groups


def groups_of(ids, num_groups, name):
    groups = Groups(np.asarray(ids, np.int32), num_groups)
    if name == "slices":
        return prepare_groups(groups)
    return prepare_groups(groups, static=True, block_size=4) if name == "blocks" else groups


IDS = {
    "sorted": [0, 0, 0, 2, 2, 4],
    "one group": [1] * 6,
    "last groups empty": [0, 1, 1, 1, 1, 1],
    "no rows": [],
}


@pytest.mark.parametrize("ids", IDS)
@pytest.mark.parametrize("name", GROUP_IMPLEMENTATIONS)
def test_each_row_meets_the_matrix_of_its_group(name, ids):
    """Values, gradients and second derivatives, against a loop over rows."""
    ids = np.array(IDS[ids], int)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(len(ids), 3)).astype(np.float32)
    weight = rng.normal(size=(5, 3, 2)).astype(np.float32)
    groups = groups_of(ids, 5, name)

    def y(x, weight):
        return grouped_matmul(x, weight, groups, implementation=name)

    want = np.array([row @ weight[i] for row, i in zip(x, ids)]).reshape(len(ids), 2)
    np.testing.assert_allclose(y(x, weight), want, rtol=1e-5, atol=1e-6)
    g = rng.normal(size=want.shape).astype(np.float32)
    dx, dw = jax.vjp(y, x, weight)[1](g)
    want_dw = np.zeros_like(weight)
    for row, i, cotangent in zip(x, ids, g):
        want_dw[i] += np.outer(row, cotangent)
    want_dx = np.array([weight[i] @ row for row, i in zip(g, ids)]).reshape(x.shape)
    np.testing.assert_allclose(dx, want_dx, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(dw, want_dw, rtol=1e-5, atol=1e-6)
    second = jax.grad(lambda w: jnp.sum(jax.grad(lambda w: jnp.sum(jnp.square(y(x, w))))(w)))
    assert np.isfinite(second(weight)).all()


@pytest.mark.parametrize("seed", range(40))
def test_blocks_of_random_ids(seed):
    """Any order, any sizes; as many blocks as N and T say, where sizes are static."""
    rng = np.random.default_rng(seed)
    num_rows, num_groups = int(rng.integers(1, 60)), int(rng.integers(1, 9))
    ids, size = rng.integers(num_groups, size=num_rows), int(rng.choice([1, 2, 8]))
    groups = prepare_groups(Groups(ids.astype(np.int32), num_groups), static=True, block_size=size)
    row, group, slot = groups.blocks
    assert row.shape == (num_rows // size + num_groups, size)
    np.testing.assert_array_equal(row.ravel()[slot], np.arange(num_rows))
    filled = row < num_rows
    assert filled.sum() == num_rows
    np.testing.assert_array_equal(
        np.broadcast_to(group[:, None], row.shape)[filled], ids[row[filled]]
    )


def test_low_precision_and_a_row_that_is_not_finite():
    ids, rng = [0, 1, 1, 2], np.random.default_rng(0)
    x, weight = rng.normal(size=(4, 3)), rng.normal(size=(3, 3, 2))
    x[1] = np.nan
    for name in GROUP_IMPLEMENTATIONS:
        groups = groups_of(ids, 3, name)
        y = grouped_matmul(jnp.asarray(x, jnp.bfloat16), weight, groups, implementation=name)
        assert y.dtype == jnp.bfloat16
        finite = np.isfinite(np.asarray(y, np.float32)).all(axis=1)
        assert finite.tolist() == [True, False, True, True]


def test_what_does_not_fit_is_said():
    x, weight = jnp.ones((2, 3)), jnp.ones((2, 3, 4))
    unsorted = prepare_groups(Groups(np.array([1, 0]), 2))
    with pytest.raises(NotImplementedError, match="rows that stand group by group"):
        grouped_matmul(x, weight, unsorted, implementation="slices")
    with pytest.raises(NotImplementedError, match="needs blocks"):
        grouped_matmul(x, weight, Groups(np.array([0, 1]), 2), implementation="blocks")
    with pytest.raises(ValueError, match=r"groups\.ids must lie in \[0, 2\)"):
        grouped_matmul(x, weight, Groups(np.array([0, 2]), 2))
    with pytest.raises(ValueError, match=r"weight must have shape \[2, 3, F\]"):
        grouped_matmul(x, weight[:, :2], unsorted)
    with pytest.raises(ValueError, match="those of other rows"):
        grouped_matmul(x, weight, Groups(np.array([0, 1]), 2, sizes=(1, 2)))
    with pytest.raises(ValueError, match="runs on the host"):
        jax.jit(lambda ids: prepare_groups(Groups(ids, 2)).ids)(jnp.array([0, 1]))


@pytest.mark.parametrize(
    "sharing, size",
    [
        (ga.nn.Full(), 6 * 4 * 8),
        (ga.nn.Basis(2), 6 * 2 + 2 * 4 * 8),
        (ga.nn.BlockDiagonal(2), 6 * 2 * 2 * 4),
        (ga.nn.LowRank(2), 4 * 8 + 6 * 2 * (4 + 8)),
        (ga.nn.Clusters(3), 6 * 3 + 3 * 4 * 8),
        (ga.nn.Clusters((0, 1, 0, 1, 1, 0)), 2 * 4 * 8),
    ],
)
def test_sharing_has_the_parameters_that_it_says(sharing, size):
    params = sharing.init(jax.random.key(0), 6, 4, 8)
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == size
    assert sharing.matrices(params).shape == (6, 4, 8)
    assert ga.values.from_json(ga.values.to_json(sharing)) == sharing


def test_matrices_of_sharing():
    blocks = ga.nn.BlockDiagonal(2)
    params = blocks.init(jax.random.key(0), 1, 4, 6)
    matrix = blocks.matrices(params)[0]
    np.testing.assert_array_equal(matrix[:2, :3], params[0, 0])
    np.testing.assert_array_equal(matrix[2:, 3:], params[0, 1])
    assert not matrix[:2, 3:].any() and not matrix[2:, :3].any()
    clusters = ga.nn.Clusters((1, 0, 1))
    params = clusters.init(jax.random.key(0), 3, 2, 2)
    np.testing.assert_array_equal(clusters.matrices(params), params.bases[np.array([1, 0, 1])])
    with pytest.raises(ValueError, match="num_blocks"):
        blocks.init(jax.random.key(0), 1, 3, 6)
    with pytest.raises(ValueError, match="for each of 3 types, got 2"):
        ga.nn.Clusters((0, 1)).init(jax.random.key(0), 3, 2, 2)
