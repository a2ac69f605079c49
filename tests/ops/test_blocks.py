import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from graphattn_jax import ops

IDS = np.array([0, 2, 0, 2, 2, 3, 0])
REAL = np.array([True, True, True, True, True, False, True])
BLOCKS = ops.prepare_blocks(IDS, 4, 3, where=REAL)


def test_slots_by_hand():
    assert BLOCKS.node.tolist() == [[0, 2, 6], [7, 7, 7], [1, 3, 4], [7, 7, 7]]
    assert BLOCKS.slot.tolist() == [0, 6, 1, 7, 8, 12, 2]
    assert BLOCKS.mask.tolist() == [[True] * 3, [False] * 3, [True] * 3, [False] * 3]


def test_there_and_back_keeps_real_rows_and_zeroes_the_others(rng):
    x = rng.normal(size=(7, 2, 3)).astype(np.float32)
    there = ops.to_blocks(x, BLOCKS)
    np.testing.assert_array_equal(there[2], x[[1, 3, 4]])
    assert not there[1].any() and not there[3].any()
    np.testing.assert_array_equal(ops.from_blocks(there, BLOCKS), x * REAL[:, None, None])


def test_the_gradient_of_either_is_the_other(rng):
    x, y = (rng.normal(size=shape).astype(np.float32) for shape in ((7, 2), (4, 3, 2)))
    left = jnp.vdot(ops.to_blocks(x, BLOCKS), y)
    np.testing.assert_allclose(left, jnp.vdot(x, ops.from_blocks(y, BLOCKS)), rtol=1e-5)
    check_grads(lambda x: ops.to_blocks(x, BLOCKS), (x,), order=1, modes="rev")
    check_grads(lambda y: ops.from_blocks(y, BLOCKS), (y,), order=1, modes="rev")
    grad = jax.grad(lambda x: jnp.sum(ops.to_blocks(x, BLOCKS) * y))(x)
    np.testing.assert_array_equal(grad, ops.from_blocks(y, BLOCKS))


def test_errors():
    with pytest.raises(ValueError, match=r"size must be at least .* 3, got 2"):
        ops.prepare_blocks(IDS, 4, 2, where=REAL)
    with pytest.raises(ValueError, match="block_ids"):
        ops.prepare_blocks(IDS, 3, 3)
    with pytest.raises(ValueError, match="x must"):
        ops.to_blocks(jnp.ones((6, 2)), BLOCKS)
    with pytest.raises(ValueError, match="x must"):
        ops.from_blocks(jnp.ones((4, 2, 2)), BLOCKS)
