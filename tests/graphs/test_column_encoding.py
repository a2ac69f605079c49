"""Columns as features and categories: closed forms, no leakage, keeping."""

import json

import numpy as np
import pytest

from graphattn_jax import graphs, values
from graphattn_jax.graphs import Categorical, ColumnEncoding, Cyclic, Numeric

DATES = np.array(["2013-01-07T06:00", "NaT", "2013-07-02T12:00"], "datetime64[m]")  # a Monday
TABLE = {
    "seats": [100.0, None, 200.0],
    "engine": ["jet", None, "piston"],
    "engines": np.array([2, 1, 2]),
    "when": DATES,
}
KINDS = {"seats": "numeric", "engine": "categorical", "engines": "categorical", "when": "cyclic"}


def test_closed_forms():
    encoding = graphs.fit_columns(TABLE, KINDS)
    features, categories, sizes = encoding.encode(TABLE)
    assert features.shape == (3, 9) and features.dtype == np.float32 and sizes == (3, 3)
    assert features[:, :2].tolist() == [[-1, 0], [0, 1], [1, 0]]
    assert categories.tolist() == [[1, 2], [0, 1], [2, 2]] and categories.dtype == np.int32
    monday, none, summer = features[:, 2:]
    np.testing.assert_allclose(monday[:2], [1, 0], atol=1e-6)  # a quarter of a day
    week = 2 * np.pi * 0.25 / 7
    np.testing.assert_allclose(monday[2:4], [np.sin(week), np.cos(week)], atol=1e-6)
    assert none.tolist() == [0] * 6 + [1]
    np.testing.assert_allclose(summer[:2], [0, -1], atol=1e-6)
    np.testing.assert_allclose(summer[4:6], [0, -1], atol=1e-6)  # the middle of the year


def test_only_the_rows_to_learn_from_count():
    """Whatever else the other rows hold, the encoding is the same, and what is new to it says so."""
    where = np.array([True, True, False])
    encoding = graphs.fit_columns(TABLE, KINDS, where=where)
    other = TABLE | {"seats": [100.0, None, 1e9], "engine": ["jet", None, "?"]}
    assert graphs.fit_columns(other, KINDS, where=where) == encoding
    assert dict(encoding.columns)["seats"] == Numeric(100.0, 1.0)
    assert encoding.encode(TABLE).categories[:, 0].tolist() == [1, 0, 0]
    alone = {name: x[2:] for name, x in TABLE.items()}
    for whole, part in zip(encoding.encode(TABLE)[:2], encoding.encode(alone)[:2]):
        np.testing.assert_array_equal(whole[2:], part)


def test_to_json_and_back():
    encoding = graphs.fit_columns(TABLE, KINDS)
    again = values.from_json(json.loads(json.dumps(values.to_json(encoding))))
    assert again == encoding and isinstance(again, ColumnEncoding) and hash(again) == hash(encoding)


def test_columns_without_values():
    nothing = {"a": [None, None], "b": [None, None], "c": [None, None]}
    kinds = {"a": "numeric", "b": "categorical", "c": "cyclic"}
    features, categories, sizes = graphs.fit_columns(nothing, kinds).encode(nothing)
    assert features.tolist() == [[0, 1, 0, 0, 0, 0, 0, 0, 1]] * 2
    assert categories.tolist() == [[0], [0]] and sizes == (1,)
    empty = {name: [] for name in kinds}
    features, categories, _ = graphs.fit_columns(nothing, kinds).encode(empty)
    assert features.shape == (0, 9) and categories.shape == (0, 1)


@pytest.mark.parametrize(
    "column, kind, message",
    [
        (["a", "b"], "numeric", "column 'x' must hold numbers to be \"numeric\", got <U1"),
        ([1.0, np.inf], "numeric", "column 'x' holds infinity"),
        (DATES[:2], "categorical", 'column \'x\' holds dates. Fix: "cyclic"'),
        ([1, 2], "cyclic", 'column \'x\' must hold dates to be "cyclic"'),
        ([1, 2], "text", "the kind of column 'x' must be one of 'numeric', 'categorical', 'cyclic'"),
    ],
)  # fmt: skip
def test_kinds_that_do_not_fit_are_said(column, kind, message):
    with pytest.raises(ValueError, match=message):
        graphs.fit_columns({"x": column}, {"x": kind})


def test_other_tables_than_it_was_fitted_on_are_refused():
    encoding = graphs.fit_columns(TABLE, KINDS)
    with pytest.raises(ValueError, match="the table has no column 'seats'"):
        encoding.encode({"seat": [1]})
    with pytest.raises(ValueError, match="was fitted on values such as 'jet'"):
        encoding.encode(TABLE | {"engine": [1, 2, 3]})
    with pytest.raises(ValueError, match="must hold numbers, as the rows it was fitted on"):
        encoding.encode(TABLE | {"seats": ["1", "2", "3"]})
    with pytest.raises(ValueError, match="where must be boolean"):
        graphs.fit_columns(TABLE, KINDS, where=np.array([0, 1]))
    with pytest.raises(ValueError, match="columns must be pairs of a name and Numeric"):
        ColumnEncoding(())
    assert Categorical(("a",)) != Categorical(("b",)) and Cyclic() == Cyclic()
