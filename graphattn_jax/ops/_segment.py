"""Reductions over segments: rows of `data` with the same segment id are reduced together.

All share the conventions of `segment_sum`: float32 accumulation, `where=` to leave rows out, and defined values
for segments without rows.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from graphattn_jax import _checks
from graphattn_jax._dtypes import accumulation_dtype, wide
from graphattn_jax.typing import Array, ArrayLike

__all__ = [
    "segment_logsumexp",
    "segment_max",
    "segment_mean",
    "segment_min",
    "segment_softmax",
    "segment_std",
    "segment_sum",
    "take",
]


def take(x: Array, ids: ArrayLike) -> Array:
    """Rows by id, without the clamping of ids that indexing compiles to.

    Args:
      x: `[N, ...]`.
      ids: `[M, ...]` integers in `[0, N)`, which is not checked.

    Returns:
      `[M, ..., ...]`.

    Cost: one gather; of the gradient one scatter of rows.

    Example:
      >>> import jax.numpy as jnp, graphattn_jax as ga
      >>> ga.ops.take(jnp.array([[1.0], [2.0]]), jnp.array([1, 1, 0])).tolist()
      [[2.0], [2.0], [1.0]]
    """
    return x.at[ids].get(mode="promise_in_bounds")


def _check(data, segment_ids, num_segments, where) -> tuple[Array, Array, Array | None]:
    if not hasattr(data, "shape") or len(data.shape) < 1:
        raise ValueError(f"data must be an array of shape [E, ...], got {_checks.describe(data)}.")
    if data.dtype == bool:
        raise ValueError(
            f"data must hold numbers, got {_checks.describe(data)}. Fix: data.astype(jnp.int32), which counts."
        )
    if not jnp.issubdtype(data.dtype, np.number):
        raise ValueError(f"data must hold numbers, got {_checks.describe(data)}.")
    _checks.ids("segment_ids", segment_ids, data.shape[0])
    if not isinstance(num_segments, (int, np.integer)) or num_segments < 0:
        raise ValueError(
            f"num_segments must be a static Python int >= 0, got {_checks.describe(num_segments)}."
        )
    _checks.ids_in_range("segment_ids", segment_ids, int(num_segments), "segments")
    if where is not None:
        _checks.mask("where", where, data.shape[0])
        where = jnp.asarray(where)
    return jnp.asarray(data), jnp.asarray(segment_ids), where


def _rows(where: Array, like: Array) -> Array:
    """The mask with trailing axes of size one, to select rows of `like`."""
    return where.reshape(where.shape + (1,) * (like.ndim - 1))


def _keep(data: Array, where: Array | None, fill) -> Array:
    if where is None:
        return data
    return jnp.where(_rows(where, data), data, jnp.asarray(fill, data.dtype))


def _sum(data: Array, ids: Array, num_segments: int, is_sorted: bool) -> Array:
    return jax.ops.segment_sum(
        data, ids, num_segments, indices_are_sorted=is_sorted, mode="promise_in_bounds"
    )


def _max(data: Array, ids: Array, num_segments: int, is_sorted: bool) -> Array:
    return jax.ops.segment_max(
        data, ids, num_segments, indices_are_sorted=is_sorted, mode="promise_in_bounds"
    )


def _min(data: Array, ids: Array, num_segments: int, is_sorted: bool) -> Array:
    return jax.ops.segment_min(
        data, ids, num_segments, indices_are_sorted=is_sorted, mode="promise_in_bounds"
    )


def segment_sum(
    data: ArrayLike,
    segment_ids: ArrayLike,
    num_segments: int,
    *,
    where: ArrayLike | None = None,
    indices_are_sorted: bool = False,
) -> Array:
    """Sum of the rows of each segment.

        out[s] = Σ_{e: ids[e] = s, where[e]} data[e]

    Args:
      data: `[E, ...]`.
      segment_ids: `[E]` integers in `[0, num_segments)`, any order.
      num_segments: static number of segments S.
      where: `[E]` bool, True = take part. None = all.
      indices_are_sorted: promise that `segment_ids` ascend.

    Returns:
      `[S, ...]` in the dtype of `data`; half precision is accumulated in float32. Empty segments give 0.

    Raises:
      ValueError: shapes disagree, ids are not integers, or (outside `jit`) an id is out of range.

    Cost: O(E) reads, one scatter-add.
    Padding: rows with `where=False` change neither values nor gradients, whatever they hold.

    Example:
      >>> import jax.numpy as jnp, graphattn_jax as ga
      >>> ga.ops.segment_sum(jnp.array([1., 2., 4.]), jnp.array([0, 2, 0]), 3).tolist()
      [5.0, 0.0, 2.0]
    """
    data, ids, where = _check(data, segment_ids, num_segments, where)
    widened = wide(_keep(data, where, 0))
    return _sum(widened, ids, num_segments, indices_are_sorted).astype(data.dtype)


def segment_mean(
    data: ArrayLike,
    segment_ids: ArrayLike,
    num_segments: int,
    *,
    where: ArrayLike | None = None,
    indices_are_sorted: bool = False,
) -> Array:
    """Mean of the rows of each segment; empty segments give 0.

    Args:
      data: `[E, ...]` floating point.
      segment_ids: `[E]` integers in `[0, num_segments)`.
      num_segments: static number of segments S.
      where: `[E]` bool, True = take part.
      indices_are_sorted: promise that `segment_ids` ascend.

    Returns:
      `[S, ...]` in the dtype of `data`.

    Raises:
      ValueError: as `segment_sum`; also if `data` is not floating point.

    Cost: O(E), two scatter-adds.

    Example:
      >>> import jax.numpy as jnp, graphattn_jax as ga
      >>> ga.ops.segment_mean(jnp.array([1., 2., 4.]), jnp.array([0, 2, 0]), 3).tolist()
      [2.5, 0.0, 2.0]
    """
    data, ids, where = _check(data, segment_ids, num_segments, where)
    _checks.floating("data", data)
    total, count = _sum_and_count(data, ids, num_segments, where, indices_are_sorted)
    return (total / jnp.maximum(count, 1)).astype(data.dtype)


def _sum_and_count(data, ids, num_segments, where, is_sorted) -> tuple[Array, Array]:
    dtype = accumulation_dtype(data.dtype)
    ones = jnp.ones(ids.shape, dtype) if where is None else where.astype(dtype)
    total = _sum(_keep(data, where, 0).astype(dtype), ids, num_segments, is_sorted)
    return total, _rows(_sum(ones, ids, num_segments, is_sorted), total)


def segment_std(
    data: ArrayLike,
    segment_ids: ArrayLike,
    num_segments: int,
    *,
    where: ArrayLike | None = None,
    indices_are_sorted: bool = False,
) -> Array:
    """Biased standard deviation of the rows of each segment, in the two-pass form.

        out[s] = sqrt( mean_{e in s} (data[e] - mean_s)^2 )

    Empty segments and segments of equal rows give 0, with gradient 0 there (the derivative of the root is
    not finite).

    Args:
      data: `[E, ...]` floating point.
      segment_ids: `[E]` integers in `[0, num_segments)`.
      num_segments: static number of segments S.
      where: `[E]` bool, True = take part.
      indices_are_sorted: promise that `segment_ids` ascend.

    Returns:
      `[S, ...]` in the dtype of `data`.

    Raises:
      ValueError: as `segment_mean`.

    Cost: O(E), three scatter-adds and a gather.

    Example:
      >>> import jax.numpy as jnp, graphattn_jax as ga
      >>> ga.ops.segment_std(jnp.array([1., 2., 5.]), jnp.array([0, 2, 0]), 3).tolist()
      [2.0, 0.0, 0.0]
    """
    data, ids, where = _check(data, segment_ids, num_segments, where)
    _checks.floating("data", data)
    total, count = _sum_and_count(data, ids, num_segments, where, indices_are_sorted)
    count = jnp.maximum(count, 1)
    centred = _keep(data, where, 0).astype(total.dtype) - take(total / count, ids)
    squares = _keep(jnp.square(centred), where, 0)
    variance = _sum(squares, ids, num_segments, indices_are_sorted) / count
    equal = variance == 0
    return jnp.where(equal, 0, jnp.sqrt(jnp.where(equal, 1, variance))).astype(data.dtype)


def segment_max(
    data: ArrayLike,
    segment_ids: ArrayLike,
    num_segments: int,
    *,
    where: ArrayLike | None = None,
    indices_are_sorted: bool = False,
) -> Array:
    """Largest row entry of each segment; empty segments give 0 (not the lowest number of the dtype).

    Args:
      data: `[E, ...]` floating point or integer.
      segment_ids: `[E]` integers in `[0, num_segments)`.
      num_segments: static number of segments S.
      where: `[E]` bool, True = take part.
      indices_are_sorted: promise that `segment_ids` ascend.

    Returns:
      `[S, ...]` in the dtype of `data`. The gradient is shared equally among ties.

    Raises:
      ValueError: as `segment_sum`.

    Cost: O(E), two scatters.

    Example:
      >>> import jax.numpy as jnp, graphattn_jax as ga
      >>> ga.ops.segment_max(jnp.array([-1., 2., -4.]), jnp.array([0, 2, 0]), 3).tolist()
      [-1.0, 0.0, 2.0]
    """
    data, ids, where = _check(data, segment_ids, num_segments, where)
    lowest = -jnp.inf if jnp.issubdtype(data.dtype, jnp.floating) else jnp.iinfo(data.dtype).min
    top = _max(_keep(data, where, lowest), ids, num_segments, indices_are_sorted)
    return _zero_if_empty(top, ids, num_segments, where, indices_are_sorted)


def _zero_if_empty(reduced, ids, num_segments, where, is_sorted) -> Array:
    ones = jnp.ones(ids.shape, jnp.int32) if where is None else where.astype(jnp.int32)
    filled = _rows(_sum(ones, ids, num_segments, is_sorted) > 0, reduced)
    return jnp.where(filled, reduced, jnp.zeros((), reduced.dtype))


def segment_min(
    data: ArrayLike,
    segment_ids: ArrayLike,
    num_segments: int,
    *,
    where: ArrayLike | None = None,
    indices_are_sorted: bool = False,
) -> Array:
    """Smallest row entry of each segment; empty segments give 0.

    Args:
      data: `[E, ...]` floating point or integer.
      segment_ids: `[E]` integers in `[0, num_segments)`.
      num_segments: static number of segments S.
      where: `[E]` bool, True = take part.
      indices_are_sorted: promise that `segment_ids` ascend.

    Returns:
      `[S, ...]` in the dtype of `data`. The gradient is shared equally among ties.

    Raises:
      ValueError: as `segment_sum`.

    Cost: as `segment_max`.

    Example:
      >>> import jax.numpy as jnp, graphattn_jax as ga
      >>> ga.ops.segment_min(jnp.array([-1., 2., -4.]), jnp.array([0, 2, 0]), 3).tolist()
      [-4.0, 0.0, 2.0]
    """
    data, ids, where = _check(data, segment_ids, num_segments, where)
    highest = jnp.inf if jnp.issubdtype(data.dtype, jnp.floating) else jnp.iinfo(data.dtype).max
    bottom = _min(_keep(data, where, highest), ids, num_segments, indices_are_sorted)
    return _zero_if_empty(bottom, ids, num_segments, where, indices_are_sorted)


def segment_logsumexp(
    data: ArrayLike,
    segment_ids: ArrayLike,
    num_segments: int,
    *,
    where: ArrayLike | None = None,
    indices_are_sorted: bool = False,
) -> Array:
    """Logarithm of the sum of exponentials of each segment, computed around its maximum.

        out[s] = log Σ_{e: ids[e] = s, where[e]} exp(data[e])

    Args:
      data: `[E, ...]` floating point.
      segment_ids: `[E]` integers in `[0, num_segments)`.
      num_segments: static number of segments S.
      where: `[E]` bool, True = take part.
      indices_are_sorted: promise that `segment_ids` ascend.

    Returns:
      `[S, ...]` float32 (float64 for float64). Empty segments give -inf, the logarithm of an empty sum,
      with gradient 0; segments with +inf give +inf, with NaN NaN.

    Raises:
      ValueError: as `segment_mean`.

    Cost: O(E), one scatter-max, one gather, one scatter-add.

    Example:
      >>> import numpy as np, jax.numpy as jnp, graphattn_jax as ga
      >>> out = ga.ops.segment_logsumexp(jnp.zeros(4), jnp.array([0, 0, 0, 2]), 3)
      >>> np.asarray(jnp.exp(out), float).round(3).tolist()
      [3.0, 0.0, 1.0]
    """
    data, ids, where = _check(data, segment_ids, num_segments, where)
    _checks.floating("data", data)
    exponentials, top = _shifted_exp(data, ids, num_segments, where, indices_are_sorted)
    total = _sum(exponentials, ids, num_segments, indices_are_sorted)
    empty = total == 0
    return jnp.where(empty, -jnp.inf, jnp.log(jnp.where(empty, 1, total)) + top)


def segment_softmax(
    logits: ArrayLike,
    segment_ids: ArrayLike,
    num_segments: int,
    *,
    where: ArrayLike | None = None,
    indices_are_sorted: bool = False,
) -> Array:
    """Softmax over the rows of each segment.

        out[e] = exp(logits[e]) / Σ_{e': ids[e'] = ids[e], where[e']} exp(logits[e'])

    Args:
      logits: `[E, ...]` floating point; -inf is a valid logit and gets weight 0.
      segment_ids: `[E]` integers in `[0, num_segments)`; for attention, the receivers.
      num_segments: static number of segments S.
      where: `[E]` bool, True = take part; the others get weight 0.
      indices_are_sorted: promise that `segment_ids` ascend.

    Returns:
      `[E, ...]` in the dtype of `logits`, computed in float32. The weights of a segment sum to 1, or are all
      0 if every row of it is masked or -inf; gradients stay finite there.

    Raises:
      ValueError: as `segment_mean`.

    Cost: O(E), one scatter-max, one scatter-add, two gathers.
    Padding: exact.

    Example:
      >>> import jax.numpy as jnp, graphattn_jax as ga
      >>> ga.ops.segment_softmax(jnp.zeros(3), jnp.array([0, 0, 1]), 2).tolist()
      [0.5, 0.5, 1.0]
    """
    data, ids, where = _check(logits, segment_ids, num_segments, where)
    _checks.floating("logits", data)
    exponentials, _ = _shifted_exp(data, ids, num_segments, where, indices_are_sorted)
    total = _sum(exponentials, ids, num_segments, indices_are_sorted)
    weights = exponentials / take(jnp.where(total == 0, 1, total), ids)
    return _keep(weights, where, 0).astype(data.dtype)


def _shifted_exp(data, ids, num_segments, where, is_sorted) -> tuple[Array, Array]:
    """exp(data - top of its segment) in float32, 0 for masked rows; and the tops, 0 where they are not finite."""
    widened = _keep(wide(data), where, -jnp.inf)
    top = jax.lax.stop_gradient(_max(widened, ids, num_segments, is_sorted))
    top = jnp.where(jnp.isfinite(top), top, 0)
    return jnp.exp(widened - take(top, ids)), top
