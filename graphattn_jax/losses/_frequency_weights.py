"""Weights of classes by how rare they are in a batch."""

from __future__ import annotations

import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax._masked import counted
from graphattn_jax.typing import Array, ArrayLike


def frequency_weights(
    labels: ArrayLike, num_classes: int, *, where: ArrayLike | None = None
) -> Array:
    """The share of the rows that are of another class.

        w_k = 1 - n_k / n   for classes that occur, 0 for others

    with n_k the rows of class k among the n that count. As `class_weights` of `softmax_cross_entropy`, batch by batch,
    this is the loss of the node classification tasks PATTERN and CLUSTER.

    Args:
      labels: `[N]` integer in `[0, num_classes)`; rows outside `where` may hold any integer.
      num_classes: K.
      where: `[N]` bool, True = counts. None = all.

    Returns:
      `[K]` float32 in [0, 1).

    Raises:
      ValueError: shapes or dtypes disagree, or (outside `jit`) a counted label is out of range.

    Cost: O(N).
    Padding: exact with `where`.

    Example:
      >>> import graphattn_jax as ga, jax.numpy as jnp
      >>> ga.losses.frequency_weights(jnp.array([0, 0, 0, 1]), 3).tolist()
      [0.25, 0.75, 0.0]

    Source: Dwivedi et al., "Benchmarking Graph Neural Networks", JMLR 2023, arXiv:2003.00982, section on PATTERN and
      CLUSTER.
    """
    _checks.ids("labels", labels)
    _checks.positive("num_classes", num_classes)
    mask = counted(where, labels.shape)
    labels = jnp.where(mask, labels, 0)
    _checks.ids_in_range("labels", labels, num_classes, "classes")
    one = mask.astype(jnp.float32)
    number = jnp.zeros(num_classes, jnp.float32)
    number = number.at[labels].add(one, mode="drop", wrap_negative_indices=False)
    return jnp.where(number > 0, 1 - number / jnp.maximum(jnp.sum(one), 1), 0)
