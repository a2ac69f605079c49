"""All that the GPU kernels use of Pallas with its Triton lowering: launching, and masked access to whole arrays.

Pallas is imported inside the functions: its import changes JAX's tracing context, and so which compiled functions are
found again.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax.ops._platform import on_gpu, varies_over_devices
from graphattn_jax.typing import Array

__all__ = [
    "Axis",
    "axis",
    "dot",
    "launch",
    "load",
    "missing",
    "power_of_two",
    "program",
    "store",
]


def missing(arrays: Any) -> str | None:
    """Why the kernels cannot be launched on these arrays, or None."""
    try:
        importlib.import_module("jax.experimental.pallas.triton")
    except ImportError as error:
        return f"needs the Triton backend of Pallas, which this jax does not have ({error}). Fix: implementation=None."
    leaves = jax.tree.leaves(arrays)
    if any(x.dtype == jnp.float64 for x in leaves):
        return "computes in float32, got float64. Fix: implementation=None."
    if any(varies_over_devices(x) for x in leaves):
        return (
            "does not work where jax.shard_map checks how results vary over devices. "
            "Fix: check_vma=False of jax.shard_map, or implementation=None."
        )
    return None


def launch(
    kernel: Callable[..., None],
    grid: tuple[int, int],
    arguments: tuple,
    out: Any,
    *,
    num_warps: int,
    aliases: dict[int, int] | None = None,
) -> Any:
    """`kernel(*arguments, out)` for every point of the grid, on references to the whole arrays.

    arguments and out are pytrees, of arrays and of shapes with dtypes. aliases: outputs that start as one of the
    inputs, {place among the leaves of the arguments: place among the leaves of out}. Off the GPU the kernel is
    interpreted.
    """
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import triton as plt

    (result,) = pl.pallas_call(
        kernel,
        grid=grid,
        out_shape=(out,),
        compiler_params=plt.CompilerParams(num_warps=num_warps, num_stages=2),
        input_output_aliases=aliases or {},
        interpret=not on_gpu(),
    )(*arguments)
    return result


def program(dimension: int) -> Array:
    """The place of this program in the grid."""
    from jax.experimental import pallas as pl

    return pl.program_id(dimension)


class Axis(NamedTuple):
    """Positions along one axis of an array, and which of them are there; or a single position, a scalar."""

    ids: Array
    valid: Array


def axis(width: int, size: int, first: Any = 0) -> Axis:
    """`width` positions from `first` on, of which those below `size` are there."""
    ids = first + jnp.arange(width, dtype=jnp.int32)
    return Axis(ids, ids < size)


def load(ref: Any, *axes: Axis) -> Array:
    """The block of an array at these positions, in float32 (integers as they are), 0 where there is nothing."""
    from jax.experimental.pallas import triton as plt

    index, mask = _mesh(axes)
    block = plt.load(ref.at[index], mask=mask, other=jnp.zeros((), ref.dtype))
    return block.astype(jnp.float32) if jnp.issubdtype(ref.dtype, jnp.floating) else block


def store(ref: Any, block: Array, *axes: Axis) -> None:
    """Write a block where there is something."""
    from jax.experimental.pallas import triton as plt

    index, mask = _mesh(axes)
    plt.store(ref.at[index], jnp.broadcast_to(block, mask.shape).astype(ref.dtype), mask=mask)


def dot(x: Array, y: Array) -> Array:
    """The product of two matrices, summed in float32, as precise as `jax.default_matmul_precision` asks for.

    As elsewhere in JAX that is TF32 by default. For "float32" each factor is split in two parts, which three products
    in TF32 need: as good as float32, and several times faster than without the matrix units.
    """
    precision = None  # the default
    if jax.config.jax_default_matmul_precision in ("float32", "highest"):
        in_parts = jax.lax.DotAlgorithmPreset.TF32_TF32_F32_X3
        precision = in_parts if on_gpu() else jax.lax.Precision.HIGHEST
    return jnp.dot(x, y, precision=precision, preferred_element_type=jnp.float32)


def _mesh(axes: tuple[Axis, ...]) -> tuple[tuple[Array, ...], Array]:
    """The positions as an open mesh, and the mask of the block. A scalar position takes an axis away."""
    long = [d for d, a in enumerate(axes) if a.ids.ndim]

    def open_mesh(x, d):
        return jnp.expand_dims(x, [i for i, own in enumerate(long) if own != d]) if x.ndim else x

    mask = jnp.ones([axes[d].ids.shape[0] for d in long], bool)
    for d, a in enumerate(axes):
        mask = mask & open_mesh(a.valid, d)
    return tuple(open_mesh(a.ids, d) for d, a in enumerate(axes)), mask


def power_of_two(n: int) -> int:
    """The smallest one that is not below n: what the sizes of Triton's blocks must be."""
    return 1 << max(n - 1, 0).bit_length()
