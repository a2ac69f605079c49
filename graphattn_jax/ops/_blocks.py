"""Nodes regrouped into one block of slots per graph: dense attention over many small graphs, without a scatter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from graphattn_jax import _checks
from graphattn_jax.typing import Array, ArrayLike

__all__ = ["Blocks", "from_blocks", "prepare_blocks", "to_blocks"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Blocks:
    """Which pairs may attend: all that share a block. A pytree of arrays with static shapes.

    node: `[B, n]` int32, the node in each slot, N for an empty slot; empty slots stand behind the nodes of a block.
    slot: `[N]` int32, the place of each node among the B n slots, B n for a node without one.
    pairs: `[B, n, n]` bool, True = the receiver (row) may attend to the sender (column); None = all pairs of nodes.
    """

    node: ArrayLike
    slot: ArrayLike
    pairs: ArrayLike | None = None

    @property
    def mask(self) -> Array:
        """`[B, n]` bool: the slots that hold a node."""
        return jnp.asarray(self.node) < self.slot.shape[0]

    def check(self) -> None:
        """Ids, and all parts of one size.

        Raises:
          ValueError: names the part that does not fit.
        """
        _checks.shape("blocks.node", self.node, ("B", "n"))
        _checks.ids("blocks.slot", self.slot)
        if not isinstance(self.node, Tracer):
            node = np.asarray(self.node)
            empty = node >= self.slot.shape[0]
            if (node < 0).any() or (empty[:, :-1] & ~empty[:, 1:]).any():
                raise ValueError(
                    "blocks.node must hold the ids of the nodes of each block in front and empty slots behind. "
                    "Fix: ga.ops.prepare_blocks, and pairs= for nodes that take no part."
                )
        if self.pairs is not None:
            batch, size = self.node.shape
            _checks.shape("blocks.pairs", self.pairs, (batch, size, size))
            if self.pairs.dtype != bool:
                raise ValueError(
                    f"blocks.pairs must be boolean (True = may attend), got {_checks.describe(self.pairs)}."
                )


def prepare_blocks(
    block_ids: ArrayLike, num_blocks: int, size: int, *, where: ArrayLike | None = None
) -> Blocks:
    """The slots of nodes in blocks of one size, on the host.

    Args:
      block_ids: `[N]` integers in `[0, num_blocks)`: the block (graph) of each node.
      num_blocks: B.
      size: n, slots per block; at least the size of the largest block.
      where: `[N]` bool; nodes with False (padding) get no slot.

    Returns:
      `Blocks` of numpy arrays. The nodes of a block keep their order.

    Raises:
      ValueError: ids out of range, or a block with more than `size` nodes.

    Cost: O(N log N) on the host.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> ga.ops.prepare_blocks(np.array([0, 0, 1]), 2, 2)
      Blocks(node=array([[0, 1],
             [2, 3]], dtype=int32), slot=array([0, 1, 2], dtype=int32), pairs=None)
    """
    _checks.positive("size", size)
    _checks.positive("num_blocks", num_blocks)
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
    return Blocks(node, slot)


def to_blocks(x: ArrayLike, blocks: Blocks, *, implementation: str | None = None) -> Array:
    """Rows of nodes as blocks: `[N, ...]` to `[B, n, ...]`, zeros in empty slots.

    Its gradient is `from_blocks`, a gather as well, but with `implementation="reference"`.

    Args:
      x: `[N, ...]`.
      blocks: from `prepare_blocks`.
      implementation: "xla"; "reference", whose gradient is a scatter, and which has a forward mode; None = "xla".

    Returns:
      `[B, n, ...]` in the dtype of `x`.

    Raises:
      ValueError: `x` has another number of rows.

    Cost: one gather.

    Example:
      >>> import numpy as np, jax.numpy as jnp, graphattn_jax as ga
      >>> blocks = ga.ops.prepare_blocks(np.array([0, 1, 1]), 2, 2)
      >>> ga.ops.to_blocks(jnp.array([5.0, 6.0, 7.0]), blocks).tolist()
      [[5.0, 0.0], [6.0, 7.0]]
    """
    x = jnp.asarray(x)
    _checks.shape("x", x, (blocks.slot.shape[0], *x.shape[1:]))
    return _gather(implementation)(x, jnp.asarray(blocks.node), jnp.asarray(blocks.slot))


def from_blocks(x: ArrayLike, blocks: Blocks, *, implementation: str | None = None) -> Array:
    """Blocks back to rows of nodes: `[B, n, ...]` to `[N, ...]`, zeros for nodes without a slot.

    Its gradient is `to_blocks`, but with `implementation="reference"`.

    Args:
      x: `[B, n, ...]`.
      blocks: from `prepare_blocks`.
      implementation: "xla"; "reference", whose gradient is a scatter, and which has a forward mode; None = "xla".

    Returns:
      `[N, ...]` in the dtype of `x`.

    Raises:
      ValueError: `x` does not have the shape of the blocks.

    Cost: one gather.

    Example:
      >>> import numpy as np, jax.numpy as jnp, graphattn_jax as ga
      >>> blocks = ga.ops.prepare_blocks(np.array([0, 1, 1]), 2, 2)
      >>> ga.ops.from_blocks(jnp.array([[5.0, 9.0], [6.0, 7.0]]), blocks).tolist()
      [5.0, 6.0, 7.0]
    """
    x = jnp.asarray(x)
    _checks.shape("x", x, (*blocks.node.shape, *x.shape[2:]))
    flat = x.reshape(-1, *x.shape[2:])
    return _gather(implementation)(flat, jnp.asarray(blocks.slot), jnp.asarray(blocks.node))


def _gather(implementation: str | None) -> Callable[[Array, Array, Array], Array]:
    if implementation is not None:
        _checks.choice("implementation", implementation, ("xla", "reference"))
    return _plain_rows if implementation == "reference" else _rows


def _plain_rows(x: Array, ids: Array, inverse: Array) -> Array:
    """x[ids] with zeros for ids behind the end; `inverse` says where each row of x went."""
    del inverse
    return x.at[ids].get(mode="fill", fill_value=0)


_rows = jax.custom_vjp(_plain_rows)


def _forward(x: Array, ids: Array, inverse: Array) -> tuple[Array, tuple[Array, Array]]:
    return _rows(x, ids, inverse), (ids, inverse)


def _backward(saved: tuple[Array, Array], g: Array) -> tuple[Array, Any, Any]:
    ids, inverse = saved
    flat = jnp.asarray(g).reshape(-1, *g.shape[ids.ndim :])
    none = (np.zeros(i.shape, jax.dtypes.float0) for i in saved)
    return _rows(flat, inverse.reshape(-1), ids), next(none), next(none)


_rows.defvjp(_forward, _backward)
