"""A bias per pair from the types of its two nodes and the distance between them."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax.encodings.learned._type_bias import (
    STANDARD_DEVIATION,
    TypeFactors,
    init_factors,
    multiplied,
    pair_types,
)
from graphattn_jax.nn import table_rows
from graphattn_jax.typing import Array, ArrayLike, PRNGKey


class TypeDistanceBiasParams(NamedTuple):
    """`table` `[T, T, K, H]`, by type of the receiver, type of the sender and bucket; or its factors."""

    table: Array | TypeFactors


def init_type_distance_bias(
    key: PRNGKey,
    num_types: int,
    num_buckets: int,
    heads: int,
    *,
    rank: int | None = None,
    symmetric: bool = False,
) -> TypeDistanceBiasParams:
    """Parameters of `type_distance_bias`: biases with standard deviation 0.02.

    Args:
      key: typed PRNG key.
      num_types: T.
      num_buckets: K, as `distance_buckets(max_distance).count`.
      heads: H.
      rank: R, the rank of the factorised form: (2 T + K) H R numbers instead of T² K H. None = a full table.
      symmetric: as in `type_distance_bias`; both ends then share their factors.

    Returns:
      `TypeDistanceBiasParams` in float32. The factorised form starts with the same bias in all buckets.

    Raises:
      ValueError: sizes that are not positive integers.

    Example:
      >>> import jax, graphattn_jax as ga
      >>> ga.encodings.init_type_distance_bias(jax.random.key(0), 3, 9, 8).table.shape
      (3, 3, 9, 8)
    """
    _checks.positive("num_types", num_types)
    _checks.positive("num_buckets", num_buckets)
    _checks.positive("heads", heads)
    if rank is None:
        shape = (num_types, num_types, num_buckets, heads)
        return TypeDistanceBiasParams(
            STANDARD_DEVIATION * jax.random.normal(key, shape, jnp.float32)
        )
    return TypeDistanceBiasParams(
        init_factors(key, num_types, (num_buckets, heads, rank), symmetric)
    )


def type_distance_bias(
    params: TypeDistanceBiasParams,
    node_types: ArrayLike,
    senders: ArrayLike,
    receivers: ArrayLike,
    buckets: ArrayLike,
    *,
    symmetric: bool = False,
) -> Array:
    """A distance bias of its own for each pair of types, to pass as `bias=` to any layer.

        b_ij = b^{τ(i) τ(j)}_{φ(i,j)}                       i the receiver, j the sender
        b_ij = Σ_r s_{φ(i,j),r} u_{τ(i),r} v_{τ(j),r}       factorised, for many types

    With one type this is `attention.relative_bias`, with one bucket `type_bias`. Symmetric, the bias is the
    same for a pair and its reverse where the bucket is: b^{ab} = ½ (b^{ab} + b^{ba}), or u = v.

    Args:
      params: from `init_type_distance_bias`; the form is that of the parameters.
      node_types: `[N]` integers in `[0, T)`.
      senders: `[E]` integers in `[0, N)`.
      receivers: `[E]` integers in `[0, N)`.
      buckets: `[E]` integers in `[0, K)`, such as `shortest_path_distances`.
      symmetric: as in `init_type_distance_bias`.

    Returns:
      `[E, H]` in the dtype of the parameters.

    Raises:
      ValueError: parameters made with another `symmetric`, ids that are not integers, or (outside `jit`) out of range.

    Cost: O(E H), factorised O(E H R).

    Padding: row by row; padding pairs get the bias of their types and bucket.

    Example:
      >>> import jax, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1, 1, 2], [1, 0, 2, 1])
      >>> pairs = ga.graphs.all_pairs(graph)
      >>> distances = ga.encodings.shortest_path_distances(graph, 2, pattern=pairs)
      >>> params = ga.encodings.init_type_distance_bias(
      ...     jax.random.key(0), 2, ga.encodings.distance_buckets(2).count, 4)
      >>> ga.encodings.type_distance_bias(
      ...     params, jax.numpy.array([0, 1, 0]), pairs.senders, pairs.receivers, distances).shape
      (9, 4)

    Source: this library's: b_φ of Ying et al. (Graphormer, NeurIPS 2021, arXiv:2106.05234, equation 6), by types.
    """
    table = params.table
    to, fro = pair_types(table, node_types, senders, receivers, symmetric)
    size = table.scale.shape[0] if isinstance(table, TypeFactors) else table.shape[2]
    _checks.ids("buckets", buckets, to.shape[0])
    _checks.ids_in_range("buckets", buckets, size, "buckets")
    if isinstance(table, TypeFactors):
        return multiplied(table, to, fro, table_rows(table.scale, buckets))
    there = table_rows(table, to, fro, buckets)
    return (there + table_rows(table, fro, to, buckets)) / 2 if symmetric else there
