"""Learned vectors for categories."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax._dtypes import accumulation_dtype
from graphattn_jax.nn._initializers import Initializer, initializer
from graphattn_jax.typing import Array, ArrayLike, PRNGKey


class EmbeddingParams(NamedTuple):
    """A table `[K_c, D]` per column of categories."""

    tables: tuple[Array, ...]


def init_embedding(
    key: PRNGKey,
    num_categories: int | Sequence[int],
    width: int,
    *,
    init: str | Initializer = "glorot_uniform",
) -> EmbeddingParams:
    """Parameters of `embedding`, in float32.

    Args:
      key: from `jax.random.key`.
      num_categories: K, or one number per column, such as `ga.chem.ATOM_SIZES["ogb"]`.
      width: D, positive.
      init: how each table starts; see `initializer`. OGB's encoders use `"glorot_uniform"`,
        Graphormer `jax.nn.initializers.normal(0.02)`.

    Returns:
      `EmbeddingParams` with one table `[K_c, D]` per column.

    Raises:
      ValueError: no columns, a size that is not a positive integer, or an unknown `init`.

    Example:
      >>> import jax
      >>> import graphattn_jax as ga
      >>> bonds = ga.nn.init_embedding(jax.random.key(0), ga.chem.BOND_SIZES["ogb"], 16)
      >>> [table.shape for table in bonds.tables]
      [(5, 16), (6, 16), (2, 16)]
    """
    sizes = tuple(num_categories) if isinstance(num_categories, Sequence) else (num_categories,)
    if not sizes:
        raise ValueError("num_categories must name at least one column, got none.")
    for size in sizes:
        _checks.positive("num_categories", size)
    _checks.positive("width", width)
    _checks.typed_key("key", key)
    keys = jax.random.split(key, len(sizes))
    make = initializer(init)
    return EmbeddingParams(
        tuple(make(k, (size, width), jnp.float32) for k, size in zip(keys, sizes))
    )


def embedding(params: EmbeddingParams, ids: ArrayLike, *, name: str = "ids") -> Array:
    """The sum of a learned vector per column of categories.

        y_i = sum_c table_c[ids_ic]

    One gather per column: a gather of all columns at once makes `[N, F, D]`, and the product of a
    multi-hot matrix with the tables, whose gradient has no scatter, is no faster at the size of a
    batch of molecules and much slower for tables of hundreds of rows.

    Args:
      params: from `init_embedding`, with F tables.
      ids: `[N, F]` integers, column c in `[0, K_c)`; also `[N]` for a single table.
      name: what errors call them.

    Returns:
      `[N, D]` in the dtype of the tables.

    Raises:
      ValueError: `ids` are not integers, have another number of columns, or (outside `jit`) are out
        of range. Inside `jit` the row of such an id is NaN, which the train step reports.

    Cost: O(N F D).
    Padding: row by row.

    Example:
      >>> import jax.numpy as jnp
      >>> import graphattn_jax as ga
      >>> params = ga.nn.EmbeddingParams((jnp.array([[0.0], [1.0]]), jnp.array([[10.0], [20.0]])))
      >>> ga.nn.embedding(params, jnp.array([[0, 1], [1, 0]])).tolist()
      [[20.0], [11.0]]

    Source: sum over columns: the encoders of Hu et al., "Open Graph Benchmark", NeurIPS 2020,
      arXiv:2005.00687.
    """
    _checks.arrays_of(params, EmbeddingParams, "init_embedding")
    columns = _columns(name, ids, len(params.tables))
    for c, (table, column) in enumerate(zip(params.tables, columns)):
        _checks.ids_in_range(f"column {c} of {name}", column, table.shape[0], "categories")
    dtype = params.tables[0].dtype
    wide = (table.astype(accumulation_dtype(dtype)) for table in params.tables)
    rows = (table_rows(table, column) for table, column in zip(wide, columns))
    return sum(rows, start=next(rows)).astype(dtype)


def table_rows(table: ArrayLike, *ids: ArrayLike) -> Array:
    """Rows of a table, NaN for ids out of range.

    Where values are concrete the caller refuses such ids by name. Under `jit` nobody can, and the clipped id that JAX
    takes by default would be another category: training goes on, on something else than the data.

    Args:
      table: `[K, ..., D]` floating point.
      ids: integers `[N]`, one array for each of the leading axes that they choose from. -1 is out of range.

    Returns:
      `[N, ..., D]` in the dtype of the table.

    Cost: O(N D), no more than the gather.

    Example:
      >>> import jax.numpy as jnp, graphattn_jax as ga
      >>> ga.nn.table_rows(jnp.array([[1.0], [2.0]]), jnp.array([1, 2, -1])).ravel().tolist()
      [2.0, nan, nan]
    """
    table = jnp.asarray(table)
    rows = table.at[tuple(map(jnp.asarray, ids))]
    return rows.get(mode="fill", fill_value=jnp.nan, wrap_negative_indices=False)


def _columns(name: str, ids: ArrayLike, num_columns: int) -> list[Array]:
    _checks.integers(name, ids)
    if ids.ndim == 1:
        ids = ids[:, None]
    if ids.ndim != 2 or ids.shape[1] != num_columns:
        raise ValueError(
            f"{name} must have shape [N, {num_columns}] for these parameters, got {tuple(ids.shape)}. "
            "Fix: name the sizes of all columns in init_embedding."
        )
    ids = jnp.asarray(ids)
    return [ids[:, c] for c in range(num_columns)]
