"""Rows in groups, and the matrix product that has a matrix per group."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from graphattn_jax import _checks
from graphattn_jax._dtypes import accumulation_dtype
from graphattn_jax.ops._dispatch import choose
from graphattn_jax.ops._segment import take
from graphattn_jax.typing import Array, ArrayLike

__all__ = ["GROUP_IMPLEMENTATIONS", "Groups", "RowBlocks", "grouped_matmul", "prepare_groups"]

MAX_SLICES = 16
"""Beyond so many groups a product for each of them compiles for too long."""


class RowBlocks(NamedTuple):
    """Rows in blocks of one group each.

    row `[B, n]` int32: the row in each slot, N for an empty one. group `[B]` int32. slot `[N]` int32: where each row is
    among the B n slots.
    """

    row: ArrayLike
    group: ArrayLike
    slot: ArrayLike


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Groups:
    """Which group each of N rows belongs to: the types of nodes, the relations of edges.

    Args:
      ids: `[N]` integers in `[0, num_groups)`.
      num_groups: T, a Python int.
      sizes: static, how many rows each group has, where they stand group by group; None = any order.
      blocks: the rows in blocks, or None; `prepare_groups` makes these two.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> ga.ops.prepare_groups(ga.ops.Groups(np.array([0, 0, 2]), 3)).sizes
      (2, 0, 1)
    """

    ids: ArrayLike
    num_groups: int = field(metadata={"static": True})
    sizes: tuple[int, ...] | None = field(default=None, metadata={"static": True})
    blocks: RowBlocks | None = None

    @property
    def num_rows(self) -> int:
        """N."""
        return self.ids.shape[0]

    def rows(self, table: ArrayLike) -> Array:
        """`[T, ...]` to `[N, ...]`: the row of its group for each row."""
        return take(jnp.asarray(table), self.ids)

    def check(self) -> None:
        """Ids are integers in range (as far as they are concrete), and all parts have the sizes of these groups.

        Raises:
          ValueError: names the part that does not fit.
        """
        _checks.positive("groups.num_groups", self.num_groups)
        _checks.ids("groups.ids", self.ids)
        _checks.ids_in_range("groups.ids", self.ids, self.num_groups, "groups")
        fits = self.sizes is None or (
            len(self.sizes) == self.num_groups and sum(self.sizes) == self.num_rows
        )
        if not fits or (self.blocks is not None and self.blocks.slot.shape[0] != self.num_rows):
            raise ValueError(
                f"groups are those of other rows than these {self.num_rows}. Fix: ga.ops.prepare_groups(groups)."
            )


def prepare_groups(
    groups: Groups, *, static: bool = False, block_size: int | None = None
) -> Groups:
    """Groups with what `grouped_matmul` works on. On the host, once.

    Args:
      groups: with concrete ids.
      static: sizes follow from N and T alone, so that other ids of as many rows compile once; otherwise from these ids.
      block_size: rows per block, n; None = a power of two near N / T, from 8 to 256.

    Returns:
      The same `Groups`: with `sizes` where the ids ascend and there are few groups, otherwise with `blocks`.

    Raises:
      ValueError: ids that are not integers or out of range, traced.

    Cost: O(N log N) on the host. Blocks have at most N + T (n - 1) slots.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> groups = ga.ops.prepare_groups(ga.ops.Groups(np.array([1, 0, 1]), 2), block_size=2)
      >>> groups.blocks.row.tolist(), groups.blocks.group.tolist()
      ([[1, 3], [0, 2]], [0, 1])
    """
    if isinstance(groups.ids, Tracer):
        raise ValueError(
            "prepare_groups runs on the host and got traced ids. Fix: call it before jax.jit."
        )
    groups.check()
    ids, num_groups = np.asarray(groups.ids), groups.num_groups
    count = np.bincount(ids, minlength=num_groups)
    if not static and num_groups <= MAX_SLICES and np.all(ids[1:] >= ids[:-1]):
        return dataclasses.replace(groups, ids=ids, sizes=tuple(count.tolist()), blocks=None)
    size = block_size or row_block_size(len(ids), num_groups)
    _checks.positive("block_size", size)
    of_group = -(-count // size)
    num_blocks = int(of_group.sum())
    if static and len(ids):
        num_blocks = len(ids) // size + num_groups
    first = np.cumsum(of_group) - of_group
    order = np.argsort(ids, kind="stable")
    within = np.arange(len(ids)) - (np.cumsum(count) - count)[ids[order]]
    slot = np.empty(len(ids), np.int32)
    slot[order] = first[ids[order]] * size + within
    row = np.full(num_blocks * size, len(ids), np.int32)
    row[slot] = np.arange(len(ids))
    group = np.zeros(num_blocks, np.int32)
    group[: of_group.sum()] = np.repeat(np.arange(num_groups), of_group)
    blocks = RowBlocks(row.reshape(num_blocks, size), group, slot)
    return dataclasses.replace(groups, ids=ids, sizes=None, blocks=blocks)


def row_block_size(num_rows: int, num_groups: int) -> int:
    """The power of two below the mean size of a group, from 8 to 256: narrow blocks are slow, wide ones half empty."""
    return int(np.clip(2 ** np.floor(np.log2(max(num_rows / num_groups, 1.0))), 8, 256))


def grouped_matmul(
    x: ArrayLike, weight: ArrayLike, groups: Groups, *, implementation: str | None = None
) -> Array:
    """Each row times the matrix of its group: y_n = x_n W_t(n).

    Args:
      x: `[N, D]`, floating point.
      weight: `[T, D, F]`, in the dtype of `x` when multiplied.
      groups: of the N rows.
      implementation: "slices", a product per group, for few groups that stand one after the other; "blocks", one
        product of all blocks of rows; "reference", a loop over the groups, each on all rows; None = the first that can.

    Returns:
      `[N, F]` in the dtype of `x`, accumulated in float32.

    Raises:
      ValueError: shapes, ids out of range, unknown implementation.
      NotImplementedError: the named implementation does not support the groups.

    Cost: O(N D F) for "slices" and "blocks", which also keeps a copy of x, and of the gradient a matrix per block; no
      [N, T, D] array. O(T N D F) time for "reference".
    Padding: rows are independent of each other.

    Example:
      >>> import jax.numpy as jnp, graphattn_jax as ga
      >>> groups = ga.ops.Groups(jnp.array([1, 0]), 2)
      >>> ga.ops.grouped_matmul(jnp.ones((2, 1)), jnp.array([[[2.0]], [[3.0]]]), groups).tolist()
      [[3.0], [2.0]]
    """
    groups.check()
    _checks.shape("x", x, (groups.num_rows, "D"))
    _checks.floating("x", x)
    _checks.shape("weight", weight, (groups.num_groups, x.shape[1], "F"))
    x = jnp.asarray(x)
    weight = jnp.asarray(weight).astype(x.dtype)
    chosen = choose(implementation, GROUP_IMPLEMENTATIONS, GROUP_IMPLEMENTATIONS, groups)
    return chosen.multiply(x, weight, groups).astype(x.dtype)


class _Slices:
    """A product per group."""

    name = "slices"

    def supports(self, call: Groups) -> str | None:
        """Rows that stand group by group."""
        if call.sizes is None:
            return (
                "needs rows that stand group by group, and static sizes. Fix: sort them, and ga.ops.prepare_groups("
                f"groups), with at most {MAX_SLICES} groups."
            )
        return None

    def multiply(self, x: Array, weight: Array, groups: Groups) -> Array:
        """Y."""
        assert groups.sizes is not None
        # Split, not sliced: the derivative of T slices is a sum of T arrays as large as x.
        parts = jax.lax.split(x, groups.sizes, axis=0)
        return jnp.concatenate([_product(rows, w) for rows, w in zip(parts, weight, strict=True)])


class _Blocks:
    """All blocks in one product."""

    name = "blocks"

    def supports(self, call: Groups) -> str | None:
        """Rows in blocks."""
        return None if call.blocks is not None else "needs blocks. Fix: ga.ops.prepare_groups."

    def multiply(self, x: Array, weight: Array, groups: Groups) -> Array:
        """Y."""
        assert groups.blocks is not None
        row, group, slot = groups.blocks
        rows = x.at[row].get(mode="fill", fill_value=0)
        y = jnp.einsum(
            "bnd,bdf->bnf",
            rows,
            take(weight, group),
            preferred_element_type=accumulation_dtype(x.dtype),
        )
        return take(y.reshape(row.size, y.shape[-1]), slot)


class _Reference:
    """Every group on all rows, one after the other."""

    name = "reference"

    def supports(self, call: Groups) -> str | None:
        """Always."""
        return None

    def multiply(self, x: Array, weight: Array, groups: Groups) -> Array:
        """Y."""
        ids = jnp.asarray(groups.ids)[:, None]

        def add(y: Array, group: tuple[Array, Array]) -> tuple[Array, None]:
            t, w = group
            return y + _product(jnp.where(ids == t, x, 0), w), None

        zero = jnp.zeros((x.shape[0], weight.shape[2]), accumulation_dtype(x.dtype))
        return jax.lax.scan(add, zero, (jnp.arange(groups.num_groups), weight))[0]


def _product(x: Array, weight: Array) -> Array:
    return jnp.matmul(x, weight, preferred_element_type=accumulation_dtype(x.dtype))


GROUP_IMPLEMENTATIONS: dict[str, _Slices | _Blocks | _Reference] = {
    i.name: i for i in (_Slices(), _Blocks(), _Reference())
}
"""By the valid names of `implementation=`, best first."""
