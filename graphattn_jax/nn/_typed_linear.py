"""An affine map per type."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp

from graphattn_jax import _checks, ops
from graphattn_jax.nn._sharing import Full, Sharing, check_sharing
from graphattn_jax.ops import Groups
from graphattn_jax.typing import Array, ArrayLike, PRNGKey

__all__ = ["TypedLinearParams", "init_typed_linear", "typed_linear"]


class TypedLinearParams(NamedTuple):
    """weight: of the sharing, `[T, D, F]` for `Full`; bias `[T, F]` or None."""

    weight: Any
    bias: Array | None


def init_typed_linear(
    key: PRNGKey,
    num_types: int,
    in_features: int,
    out_features: int,
    *,
    bias: bool = True,
    sharing: Sharing = Full(),
) -> TypedLinearParams:
    """Parameters of `typed_linear`, float32; matrices start Glorot-uniform, biases at zero.

    Args:
      key: typed PRNG key.
      num_types: T.
      in_features, out_features: D and F.
      bias: whether there is one per type.
      sharing: how the matrices share parameters.

    Raises:
      ValueError: sizes that are not positive integers, not a `Sharing`.

    Example:
      >>> import jax, graphattn_jax as ga
      >>> params = ga.nn.init_typed_linear(jax.random.key(0), 3, 8, 4)
      >>> params.weight.shape, params.bias.shape
      ((3, 8, 4), (3, 4))
    """
    sizes = {"num_types": num_types, "in_features": in_features, "out_features": out_features}
    for name, size in sizes.items():
        _checks.positive(name, size)
    check_sharing(sharing)
    return TypedLinearParams(
        sharing.init(key, num_types, in_features, out_features),
        jnp.zeros((num_types, out_features), jnp.float32) if bias else None,
    )


def typed_linear(
    params: TypedLinearParams, x: ArrayLike, groups: Groups, *, sharing: Sharing = Full()
) -> Array:
    """The map of its type for each row: y_n = x_n W_t(n) + b_t(n).

    Args:
      params: from `init_typed_linear` with the same sharing.
      x: `[N, D]` floating point.
      groups: the types of the rows, `ga.graphs.node_groups(graph)`.
      sharing: how the matrices share parameters.

    Returns:
      `[N, F]` in the dtype of `x`.

    Raises:
      ValueError: shapes that do not fit.

    Cost: that of `ga.ops.grouped_matmul`.
    Padding: rows are independent of each other.

    Example:
      >>> import jax, jax.numpy as jnp, graphattn_jax as ga
      >>> params = ga.nn.init_typed_linear(jax.random.key(0), 2, 3, 4)
      >>> ga.nn.typed_linear(params, jnp.ones((5, 3)), ga.ops.Groups(jnp.array([0, 0, 1, 1, 0]), 2)).shape
      (5, 4)
    """
    out = ops.grouped_matmul(x, sharing.matrices(params.weight), groups)
    return out if params.bias is None else out + groups.rows(params.bias).astype(out.dtype)
