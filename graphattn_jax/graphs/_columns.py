"""Columns of tables of any package, as numpy arrays that know where nothing stands."""

from __future__ import annotations

import datetime
import decimal
import importlib
import numbers
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from graphattn_jax import _checks
from graphattn_jax._tensors import as_numpy, is_tensor

__all__ = ["Column", "as_column", "as_table", "as_times", "column_times", "num_rows", "read_column"]


class Column(NamedTuple):
    """values `[N]`: booleans, numbers, text or dates; anything where null `[N]` is True."""

    values: np.ndarray
    null: np.ndarray


def as_table(what: str, table: Any) -> Any:
    """Something with columns by name, from something that may only be streamed."""
    if isinstance(table, Mapping):
        lengths = {name: len(x) for name, x in table.items()}
        if not lengths or len(set(lengths.values())) > 1:
            raise ValueError(f"{what} must be columns of one length, got {lengths}.")
        return table
    if hasattr(table, "column_names") or (hasattr(table, "columns") and hasattr(table, "to_numpy")):
        return table
    if hasattr(table, "__arrow_c_stream__"):
        try:
            pyarrow = importlib.import_module("pyarrow")
        except ImportError as error:
            raise ImportError(
                f"{what} is an Arrow stream, which pyarrow reads. Fix: pip install pyarrow, or a dict of columns."
            ) from error
        return pyarrow.table(table)
    raise ValueError(
        f"{what} must be a table of pandas, Polars or Arrow or a dict of columns, got {_checks.describe(table)}."
    )


def num_rows(table: Any) -> int:
    """Of a table from `as_table`."""
    if isinstance(table, Mapping):
        return len(next(iter(table.values())))
    return int(table.shape[0])


def read_column(what: str, table: Any, name: Any) -> Column:
    """A column of a table from `as_table`; `what` is the table."""
    if isinstance(table, Mapping):
        names = list(table)
    else:  # Arrow's `columns` are the columns themselves
        names = list(getattr(table, "column_names", table.columns))
    if name not in names:
        raise ValueError(
            f"{what} has no column {name!r}, only {', '.join(map(str, names))}.{_checks.nearest(name, names)}"
        )
    return as_column(f"column {name!r} of {what}", table[name])


def as_column(what: str, x: Any) -> Column:
    """Values of a column, an array or a list, and where there is none: None, NaN, NaT or another package's null."""
    null = None
    if is_tensor(x):
        x = as_numpy(what, x)
    if hasattr(x, "isna") or hasattr(x, "is_null"):  # of pandas; of Polars and Arrow
        null = np.asarray(x.isna() if hasattr(x, "isna") else x.is_null().to_numpy())
        kind = str(getattr(x, "dtype", getattr(x, "type", None))).lower()
        if null.any() and kind.startswith(("int", "uint")):
            # as floating point, large ids would lose their last digits
            x = x.fillna(0) if hasattr(x, "fillna") else x.fill_null(0)
    if getattr(getattr(x, "dtype", None), "tz", None) is not None:
        x = x.to_numpy(dtype="datetime64[us]")
    values = np.asarray(x.to_numpy() if hasattr(x, "to_numpy") else _listed(x))
    if values.ndim != 1:
        raise ValueError(f"{what} must be a vector, got shape {values.shape}.")
    if null is None and values.dtype == object:
        null = np.array([value is None or value != value for value in values], bool)
    if values.dtype == object:
        values = _of_objects(what, values, null)
    elif values.dtype.kind == "T":  # numpy's text of variable length
        values = values.astype(str)
    if values.dtype.kind not in "biufUM":
        raise ValueError(
            f"{what} must hold numbers, booleans, text or dates, got {_checks.describe(values)}."
        )
    if null is None:
        null = np.isnat(values) if values.dtype.kind == "M" else _nan(values)
    return Column(values, null)


def _listed(x: Any) -> Any:
    """A list keeps its None, and numbers beside text stay what they are."""
    return np.array(x, object) if isinstance(x, (list, tuple)) else x


def _nan(values: np.ndarray) -> np.ndarray:
    return np.isnan(values) if values.dtype.kind == "f" else np.zeros(len(values), bool)


def _of_objects(what: str, x: np.ndarray, null: Any) -> np.ndarray:
    """Objects of Python, all of one kind, as an array."""
    real = x[~null].tolist()
    dtypes = [d for kinds, d in _KINDS if all(isinstance(value, kinds) for value in real)]
    if not dtypes:
        names = sorted({type(value).__name__ for value in real})
        raise ValueError(
            f"{what} must hold values of one kind, numbers, booleans, text or dates, got {', '.join(names)}. "
            "Fix: one kind of values, such as text by .astype(str)."
        )
    dtype = dtypes[0]
    if dtype == "datetime64[us]":
        real = [_naive(value) for value in real]
    given = np.array(real, dtype)
    if given.dtype == object:
        raise ValueError(f"{what} holds a number that 64 bits do not hold.")
    values = np.zeros(len(x), given.dtype)
    values[~null] = given
    return values


_KINDS: tuple[tuple[Any, Any], ...] = (
    ((bool, np.bool_), bool),
    ((numbers.Integral, np.bool_), None),
    ((numbers.Real, decimal.Decimal), float),
    (str, str),
    ((datetime.date, np.datetime64), "datetime64[us]"),
)


def _naive(value: Any) -> Any:
    """A date and time in UTC, without its zone, which numpy does not keep."""
    if getattr(value, "tzinfo", None) is None:
        return value
    return value.astimezone(datetime.UTC).replace(tzinfo=None)


def as_times(what: str, x: Any) -> np.ndarray:
    """`[N]` int32: dates as seconds since 1970, whole numbers as they are."""
    return column_times(what, as_column(what, x))


def column_times(what: str, column: Column) -> np.ndarray:
    """The same of a column that is read."""
    values, null = column
    if null.any():
        row = int(np.flatnonzero(null)[0])
        raise ValueError(
            f"{what} has no time in row {row} and {int(null.sum())} in all. "
            "Fix: leave out these rows, or fill in when they became known."
        )
    if values.dtype.kind == "M":
        times = values.astype("datetime64[s]")
        if (times != values).any():
            raise ValueError(
                f"{what} holds fractions of seconds, such as {values[times != values][0]}, and times are whole "
                'seconds. Fix: .astype("datetime64[s]") to round down, or integers of another unit.'
            )
        values = times.astype(np.int64)
    elif len(values) and (values.dtype.kind not in "iuf" or (values != np.floor(values)).any()):
        raise ValueError(
            f"{what} must hold dates or whole numbers, got {_checks.describe(values)}."
        )
    limits = np.iinfo(np.int32)
    beyond = (values <= limits.min) | (values > limits.max)
    if beyond.any():
        raise ValueError(
            f"{what} holds {values[beyond][0]}, which int32 does not hold. "
            "Fix: a coarser unit, such as dates.astype('datetime64[D]').astype(int) for days."
        )
    return values.astype(np.int32)
