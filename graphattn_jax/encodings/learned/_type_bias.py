"""A bias per pair from the types of its two nodes."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax._dtypes import accumulation_dtype
from graphattn_jax.nn import table_rows
from graphattn_jax.typing import Array, ArrayLike, PRNGKey

STANDARD_DEVIATION = 0.02
"""Of every bias in the beginning."""


class TypeFactors(NamedTuple):
    """A table as Σ_r scale_r receiver_r sender_r: for many types.

    receiver `[T, H, R]`, sender `[T, H, R]` (None = the same as receiver), scale `[H, R]` of a type bias or
    `[K, H, R]` of a type-distance bias.
    """

    receiver: Array
    sender: Array | None
    scale: Array


class TypeBiasParams(NamedTuple):
    """`table` `[T, T, H]`, row = type of the receiver, column = type of the sender; or its factors."""

    table: Array | TypeFactors


def init_type_bias(
    key: PRNGKey, num_types: int, heads: int, *, rank: int | None = None, symmetric: bool = False
) -> TypeBiasParams:
    """Parameters of `type_bias`: biases with standard deviation 0.02.

    Args:
      key: typed PRNG key.
      num_types: T.
      heads: H.
      rank: R, the rank of the factorised form: 2 T H R numbers instead of T² H. None = a full table.
      symmetric: as in `type_bias`; both ends then share their factors.

    Returns:
      `TypeBiasParams` in float32.

    Raises:
      ValueError: sizes that are not positive integers.

    Example:
      >>> import jax, graphattn_jax as ga
      >>> ga.encodings.init_type_bias(jax.random.key(0), 3, 8).table.shape
      (3, 3, 8)
      >>> ga.encodings.init_type_bias(jax.random.key(0), 500, 8, rank=4).table.receiver.shape
      (500, 8, 4)
    """
    _checks.positive("num_types", num_types)
    _checks.positive("heads", heads)
    if rank is None:
        shape = (num_types, num_types, heads)
        return TypeBiasParams(STANDARD_DEVIATION * jax.random.normal(key, shape, jnp.float32))
    return TypeBiasParams(init_factors(key, num_types, (heads, rank), symmetric))


def init_factors(
    key: PRNGKey, num_types: int, scale: tuple[int, ...], symmetric: bool
) -> TypeFactors:
    """Factors of a table with the standard deviation; `scale` is the shape `[..., H, R]` of theirs."""
    *_, heads, rank = scale
    _checks.positive("rank", rank)
    deviation = (STANDARD_DEVIATION**2 / rank) ** 0.25
    factors = deviation * jax.random.normal(key, (2, num_types, heads, rank), jnp.float32)
    return TypeFactors(factors[0], None if symmetric else factors[1], jnp.ones(scale, jnp.float32))


def type_bias(
    params: TypeBiasParams,
    node_types: ArrayLike,
    senders: ArrayLike,
    receivers: ArrayLike,
    *,
    symmetric: bool = False,
) -> Array:
    """A learned scalar per pair of types and head, to pass as `bias=` to any layer.

        b_ij = B[τ(i), τ(j)]                      i the receiver, j the sender
        b_ij = Σ_r s_r u_{τ(i),r} v_{τ(j),r}      factorised, for many types

    Symmetric, b_ij = b_ji: ½ (B + Bᵀ), or u = v. The factorised form has signs s, because u · u alone would
    force B to be positive semidefinite: nodes of one type would always attract each other.

    Args:
      params: from `init_type_bias`; the form is that of the parameters.
      node_types: `[N]` integers in `[0, T)`.
      senders: `[E]` integers in `[0, N)`.
      receivers: `[E]` integers in `[0, N)`.
      symmetric: as in `init_type_bias`.

    Returns:
      `[E, H]` in the dtype of the parameters.

    Raises:
      ValueError: parameters made with another `symmetric`, ids that are not integers, or (outside `jit`) out of range.

    Cost: O(E H), factorised O(E H R).

    Padding: row by row; padding pairs get the bias of their types.

    Example:
      >>> import jax.numpy as jnp, numpy as np, graphattn_jax as ga
      >>> table = jnp.array([[[0.0], [1.0]], [[2.0], [3.0]]])
      >>> params = ga.encodings.TypeBiasParams(table)
      >>> types, senders, receivers = np.array([0, 1]), np.array([0, 1, 1]), np.array([1, 0, 1])
      >>> ga.encodings.type_bias(params, types, senders, receivers).ravel().tolist()
      [2.0, 1.0, 3.0]
      >>> ga.encodings.type_bias(params, types, senders, receivers, symmetric=True).ravel().tolist()
      [1.5, 1.5, 3.0]

    Source: this library's. The full table is b of Ying et al. (Graphormer, NeurIPS 2021, arXiv:2106.05234, equation 6)
      with φ(i, j) the pair of types.
    """
    table = params.table
    to, fro = pair_types(table, node_types, senders, receivers, symmetric)
    if isinstance(table, TypeFactors):
        return multiplied(table, to, fro, table.scale[None])
    there = table_rows(table, to, fro)
    return (there + table_rows(table, fro, to)) / 2 if symmetric else there


def multiplied(factors: TypeFactors, to: Array, fro: Array, scale: Array) -> Array:
    """Σ_r s_r u_r v_r per pair: `[E, H]` for scales `[E, H, R]` or `[1, H, R]`."""
    sender = factors.receiver if factors.sender is None else factors.sender
    u, v = table_rows(factors.receiver, to), table_rows(sender, fro)
    return jnp.sum(u * v * scale, axis=2, dtype=accumulation_dtype(u.dtype)).astype(u.dtype)


def pair_types(
    table: Array | TypeFactors,
    node_types: ArrayLike,
    senders: ArrayLike,
    receivers: ArrayLike,
    symmetric: bool,
) -> tuple[Array, Array]:
    """The types of receiver and sender of each pair, `[E]` each, after all checks."""
    factors = isinstance(table, TypeFactors)
    if factors and symmetric != (table.sender is None):
        raise ValueError(
            f"params do not fit symmetric={symmetric}: sender is {'given' if symmetric else 'None'}. "
            "Fix: pass the same symmetric= to init and to the bias."
        )
    num_types = (table.receiver if factors else table).shape[0]
    _checks.ids("node_types", node_types)
    _checks.ids_in_range("node_types", node_types, num_types, "types")
    _checks.ids("senders", senders)
    _checks.ids("receivers", receivers, senders.shape[0])
    for name, ids in (("senders", senders), ("receivers", receivers)):
        _checks.ids_in_range(name, ids, node_types.shape[0])
    types = jnp.asarray(node_types)
    return types[jnp.asarray(receivers)], types[jnp.asarray(senders)]
