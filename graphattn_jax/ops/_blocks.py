"""Nodes regrouped into one block of slots per graph: dense attention over many small graphs, without a scatter."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from graphattn_jax import _checks
from graphattn_jax.typing import Array, ArrayLike

__all__ = ["BlockLayout", "block_layout", "from_blocks", "to_blocks"]


class BlockLayout(NamedTuple):
    """Where each node stands; a pytree of int32 arrays with static shapes.

    node `[B, n]`: the node in each slot, N for an empty slot.
    slot `[N]`: the place of each node among the B n slots, B n for a node without one.
    """

    node: ArrayLike
    slot: ArrayLike

    @property
    def mask(self) -> Array:
        """`[B, n]` bool: the slots that hold a node."""
        return jnp.asarray(self.node) < self.slot.shape[0]


def block_layout(
    block_ids: ArrayLike, num_blocks: int, size: int, *, where: ArrayLike | None = None
) -> BlockLayout:
    """The slots of nodes in blocks of one size, on the host.

    Args:
      block_ids: `[N]` integers in `[0, num_blocks)`: the block (graph) of each node.
      num_blocks: B.
      size: n, slots per block; at least the size of the largest block.
      where: `[N]` bool; nodes with False (padding) get no slot.

    Returns:
      A `BlockLayout` of numpy arrays. The nodes of a block keep their order.

    Raises:
      ValueError: ids out of range, or a block with more than `size` nodes.

    Cost: O(N log N) on the host.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> ga.ops.block_layout(np.array([0, 0, 1]), 2, 2)
      BlockLayout(node=array([[0, 1],
             [2, 3]], dtype=int32), slot=array([0, 1, 2], dtype=int32))
    """
    _checks.positive("size", size)
    block_ids = np.asarray(block_ids)
    _checks.ids("block_ids", block_ids)
    _checks.ids_in_range("block_ids", block_ids, num_blocks, "blocks")
    real = np.arange(len(block_ids))
    if where is not None:
        _checks.mask("where", where, len(block_ids))
        real = np.flatnonzero(np.asarray(where))
    order = real[np.argsort(block_ids[real], kind="stable")]
    blocks = block_ids[order]
    counts = np.bincount(blocks, minlength=num_blocks)
    if counts.size and counts.max() > size:
        raise ValueError(
            f"size must be at least the number of nodes of the largest graph, {counts.max()}, got {size}."
        )
    place = np.arange(len(order)) - (np.cumsum(counts) - counts)[blocks]
    node = np.full((num_blocks, size), len(block_ids), np.int32)
    slot = np.full(len(block_ids), num_blocks * size, np.int32)
    node[blocks, place] = order
    slot[order] = blocks * size + place
    return BlockLayout(node, slot)


def to_blocks(x: ArrayLike, blocks: BlockLayout) -> Array:
    """Rows of nodes as blocks: `[N, ...]` to `[B, n, ...]`, zeros in empty slots.

    Its gradient is `from_blocks`, a gather as well.

    Args:
      x: `[N, ...]`.
      blocks: from `block_layout`.

    Returns:
      `[B, n, ...]` in the dtype of `x`.

    Raises:
      ValueError: `x` has another number of rows.

    Cost: one gather.

    Example:
      >>> import numpy as np, jax.numpy as jnp, graphattn_jax as ga
      >>> blocks = ga.ops.block_layout(np.array([0, 1, 1]), 2, 2)
      >>> ga.ops.to_blocks(jnp.array([5.0, 6.0, 7.0]), blocks).tolist()
      [[5.0, 0.0], [6.0, 7.0]]
    """
    x = jnp.asarray(x)
    _checks.shape("x", x, (blocks.slot.shape[0], *x.shape[1:]))
    return _rows(x, jnp.asarray(blocks.node), jnp.asarray(blocks.slot))


def from_blocks(x: ArrayLike, blocks: BlockLayout) -> Array:
    """Blocks back to rows of nodes: `[B, n, ...]` to `[N, ...]`, zeros for nodes without a slot.

    Its gradient is `to_blocks`.

    Args:
      x: `[B, n, ...]`.
      blocks: from `block_layout`.

    Returns:
      `[N, ...]` in the dtype of `x`.

    Raises:
      ValueError: `x` does not have the shape of the blocks.

    Cost: one gather.

    Example:
      >>> import numpy as np, jax.numpy as jnp, graphattn_jax as ga
      >>> blocks = ga.ops.block_layout(np.array([0, 1, 1]), 2, 2)
      >>> ga.ops.from_blocks(jnp.array([[5.0, 9.0], [6.0, 7.0]]), blocks).tolist()
      [5.0, 6.0, 7.0]
    """
    x = jnp.asarray(x)
    _checks.shape("x", x, (*blocks.node.shape, *x.shape[2:]))
    flat = x.reshape(-1, *x.shape[2:])
    return _rows(flat, jnp.asarray(blocks.slot), jnp.asarray(blocks.node))


@jax.custom_vjp
def _rows(x: Array, ids: Array, inverse: Array) -> Array:
    """x[ids] with zeros for ids behind the end; `inverse` says where each row of x went."""
    return x.at[ids].get(mode="fill", fill_value=0)


def _forward(x: Array, ids: Array, inverse: Array) -> tuple[Array, tuple[Array, Array]]:
    return _rows(x, ids, inverse), (ids, inverse)


def _backward(saved: tuple[Array, Array], g: Array) -> tuple[Array, Any, Any]:
    ids, inverse = saved
    flat = jnp.asarray(g).reshape(-1, *g.shape[ids.ndim :])
    none = (np.zeros(i.shape, jax.dtypes.float0) for i in saved)
    return _rows(flat, inverse.reshape(-1), ids), next(none), next(none)


_rows.defvjp(_forward, _backward)
