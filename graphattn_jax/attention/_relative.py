"""Relative positions of the two ends of an edge: symmetric biases, and Shaw's directional features."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax.typing import Array, ArrayLike, PRNGKey

__all__ = ["init_relative_bias", "relative_bias", "relative_buckets", "shaw_features"]


def relative_buckets(
    positions: ArrayLike,
    senders: ArrayLike,
    receivers: ArrayLike,
    *,
    max_distance: int,
    symmetric: bool = True,
) -> Array:
    """A bucket per edge from the difference of its ends' positions.

        symmetric     min(|p_i − p_j|, K)             in [0, K], equal on an edge and its reverse
        directional   clip(p_j − p_i, −K, K) + K      in [0, 2K], tells sender from receiver

    Args:
      positions: `[N]` integers: an order, a level, a degree class, a distance to a root.
      senders: `[E]` integers in `[0, N)`.
      receivers: `[E]` integers in `[0, N)`.
      max_distance: K ≥ 1.
      symmetric: which of the two.

    Returns:
      `[E]` int32.

    Raises:
      ValueError: positions that are not integers, K < 1.

    Cost: O(E).

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> p, s, r = np.array([0, 5]), np.array([0, 1]), np.array([1, 0])
      >>> ga.attention.relative_buckets(p, s, r, max_distance=2).tolist()
      [2, 2]
      >>> ga.attention.relative_buckets(p, s, r, max_distance=2, symmetric=False).tolist()
      [0, 4]

    Source: Shaw, Uszkoreit, Vaswani, "Self-Attention with Relative Position Representations", NAACL 2018,
      arXiv:1803.02155, equation 3, for the directional form.
    """
    _checks.ids("positions", positions)
    _checks.ids("senders", senders)
    _checks.ids("receivers", receivers, senders.shape[0])
    _checks.positive("max_distance", max_distance)
    positions = jnp.asarray(positions).astype(jnp.int32)
    difference = positions[jnp.asarray(senders)] - positions[jnp.asarray(receivers)]
    if symmetric:
        return jnp.minimum(jnp.abs(difference), max_distance)
    return jnp.clip(difference, -max_distance, max_distance) + max_distance


def init_relative_bias(key: PRNGKey, num_buckets: int, heads: int) -> Array:
    """A table for `relative_bias`, normal with standard deviation 0.02.

    Args:
      key: typed PRNG key.
      num_buckets: rows: K + 1 for symmetric buckets, 2K + 1 for directional ones.
      heads: H.

    Returns:
      `[num_buckets, H]` float32.

    Raises:
      ValueError: sizes that are not positive integers.

    Example:
      >>> import jax, graphattn_jax as ga
      >>> ga.attention.init_relative_bias(jax.random.key(0), 5, 4).shape
      (5, 4)
    """
    _checks.positive("num_buckets", num_buckets)
    _checks.positive("heads", heads)
    return 0.02 * jax.random.normal(key, (num_buckets, heads), jnp.float32)


def relative_bias(table: ArrayLike, buckets: ArrayLike) -> Array:
    """A learned scalar per bucket and head, to pass as `bias=` to any layer.

        b_ij = table[ bucket(i, j) ]

    Symmetric buckets (`relative_buckets`, shortest-path distances, common neighbours) give a symmetric
    bias; it leaves a symmetric score symmetric, and does not make any other score so.

    Args:
      table: `[num_buckets, H]`, from `init_relative_bias`.
      buckets: `[E]` integers in `[0, num_buckets)`.

    Returns:
      `[E, H]` in the dtype of the table.

    Raises:
      ValueError: buckets that are not integers, or (outside `jit`) out of range.

    Cost: O(E H).

    Example:
      >>> import jax.numpy as jnp, graphattn_jax as ga
      >>> ga.attention.relative_bias(jnp.array([[1.], [2.]]), jnp.array([1, 0, 1])).ravel().tolist()
      [2.0, 1.0, 2.0]

    Source: the scalar form of Shaw et al. 2018; b_φ(i,j) of Ying et al., "Graphormer", NeurIPS 2021, equation 6.
    """
    _checks.shape("table", table, ("K", "H"))
    _checks.ids("buckets", buckets)
    _checks.ids_in_range("buckets", buckets, table.shape[0], "buckets")
    return jnp.asarray(table)[jnp.asarray(buckets)]


def shaw_features(
    positions: ArrayLike, senders: ArrayLike, receivers: ArrayLike, *, max_distance: int
) -> Array:
    """Directional relative positions as one-hot edge features.

    A `graph_transformer` with these as edge features is Shaw's attention,

        e_ij = x_i W_q (x_j W_k + a^K_{j−i})ᵀ / √C,    z_i = Σ_j α_ij (x_j W_v + a^V_{j−i})

    with the rows of its `edge_key` and `edge_value` as a^K and a^V. It is asymmetric by design, even for a table with
    a_{j−i} = a_{i−j}: the term (x_i W_q) · a depends on the receiver only.

    Args:
      positions: `[N]` integers.
      senders: `[E]` integers in `[0, N)`.
      receivers: `[E]` integers in `[0, N)`.
      max_distance: K ≥ 1; differences are clipped to [−K, K].

    Returns:
      `[E, 2K + 1]` float32.

    Raises:
      ValueError: as `relative_buckets`.

    Cost: O(E K).

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> p, s, r = np.array([0, 1]), np.array([0, 1]), np.array([1, 0])
      >>> ga.attention.shaw_features(p, s, r, max_distance=1).tolist()
      [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]

    Source: Shaw et al. 2018, equations 3 and 4.
    """
    buckets = relative_buckets(
        positions, senders, receivers, max_distance=max_distance, symmetric=False
    )
    return jax.nn.one_hot(buckets, 2 * max_distance + 1, dtype=jnp.float32)
