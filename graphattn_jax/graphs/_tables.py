"""Tables with primary and foreign keys as a typed graph, in which each node becomes known at its time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphattn_jax import _checks
from graphattn_jax.graphs._column_encoding import ColumnEncoding, EncodedColumns
from graphattn_jax.graphs._columns import Column, as_table, column_times, num_rows, read_column
from graphattn_jax.graphs._features import exact_cast
from graphattn_jax.graphs._from_types import from_types
from graphattn_jax.graphs._types import GraphsTuple

__all__ = ["Table", "from_tables"]

Names = str | tuple[str, ...]
"""A column, or the columns of a key of several."""


@dataclass(frozen=True, eq=False)
class Table:
    """One table of a database, for `from_tables`.

    Args:
      columns: a table of pandas, Polars or Arrow, or a dict of columns, each an array or a list.
      key: the column, or the tuple of columns, whose values name a row; None for a table that none refers to.
      foreign: by column, or tuple of columns, the table whose `key` its values are.
      time: the column that says when a row became known: dates, or whole numbers; None = always.
      features: `ColumnEncoding`, which is applied to the columns, or what it gives; or `[N, D]` floating point; None =
        no features.

    Example:
      >>> import graphattn_jax as ga
      >>> ga.graphs.Table({"id": ["N1", "N2"], "seats": [100, 180]}, key="id").key
      'id'
    """

    columns: Any
    key: Names | None = None
    foreign: Mapping[Names, str] = field(default_factory=dict)
    time: str | None = None
    features: Any = None


def from_tables(
    tables: Mapping[str, Table], *, reverse: bool = True, missing: str = "error"
) -> GraphsTuple:
    """A typed graph of the rows of tables, joined by their keys.

    Every row is a node whose type is the table: row i of table t is the node of this type with `nodes.index` i. Every
    foreign key is a relation (table, column, table it refers to), of several columns their names joined by "_". A row
    has an edge for each foreign key, none where it is null.

    Args:
      tables: by name, in the order of types.
      reverse: add to each relation its reverse, `rev_` before the name.
      missing: what a foreign key without its row is: "error", or "drop" for no edge.

    Returns:
      A `GraphsTuple` with `TypedNodes`, whose `time` is that of the rows where a table has any, and `TypedEdges`.

    Raises:
      ValueError: a table or column that is not there, a primary key that occurs twice or is null, a foreign key without
        its row or of another kind of values, a row without time, dates in one table and numbers in another; the message
    names table, column and value.

    Cost: O(N log N) per key.

    Example:
      >>> import graphattn_jax as ga
      >>> tables = {
      ...     "flights": ga.graphs.Table(
      ...         {"plane": ["N2", None, "N1"], "hour": [5, 6, 6]}, foreign={"plane": "planes"}, time="hour"),
      ...     "planes": ga.graphs.Table({"id": ["N1", "N2"]}, key="id")}
      >>> graph = ga.graphs.from_tables(tables)
      >>> ga.graphs.schema_of(graph).relations
      (('flights', 'plane', 'planes'), ('planes', 'rev_plane', 'flights'))
      >>> graph.senders.tolist(), graph.receivers.tolist(), graph.nodes.time.tolist()
      ([0, 2, 4, 3], [4, 3, 0, 2], [5, 6, 6, -2147483648, -2147483648])

    Source: Fey et al., "Relational Deep Learning", 2023, arXiv:2312.04615, section 3.
    """
    _checks.choice("missing", missing, ("error", "drop"))
    if not isinstance(tables, Mapping) or not all(isinstance(t, Table) for t in tables.values()):
        raise ValueError(
            f"tables must be a dict of ga.graphs.Table by name, got {_checks.describe(tables)}."
        )
    read = {name: as_table(f"table {name!r}", table.columns) for name, table in tables.items()}
    keys = {
        name: _primary_key(name, read[name], table.key)
        for name, table in tables.items()
        if table.key is not None
    }
    edges = {}
    for name, table in tables.items():
        for columns, parent in table.foreign.items():
            what = f"the foreign key {_shown(columns)} of table {name!r}"
            _checks.choice(f"the table of {what}", parent, tables)
            if parent not in keys:
                raise ValueError(
                    f"{what} refers to table {parent!r}, which has no key. Fix: Table(..., key=...)."
                )
            foreign = _read(name, read[name], columns)
            key_name = f"the key {_shown(tables[parent].key)} of table {parent!r}"
            found = _rows(what, foreign, key_name, keys[parent])
            null = np.any([x.null for x in foreign], axis=0)
            lost = np.flatnonzero((found < 0) & ~null)
            if len(lost) and missing == "error":
                value = tuple(x.values[lost[0]].item() for x in foreign)
                raise ValueError(
                    f"{what} is {_shown(value)} in row {lost[0]}, and no row of table {parent!r} has this key; "
                    f'{len(lost)} rows in all. Fix: add the rows, or missing="drop" for no edges.'
                )
            children = np.flatnonzero((found >= 0) & ~null)
            edges[name, "_".join(_names(columns)), parent] = children, found[children]
    if not edges:
        raise ValueError(
            'tables must have a foreign key. Fix: Table(columns, foreign={"plane": "planes"}).'
        )
    return from_types(
        {name: _nodes(name, read[name], table.features) for name, table in tables.items()},
        edges,
        node_time=_times(tables, read),
        reverse=reverse,
    )


def _names(columns: Names) -> tuple[str, ...]:
    return columns if isinstance(columns, tuple) else (columns,)


def _shown(parts: Any) -> str:
    """A key as its user writes it: of one column without parentheses."""
    return repr(parts[0] if isinstance(parts, tuple) and len(parts) == 1 else parts)


def _read(table: str, columns: Any, names: Names) -> list[Column]:
    return [read_column(f"table {table!r}", columns, name) for name in _names(names)]


def _primary_key(table: str, columns: Any, names: Names) -> list[Column]:
    """The columns of a key that names each row once."""
    what, key = f"the key {_shown(names)} of table {table!r}", _read(table, columns, names)
    null = np.any([x.null for x in key], axis=0)
    if null.any():
        raise ValueError(
            f"{what} is null in row {np.flatnonzero(null)[0]}. Fix: leave out the row, or name it."
        )
    order = np.lexsort([x.values for x in key])
    same = np.all([x.values[order[1:]] == x.values[order[:-1]] for x in key], axis=0)
    if same.any():
        first, second = sorted(order[np.flatnonzero(same)[0] :][:2].tolist())
        value = tuple(x.values[first].item() for x in key)
        raise ValueError(
            f"{what} must name each row once, got {_shown(value)} in rows {first} and {second}. "
            "Fix: leave out one, or a key of several columns."
        )
    return key


def _rows(what: str, foreign: list[Column], key_name: str, key: list[Column]) -> np.ndarray:
    """`[N]`, the row that each foreign key names, -1 where there is none; anything where it is null."""
    if len(foreign) != len(key):
        raise ValueError(
            f"{what} has {len(foreign)} columns, and {key_name} {len(key)}. Fix: as many, in the same order."
        )
    num_rows = len(foreign[0].values)
    codes = np.zeros(num_rows + len(key[0].values), np.int64)
    for own, other in zip(foreign, key, strict=True):
        values = np.concatenate(_comparable(what, own, key_name, other))
        ids = np.unique(values, return_inverse=True)[1]
        codes = np.unique(codes * (len(codes) + 1) + ids, return_inverse=True)[1]
    row_of = np.full(len(codes), -1)
    row_of[codes[num_rows:]] = np.arange(len(codes) - num_rows)
    return row_of[codes[:num_rows]]


def _comparable(what: str, own: Column, key_name: str, other: Column) -> list[np.ndarray]:
    """Both as text, dates or int64: a join makes floating point of numbers that are not everywhere."""
    kinds = [
        "number" if x.values.dtype.kind in "biuf" else x.values.dtype.kind
        for x in (own, other)
        if not x.null.all()
    ]
    if len(set(kinds)) > 1:
        raise ValueError(
            f"{what} holds {own.values.dtype}, and {key_name} {other.values.dtype}. "
            "Fix: the same kind of values, such as text by .astype(str)."
        )
    if "number" not in kinds:
        return [own.values, other.values] if kinds else [x.null for x in (own, other)]
    return [
        exact_cast(name, np.where(x.null, 0, x.values), np.dtype(np.int64))
        for name, x in ((what, own), (key_name, other))
    ]


def _nodes(table: str, columns: Any, given: Any) -> Any:
    """The rows of a table as `from_types` takes them."""
    if isinstance(given, ColumnEncoding):
        return given.encode(columns)
    count = num_rows(columns)
    if given is None:
        return count
    rows = given.num_rows if isinstance(given, EncodedColumns) else len(given)
    if rows != count:
        raise ValueError(
            f"features of table {table!r} must have a row for each of its {count} rows, got {rows}."
        )
    return given


def _times(tables: Mapping[str, Table], read: Mapping[str, Any]) -> dict[str, np.ndarray] | None:
    """When rows became known, by the tables that say so, which count in one unit."""
    columns = {
        name: _read(name, read[name], table.time)[0]
        for name, table in tables.items()
        if table.time is not None
    }
    times = {
        name: column_times(f"time column {tables[name].time!r} of table {name!r}", column)
        for name, column in columns.items()
    }
    are_dates = {name: x.values.dtype.kind == "M" for name, x in columns.items() if len(x.values)}
    if len(set(are_dates.values())) > 1:
        raise ValueError(
            "times must be dates in all tables or whole numbers in all, got dates in "
            f"{[name for name, dates in are_dates.items() if dates]} and numbers in "
            f"{[name for name, dates in are_dates.items() if not dates]}."
        )
    return times or None
