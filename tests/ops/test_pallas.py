import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, PartitionSpec

from graphattn_jax.ops._pallas import (
    Axis,
    axis,
    launch,
    load,
    missing,
    power_of_two,
    program,
    store,
)


def test_access_beyond_the_end_reads_zeros_and_writes_nothing():
    def kernel(x, zeros, out):
        rows, columns = axis(2, 3, program(0) * 2), axis(4, 3)
        ones = load(x[0], rows, columns) + 1.0
        store(out[0], ones, rows, columns)
        store(out[1], jnp.sum(ones, axis=1), Axis(program(1), jnp.asarray(True)), rows)

    x = jnp.arange(9, dtype=jnp.bfloat16).reshape(3, 3)
    shapes = jax.ShapeDtypeStruct((3, 3), jnp.float32), jax.ShapeDtypeStruct((1, 3), jnp.float32)
    first = jnp.full((3, 3), -1.0)
    copy, sums = launch(kernel, (1, 1), ((x,), first), shapes, num_warps=1, aliases={1: 0})
    np.testing.assert_array_equal(copy[:2], np.arange(6).reshape(2, 3) + 1)
    np.testing.assert_array_equal(copy[2], -1)  # no program was there
    np.testing.assert_array_equal(sums[0, :2], [3 + 4, 12 + 4])


def test_missing_says_where_shard_map_does_not_work():
    mesh = Mesh(np.array(jax.devices()[:2]), ("data",))
    one = PartitionSpec("data")

    def kernel(x, out):
        store(out, load(x, axis(1, 1)) + 1.0, axis(1, 1))

    def add_one(x):
        said.append(missing((x,)))
        return launch(kernel, (1, 1), (x,), jax.ShapeDtypeStruct((1,), jnp.float32), num_warps=1)

    def run(check):
        mapped = jax.shard_map(add_one, mesh=mesh, in_specs=one, out_specs=one, check_vma=check)
        return jax.jit(mapped)(jnp.array([1.0, 2.0]))

    said = []
    np.testing.assert_array_equal(run(False), [2, 3])
    assert said == [None]
    with pytest.raises(ValueError, match="check_vma"):
        run(True)
    assert "Fix: check_vma=False of jax.shard_map, or implementation=None" in said[1]


def test_sizes():
    assert [power_of_two(n) for n in (0, 1, 2, 3, 64, 65)] == [1, 1, 2, 4, 64, 128]
