"""Sums over all pairs of rows of a group whose weights are dot products: linear in the rows, as no pair is formed."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from graphattn_jax import _checks
from graphattn_jax._dtypes import wide
from graphattn_jax.ops._blocks import Blocks, from_blocks, to_blocks
from graphattn_jax.ops._groups import row_block_size
from graphattn_jax.typing import Array, ArrayLike

__all__ = ["group_apply", "group_outer", "kernel_sum", "linear_attention"]


def kernel_sum(
    query: ArrayLike,
    key: ArrayLike,
    value: ArrayLike,
    sizes: ArrayLike,
    *,
    where: ArrayLike | None = None,
    implementation: str | None = None,
) -> Array:
    """The sum of all values of a group, weighted by dot products with their keys.

        out_i = Σ_j (q_i · k_j) v_j = (Σ_j v_j k_jᵀ) q_i

    with j over the rows of i's group, i among them: one matrix per group in the place of all pairs.

    Args:
      query: `[N, H, M]` floating point.
      key: `[N, H, M]`.
      value: `[N, H, C]`.
      sizes: `[G]` integers that sum to N: how many rows each group has, which stand one group after the other;
        `graph.n_node` for the graphs of a batch.
      where: `[N]` bool; rows with False give nothing and get 0. None = all.
      implementation: "xla", a product per block of rows of a group; "reference", every pair, which has a forward mode
        and is for small inputs; None = "xla".

    Returns:
      `[N, H, C]` in the dtype of `value`, accumulated in float32.

    Raises:
      ValueError: shapes, sizes that do not sum to N, unknown implementation.

    Cost: O(N H M C) time, O(N H (M + C) + G H M C) memory. "reference" takes O(N² H (M + C)) time, O(N² H C) memory.
    Padding: exact with `where`, whatever the other rows hold.

    Example:
      >>> import jax.numpy as jnp, graphattn_jax as ga
      >>> one, v = jnp.ones((3, 1, 1)), jnp.array([1.0, 2.0, 4.0])[:, None, None]
      >>> ga.ops.kernel_sum(one, one, v, jnp.array([2, 1])).ravel().tolist()
      [3.0, 3.0, 4.0]

    Source: Katharopoulos et al., "Transformers are RNNs: Fast Autoregressive Transformers with Linear Attention",
      ICML 2020, arXiv:2006.16236, equations 4 to 6.
    """
    arrays = {"query": query, "key": key, "value": value}
    (q, k, v), sizes = _checked(arrays, sizes, where, implementation)
    return _sums(q, k, v, sizes, plain=implementation == "reference").astype(value.dtype)


def linear_attention(
    query: ArrayLike,
    key: ArrayLike,
    value: ArrayLike,
    sizes: ArrayLike,
    *,
    where: ArrayLike | None = None,
    implementation: str | None = None,
) -> Array:
    """Attention whose weights are dot products of features, among all rows of a group.

        out_i = Σ_j (q_i · k_j) v_j / Σ_j q_i · k_j

    With features φ(q), φ(k) ≥ 0 the weights are positive and sum to one.

    Args:
      query: features of the receivers, `[N, H, M]` floating point.
      key: features of the senders, `[N, H, M]`.
      value, sizes, where, implementation: as `kernel_sum`.

    Returns:
      `[N, H, C]` in the dtype of `value`, accumulated in float32; 0 where the weights sum to 0.

    Raises:
      ValueError: as `kernel_sum`.

    Cost: that of `kernel_sum` with one more column of values.
    Padding: exact with `where`.

    Example:
      >>> import jax.numpy as jnp, graphattn_jax as ga
      >>> one, v = jnp.ones((3, 1, 1)), jnp.array([1.0, 2.0, 4.0])[:, None, None]
      >>> ga.ops.linear_attention(one, one, v, jnp.array([2, 1])).ravel().tolist()
      [1.5, 1.5, 4.0]

    Source: Katharopoulos et al., ICML 2020, arXiv:2006.16236, equation 4.
    """
    arrays = {"query": query, "key": key, "value": value}
    (q, k, v), sizes = _checked(arrays, sizes, where, implementation)
    counted = jnp.concatenate([v, jnp.ones((*v.shape[:2], 1), v.dtype)], axis=-1)
    sums = _sums(q, k, counted, sizes, plain=implementation == "reference")
    out, total = sums[..., :-1], sums[..., -1:]
    return jnp.where(total == 0, 0, out / jnp.where(total == 0, 1, total)).astype(value.dtype)


def group_outer(
    key: ArrayLike,
    value: ArrayLike,
    sizes: ArrayLike,
    *,
    where: ArrayLike | None = None,
    implementation: str | None = None,
) -> Array:
    """The sum of outer products over the rows of each group: what they hold, by their shares.

        S_g = Σ_{j in g} k_j v_jᵀ

    Args:
      key: `[N, H, M]` floating point.
      value: `[N, H, C]`.
      sizes, where, implementation: as `kernel_sum`.

    Returns:
      `[G, H, M, C]` in the dtype of `value`, accumulated in float32.

    Raises:
      ValueError: as `kernel_sum`.

    Cost: O(N H M C) time, O(N H (M + C) + G H M C) memory; "reference" keeps the outer products, O(N H M C).
    Padding: exact with `where`.

    Example:
      >>> import jax.numpy as jnp, graphattn_jax as ga
      >>> one, v = jnp.ones((3, 1, 1)), jnp.array([1.0, 2.0, 4.0])[:, None, None]
      >>> ga.ops.group_outer(one, v, jnp.array([2, 1])).ravel().tolist()
      [3.0, 4.0]

    Source: Katharopoulos et al., ICML 2020, arXiv:2006.16236, equation 6.
    """
    (k, v), sizes = _checked({"key": key, "value": value}, sizes, where, implementation)
    return _outer(k, v, sizes, plain=implementation == "reference").astype(value.dtype)


def group_apply(
    query: ArrayLike,
    matrices: ArrayLike,
    sizes: ArrayLike,
    *,
    implementation: str | None = None,
) -> Array:
    """Each row times the matrix of its group, the other half of `kernel_sum`.

        out_i = S_gᵀ q_i    for the group g of i

    Args:
      query: `[N, H, M]` floating point.
      matrices: `[G, H, M, C]`, as `group_outer` gives them.
      sizes, implementation: as `kernel_sum`.

    Returns:
      `[N, H, C]` in the dtype of `matrices`, accumulated in float32.

    Raises:
      ValueError: as `kernel_sum`.

    Cost: O(N H M C) time, O(N H (M + C) + G H M C) memory; "reference" keeps a matrix per row.
    Padding: rows are independent of each other.

    Example:
      >>> import jax.numpy as jnp, graphattn_jax as ga
      >>> q, s = jnp.ones((3, 1, 1)), jnp.array([3.0, 4.0])[:, None, None, None]
      >>> ga.ops.group_apply(q, s, jnp.array([2, 1])).ravel().tolist()
      [3.0, 3.0, 4.0]

    Source: Katharopoulos et al., ICML 2020, arXiv:2006.16236, equation 6.
    """
    (q,), sizes = _checked({"query": query}, sizes, None, implementation)
    _checks.shape("matrices", matrices, (sizes.shape[0], *query.shape[1:], "C"))
    plain = implementation == "reference"
    return _apply(q, wide(matrices), sizes, plain=plain).astype(matrices.dtype)


def _checked(arrays, sizes, where, implementation):
    """In the precision of sums, with 0 in the rows that take no part."""
    _checks.choice("implementation", implementation, (None, "xla", "reference"))
    num_rows, heads, features = np.shape(next(iter(arrays.values())))
    for name, x in arrays.items():
        last = "C" if name == "value" else features
        _checks.shape(name, x, (num_rows, heads, last))
        _checks.floating(name, x)
    _checks.ids("sizes", sizes)
    if not isinstance(sizes, Tracer) and int(np.sum(sizes)) != num_rows:
        raise ValueError(
            f"sizes must sum to {num_rows}, the number of rows, got {int(np.sum(sizes))}. Fix: graph.n_node."
        )
    rows = tuple(wide(x) for x in arrays.values())
    if where is not None:
        _checks.mask("where", where, num_rows)
        real = jnp.asarray(where)[:, None, None]
        rows = tuple(jnp.where(real, x, 0) for x in rows)
    return rows, jnp.asarray(sizes)


def _sums(query: Array, key: Array, value: Array, sizes: Array, *, plain: bool) -> Array:
    if plain:
        return _all_pairs(query, key, value, sizes)
    return _apply(query, _outer(key, value, sizes, plain=False), sizes, plain=False)


def _outer(key: Array, value: Array, sizes: Array, *, plain: bool) -> Array:
    num_rows, num_groups = key.shape[0], sizes.shape[0]
    if plain or num_rows == 0:
        products, group = key[..., None] * value[:, :, None], _group_ids(sizes, num_rows)
        return jax.ops.segment_sum(products, group, num_groups)
    if num_groups == 1:
        return jnp.einsum("nhm,nhc->hmc", key, value)[None]
    blocks, group = _row_blocks(sizes, num_rows)
    products = jnp.einsum("bnhm,bnhc->bhmc", to_blocks(key, blocks), to_blocks(value, blocks))
    return jax.ops.segment_sum(products, group, num_groups, indices_are_sorted=True)


def _apply(query: Array, matrices: Array, sizes: Array, *, plain: bool) -> Array:
    num_rows = query.shape[0]
    if plain or num_rows == 0:
        return jnp.einsum("nhm,nhmc->nhc", query, matrices[_group_ids(sizes, num_rows)])
    if sizes.shape[0] == 1:
        return jnp.einsum("nhm,hmc->nhc", query, matrices[0])
    blocks, group = _row_blocks(sizes, num_rows)
    # Blocks without rows are of no group: they get 0, not the last matrix, which may not be finite.
    of_block = matrices.at[group].get(mode="fill", fill_value=0)
    return from_blocks(jnp.einsum("bnhm,bhmc->bnhc", to_blocks(query, blocks), of_block), blocks)


def _all_pairs(query: Array, key: Array, value: Array, sizes: Array) -> Array:
    ids = _group_ids(sizes, query.shape[0])
    weights = jnp.einsum("ihm,jhm->ijh", query, key)
    pairs = weights[..., None] * value[None]
    return jnp.sum(jnp.where((ids[:, None] == ids[None, :])[..., None, None], pairs, 0), axis=1)


def _group_ids(sizes: Array, num_rows: int) -> Array:
    return jnp.searchsorted(jnp.cumsum(sizes), jnp.arange(num_rows, dtype=sizes.dtype), "right")


def _row_blocks(sizes: Array, num_rows: int) -> tuple[Blocks, Array]:
    """Blocks of rows of one group each, as many as N and G may need, and the group of each, G where it has no rows."""
    num_groups, n = sizes.shape[0], row_block_size(num_rows, sizes.shape[0])
    num_blocks = num_rows // n + num_groups
    sizes = sizes.astype(jnp.int32)
    blocks_of = -(-sizes // n)
    last, end = jnp.cumsum(blocks_of), jnp.cumsum(sizes)
    first, start = last - blocks_of, end - sizes
    block, row = (jnp.arange(count, dtype=jnp.int32) for count in (num_blocks, num_rows))
    group = jnp.searchsorted(last, block, "right")
    own = jnp.minimum(group, num_groups - 1)
    place = (block - first[own])[:, None] * n + jnp.arange(n, dtype=jnp.int32)[None]
    filled = (place < sizes[own][:, None]) & (group < num_groups)[:, None]
    node = jnp.where(filled, start[own][:, None] + place, num_rows)
    ids = _group_ids(sizes, num_rows)
    return Blocks(node, first[ids] * n + row - start[ids]), group
