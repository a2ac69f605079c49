"""Columns of a table as numbers and categories: fitted on some rows, a value, applied to any."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from graphattn_jax import _checks
from graphattn_jax.graphs._columns import Column, as_table, read_column

__all__ = [
    "Categorical",
    "ColumnEncoding",
    "Cyclic",
    "EncodedColumns",
    "Numeric",
    "fit_columns",
]


class EncodedColumns(NamedTuple):
    """What the rows of a table are as nodes; `ga.graphs.from_types` and `Table` take it.

    features: `[N, D]` float32, or None. categories: `[N, K]` int32, or None. vocabularies: the number of categories of
    each of the K columns.
    """

    features: np.ndarray | None
    categories: np.ndarray | None
    vocabularies: tuple[int, ...]

    @property
    def num_rows(self) -> int:
        """N."""
        return len(next(x for x in (self.features, self.categories) if x is not None))


@dataclass(frozen=True)
class Numeric:
    """Two features: (x − mean) / std, 0 where there is no x, and whether there is none."""

    mean: float
    std: float

    def __post_init__(self) -> None:
        for name in ("mean", "std"):
            value = getattr(self, name)
            if not _checks.is_number(value) or not np.isfinite(value):
                raise ValueError(f"{name} must be a finite number, got {value!r}.")

    @classmethod
    def fit(cls, what: str, column: Column) -> Numeric:
        """Mean and standard deviation of the known values; 1 for that of constants."""
        values, null = column
        if values.dtype.kind not in "biuf":
            raise ValueError(
                f'{what} must hold numbers to be "numeric", got {_checks.describe(values)}. '
                'Fix: "categorical", or "cyclic" for dates.'
            )
        known = values[~null].astype(np.float64)
        if not np.isfinite(known).all():
            raise ValueError(f"{what} holds infinity. Fix: NaN where a value is not known.")
        std = float(known.std()) if len(known) else 0.0
        return cls(float(known.mean()) if len(known) else 0.0, std or 1.0)

    def encode(self, what: str, column: Column) -> np.ndarray:
        """`[N, 2]`."""
        values, null = column
        if values.dtype.kind not in "biuf" and not null.all():
            raise ValueError(
                f"{what} must hold numbers, as the rows it was fitted on, got {_checks.describe(values)}."
            )
        known = np.where(null, self.mean, np.where(null, 0, values).astype(np.float64))
        return np.stack([(known - self.mean) / self.std, null], axis=1)


@dataclass(frozen=True)
class Categorical:
    """One column of ids: 1, 2, ... for the vocabulary, 0 for what is missing or not in it."""

    vocabulary: tuple[Any, ...]

    def __post_init__(self) -> None:
        _checks.instance("vocabulary", self.vocabulary, tuple, 'the values ("a", "b")')

    @classmethod
    def fit(cls, what: str, column: Column) -> Categorical:
        """The values that occur, ascending."""
        values, null = column
        if values.dtype.kind == "M":
            raise ValueError(f'{what} holds dates. Fix: "cyclic".')
        return cls(tuple(np.unique(values[~null]).tolist()))

    def encode(self, what: str, column: Column) -> np.ndarray:
        """`[N]`."""
        values, null = column
        ids = np.zeros(len(values), np.int32)
        if not self.vocabulary or null.all():
            return ids
        known = np.array(self.vocabulary)
        if (known.dtype.kind == "U") != (values.dtype.kind == "U"):
            raise ValueError(
                f"{what} holds {values.dtype}, and was fitted on values such as {self.vocabulary[0]!r}. "
                "Fix: the same kind of values."
            )
        position = np.minimum(np.searchsorted(known, values), len(known) - 1)
        found = (known[position] == values) & ~null
        return np.where(found, position + 1, 0).astype(np.int32)


@dataclass(frozen=True)
class Cyclic:
    """Seven features of a date: sine and cosine of the time of day, week and year, and whether there is none."""

    @classmethod
    def fit(cls, what: str, column: Column) -> Cyclic:
        """Nothing to learn, but that there are dates."""
        cls().encode(what, column)
        return cls()

    def encode(self, what: str, column: Column) -> np.ndarray:
        """`[N, 7]`."""
        values, null = column
        if values.dtype.kind != "M" and not null.all():
            raise ValueError(
                f'{what} must hold dates to be "cyclic", got {_checks.describe(values)}. '
                'Fix: .astype("datetime64[s]").'
            )
        dates = np.where(null, np.datetime64(0, "s"), values.astype("datetime64[s]"))
        seconds = dates.astype(np.int64)
        year = dates.astype("datetime64[Y]").astype(np.int64)
        start, end = (
            (year + n).astype("datetime64[Y]").astype("datetime64[s]").astype(np.int64)
            for n in (0, 1)
        )
        day = 24 * 3600
        parts = (
            seconds % day / day,
            (seconds + 3 * day) % (7 * day) / (7 * day),  # 1970 began on a Thursday
            (seconds - start) / (end - start),
        )
        waves = [f(2 * np.pi * part) for part in parts for f in (np.sin, np.cos)]
        return np.stack([*(np.where(null, 0, wave) for wave in waves), null], axis=1)


_KINDS = {"numeric": Numeric, "categorical": Categorical, "cyclic": Cyclic}


@dataclass(frozen=True)
class ColumnEncoding:
    """How columns of a table become features and categories: what `fit_columns` found.

    A value, to and from JSON by `ga.values`: keep it beside the network, for tables to come.

    Args:
      columns: pairs of the name of a column and `Numeric`, `Categorical` or `Cyclic`.

    Raises:
      ValueError: something else.

    Example:
      >>> import graphattn_jax as ga
      >>> encoding = ga.graphs.ColumnEncoding((("engine", ga.graphs.Categorical(("jet", "piston"))),))
      >>> encoding.encode({"engine": ["piston", "rocket", None]}).categories.tolist()
      [[2], [0], [0]]
    """

    columns: tuple[tuple[str, Numeric | Categorical | Cyclic], ...]

    def __post_init__(self) -> None:
        kinds = tuple(_KINDS.values())
        is_pairs = isinstance(self.columns, (tuple, list)) and all(
            isinstance(pair, (tuple, list)) and len(pair) == 2 for pair in self.columns
        )
        if (
            not is_pairs
            or not self.columns
            or not all(isinstance(k, kinds) for _, k in self.columns)
        ):
            raise ValueError(
                f"columns must be pairs of a name and Numeric, Categorical or Cyclic, got {self.columns!r}. "
                "Fix: ga.graphs.fit_columns(table, ...)."
            )

    def encode(self, table: Any) -> EncodedColumns:
        """The rows of a table as nodes.

        Args:
          table: with these columns; more are left alone.

        Returns:
          `EncodedColumns`: the features of numeric columns and dates side by side, in the order of `columns`.

        Raises:
          ValueError: a column that is not there or holds another kind of values.
        """
        table = as_table("table", table)
        features, categories, sizes = [], [], []
        for name, kind in self.columns:
            column = read_column("the table", table, name)
            encoded = kind.encode(f"column {name!r}", column)
            if isinstance(kind, Categorical):
                categories.append(encoded)
                sizes.append(len(kind.vocabulary) + 1)
            else:
                features.append(encoded.astype(np.float32))
        return EncodedColumns(
            np.concatenate(features, axis=1) if features else None,
            np.stack(categories, axis=1) if categories else None,
            tuple(sizes),
        )


def fit_columns(table: Any, columns: Mapping[str, str], *, where: Any = None) -> ColumnEncoding:
    """Find out how to encode columns, from the rows to learn from.

    Args:
      table: of pandas, Polars, Arrow, or a dict of columns.
      columns: by name "numeric" (mean and standard deviation), "categorical" (the vocabulary), or "cyclic" (dates).
      where: `[N]` bool, the rows to learn from; None = all. Others are not looked at.

    Returns:
      A `ColumnEncoding`. Rows with what did not occur become 0, and say so: an indicator beside numbers and dates, id 0
      of categories.

    Raises:
      ValueError: a column that is not there, values of another kind.

    Cost: O(N log N) per categorical column.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> planes = {"seats": [100, 200, 999], "engine": ["jet", "piston", "rocket"]}
      >>> encoding = ga.graphs.fit_columns(
      ...     planes, {"seats": "numeric", "engine": "categorical"}, where=np.array([True, True, False]))
      >>> dict(encoding.columns)["seats"]
      Numeric(mean=150.0, std=50.0)
      >>> encoding.encode(planes).categories.ravel().tolist()
      [1, 2, 0]

    Source: kinds of columns as in Hu et al., "PyTorch Frame", 2024, arXiv:2404.00776; the indicators are ours.
    """
    table, found = as_table("table", table), []
    for name, kind in columns.items():
        _checks.choice(f"the kind of column {name!r}", kind, _KINDS)
        what = f"column {name!r}"
        values, null = read_column("the table", table, name)
        if where is not None:
            _checks.mask("where", where, len(values))
            values, null = values[where], null[where]
        found.append((name, _KINDS[kind].fit(what, Column(values, null))))
    return ColumnEncoding(tuple(found))
