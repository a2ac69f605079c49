"""Shares of right classes: of rows, weighted by class, and with classes of equal weight."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from graphattn_jax._masked import check_classes, class_weight, masked_sum
from graphattn_jax.typing import Array, ArrayLike


def accuracy(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    where: ArrayLike | None = None,
    class_weights: ArrayLike | None = None,
) -> tuple[Array, Array]:
    """Rows whose largest logit is the label's, and rows that count, each with the weight of its class.

        sum = Σ_i w_y_i [ argmax_k z_ik = y_i ],   count = Σ_i w_y_i

    Of equal logits the first class wins. A row with a NaN logit is wrong.

    Args:
      logits: `[N, K]` float.
      labels: `[N]` integer; rows outside `where` may hold any integer.
      where: `[N]` bool, True = counts. None = all.
      class_weights: `[K]` float, w ≥ 0; with 1 / n_k for a data set with n_k rows of class k the pairs of its
        batches merge to the `balanced_accuracy` of all its rows. None = 1.

    Returns:
      `(sum, count)`, float32 scalars. With weights, a counted label that is no class makes both NaN.

    Raises:
      ValueError: shapes or dtypes disagree.

    Cost: O(N K).
    Padding: exact with `where`.

    Example:
      >>> import graphattn_jax as ga, jax.numpy as jnp
      >>> logits = jnp.array([[2.0, 1.0], [0.0, 3.0], [1.0, 0.0]])
      >>> correct, count = ga.metrics.accuracy(logits, jnp.array([0, 1, 1]))
      >>> print(float(correct), float(count))
      2.0 3.0
    """
    mask = check_classes(logits, labels, where)
    weights = None
    if class_weights is not None:
        weights = class_weight(class_weights, jnp.where(mask, labels, 0), logits.shape[1])
    return masked_sum(jnp.asarray(_correct(logits, labels)), mask, weights)


def balanced_accuracy(logits: ArrayLike, labels: ArrayLike, where: ArrayLike | None = None) -> Any:
    """The accuracy on each class, averaged over the classes that occur.

        mean over classes k with n_k > 0 of   #{ i: y_i = k, argmax_k' z_ik' = k } / n_k

    Chance is 1 / K, however unequal the classes are. It is not a mean over rows: the logits of all batches are
    needed together, or `accuracy` with weights 1 / n_k. Ties and NaN are as in `accuracy`.

    NumPy in, NumPy out: host arrays are computed in float64 and bad input raises. JAX arrays, inside or outside
    `jit`, are computed in float32, and what would raise gives NaN.

    Args:
      logits: `[N, K]` float.
      labels: `[N]` integer in `[0, K)`; rows outside `where` may hold any integer.
      where: `[N]` bool, True = counts. None = all.

    Returns:
      A scalar in [0, 1]. With JAX arrays NaN when no row counts or a label that counts is no class.

    Raises:
      ValueError: shapes or dtypes disagree; with NumPy arrays also the cases of NaN above.

    Cost: O(N K).
    Padding: exact with `where`.

    Example:
      >>> import graphattn_jax as ga, numpy as np
      >>> logits = np.array([[2.0, 1.0], [3.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
      >>> print(ga.metrics.balanced_accuracy(logits, np.array([0, 0, 1, 1])))  # of 1 and 1/2
      0.75

    Source: Brodersen et al., "The Balanced Accuracy and Its Posterior Distribution", ICPR 2010; as reported for PATTERN
      and CLUSTER, Dwivedi et al., "Benchmarking Graph Neural Networks", JMLR 2023, arXiv:2003.00982.
    """
    mask = check_classes(logits, labels, where)
    on_host = all(x is None or isinstance(x, np.ndarray) for x in (logits, labels, where))
    xp: Any = np if on_host else jnp
    mask, dtype = xp.asarray(mask), np.float64 if on_host else np.float32
    is_class = mask[:, None] & (labels[:, None] == xp.arange(logits.shape[1])[None])
    known = xp.all(xp.any(is_class, axis=1) | ~mask)
    number = xp.sum(is_class, axis=0)
    right = xp.sum(is_class & _correct(logits, labels)[:, None], axis=0)
    occurs = number > 0
    if on_host and not known:
        raise ValueError(f"labels must lie in [0, {logits.shape[1]}) where counted.")
    if on_host and not occurs.any():
        raise ValueError("labels must have rows that count, got none. Fix: evaluate on more rows.")
    share = right.astype(dtype) / xp.maximum(number, 1).astype(dtype)
    mean = xp.sum(share) / xp.maximum(xp.sum(occurs), 1).astype(dtype)
    return xp.where(known & xp.any(occurs), mean, xp.nan)[()]


def _correct(logits: Any, labels: Any) -> Any:
    """`[N]` bool, of the kind of array that the logits are."""
    xp: Any = np if isinstance(logits, np.ndarray) else jnp
    return (xp.argmax(logits, axis=1) == labels) & ~xp.any(xp.isnan(logits), axis=1)
