"""The axis of devices over which a batch is spread."""

from __future__ import annotations

from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["BATCH_AXIS", "in_batch_axis", "sum_over_axis", "sum_over_batch"]

Tree = TypeVar("Tree")

BATCH_AXIS = "batch"
"""Name of the axis of devices (of `jax.shard_map`, `jax.pmap` or `jax.vmap`) whose parts make up one batch."""


def in_batch_axis() -> bool:
    """Whether this is traced where `BATCH_AXIS` is an axis."""
    try:
        jax.lax.axis_size(BATCH_AXIS)
    except NameError:
        return False
    return True


def sum_over_batch(tree: Tree) -> Tree:
    """Arrays summed over the devices that hold parts of this batch; as they are where there are none.

    What is taken over a whole batch, as the statistics of `ga.nn.batch_norm` are, is made of such sums, so that the
    parts of a batch on several devices give what the whole gives on one.

    Args:
      tree: pytree of arrays, of equal shapes on all devices.

    Returns:
      A pytree like it, the same on all devices.

    Cost: one all-reduce for each dtype, nothing outside `BATCH_AXIS`.

    Example:
      >>> import jax, jax.numpy as jnp, graphattn_jax as ga
      >>> jax.vmap(ga.ops.sum_over_batch, axis_name=ga.ops.BATCH_AXIS)(jnp.array([1.0, 2.0])).tolist()
      [3.0, 3.0]
    """
    return sum_over_axis(tree) if in_batch_axis() else tree


def sum_over_axis(tree: Tree) -> Tree:
    """The same where the axis is known to be there: a derivative may be traced when its name is not yet back."""
    leaves, structure = jax.tree.flatten(tree)
    places: dict[Any, list[int]] = {}
    for place, leaf in enumerate(leaves):
        places.setdefault(leaf.dtype, []).append(place)
    for which in places.values():
        flat = jnp.concatenate([leaves[i].ravel() for i in which])
        ends = np.cumsum([leaves[i].size for i in which])[:-1].tolist()
        parts = jnp.split(jax.lax.psum(flat, BATCH_AXIS), ends)
        for i, part in zip(which, parts, strict=True):
            leaves[i] = part.reshape(leaves[i].shape)
    return jax.tree.unflatten(structure, leaves)
