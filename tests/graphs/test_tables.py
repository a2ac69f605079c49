"""Tables as typed graphs: joins, times, what packages hand over, and what is said of keys that do not fit."""

import datetime

import numpy as np
import pytest

from graphattn_jax import graphs
from graphattn_jax.graphs import ALWAYS, Table

FLIGHTS = {
    "id": [10, 11, 12, 13],
    "plane": ["N2", None, "N1", "N2"],
    "from": ["JFK", "LGA", "JFK", "JFK"],
    "to": ["LGA", "JFK", "LGA", "LGA"],
    "when": np.array(["2013-01-01", "2013-01-02", "2013-01-02", "2013-01-03"], "datetime64[D]"),
}
TABLES = {
    "flights": Table(
        FLIGHTS, key="id", foreign={"plane": "planes", "from": "ports", "to": "ports"}, time="when"
    ),
    "planes": Table({"tail": ["N1", "N2"], "seats": [100, 200]}, key="tail"),
    "ports": Table({"faa": ["JFK", "LGA"]}, key="faa"),
}


def ends(graph, name):
    """(sender, receiver) of the edges of a relation, counted within their types."""
    mask = graph.edges.relation == graphs.schema_of(graph).relation_id(name)
    index = graph.nodes.index
    return list(zip(index[graph.senders[mask]].tolist(), index[graph.receivers[mask]].tolist()))


def joined(child, parent, column="ref", key="id", **options):
    """The edges of a foreign key between two tables of one column each."""
    tables = {
        "child": Table({column: child}, foreign={column: "parent"}),
        "parent": Table({key: parent}, key=key),
    }
    return ends(graphs.from_tables(tables, **options), column)


def test_rows_are_nodes_and_foreign_keys_are_relations():
    graph = graphs.from_tables(TABLES)
    schema = graphs.schema_of(graph)
    assert schema.types == ("flights", "planes", "ports")
    assert schema.relations[:3] == (
        ("flights", "plane", "planes"),
        ("flights", "from", "ports"),
        ("flights", "to", "ports"),
    )
    assert schema.reverses == (3, 4, 5, 0, 1, 2)
    assert ends(graph, "plane") == [(0, 1), (2, 0), (3, 1)]
    assert ends(graph, "rev_plane") == [(1, 0), (0, 2), (1, 3)]
    assert ends(graph, "from") == [(0, 0), (1, 1), (2, 0), (3, 0)]
    day = 24 * 3600
    first = 15706 * day
    times = [first, first + day, first + day, first + 2 * day, *[ALWAYS] * 4]
    assert graph.nodes.time.tolist() == times and graph.nodes.time.dtype == np.int32
    assert graph.nodes.features is None and graph.nodes.counts == (4, 2, 2)
    one_way = graphs.from_tables(TABLES, reverse=False)
    assert len(graphs.schema_of(one_way).relations) == 3
    graphs.prepare(graph)


def test_a_snapshot_is_a_subgraph_of_what_was_known():
    graph = graphs.from_tables(TABLES)
    until = np.datetime64("2013-01-02", "s").astype(int)
    part = graphs.subgraph(graph, graph.nodes.time <= until)
    assert part.nodes.index.tolist() == [0, 1, 2, 0, 1, 0, 1] and part.nodes.counts == (4, 2, 2)
    assert ends(part, "plane") == [(0, 1), (2, 0)]


def test_self_references_link_tables_and_keys_of_several_columns():
    people = Table({"id": [1, 2, 3], "boss": [None, 1, 1]}, key="id", foreign={"boss": "people"})
    assert ends(graphs.from_tables({"people": people}), "boss") == [(1, 0), (2, 0)]
    wrote = Table({"who": [1, 3, 3], "what": [0, 0, 1]}, foreign={"who": "people", "what": "books"})
    books = Table({"id": [0, 1]}, key="id")
    graph = graphs.from_tables({"people": people, "wrote": wrote, "books": books})
    assert ends(graph, "who") == [(0, 0), (1, 2), (2, 2)]
    assert ends(graph, "what") == [(0, 0), (1, 0), (2, 1)]
    weather = Table({"at": ["JFK", "JFK", "LGA"], "hour": [5, 6, 5]}, key=("at", "hour"))
    flights = Table(
        {"from": ["LGA", "JFK", "JFK", None], "hour": [5, 6, None, 5]},
        foreign={("from", "hour"): "weather"},
    )
    graph = graphs.from_tables({"flights": flights, "weather": weather})
    assert ends(graph, "from_hour") == [(0, 2), (1, 1)]


def test_random_joins_of_two_columns_are_those_of_a_dictionary():
    rng = np.random.default_rng(0)
    pairs = rng.permutation(np.stack(np.meshgrid(np.arange(9), np.arange(7)), -1).reshape(-1, 2))
    key, child = pairs[:40], pairs[rng.integers(63, size=200)]
    where = {tuple(pair): i for i, pair in enumerate(key.tolist())}
    want = [(i, where[tuple(p)]) for i, p in enumerate(child.tolist()) if tuple(p) in where]
    tables = {
        "c": Table(
            {"a": child[:, 0].astype(str), "b": child[:, 1] + 0.0}, foreign={("a", "b"): "p"}
        ),
        "p": Table({"a": key[:, 0].astype(str), "b": key[:, 1]}, key=("a", "b")),
    }
    assert ends(graphs.from_tables(tables, missing="drop"), "a_b") == want


@pytest.mark.parametrize(
    "child, parent",
    [
        ([2, None, 1], [1, 2]),
        (np.array([2.0, np.nan, 1.0]), np.array([1, 2])),  # as a join leaves ids
        (np.array([2, -1, 1], np.int8), np.array([1, 2, 255], np.uint64)),
        ([2**60 + 1, None, 2**60], [2**60, 2**60 + 1]),
        (["b", None, "a"], np.array(["a", "b"])),
        (np.array(["2013-01-02", "NaT", "2013-01-01"], "datetime64[D]"),
         np.array(["2013-01-01", "2013-01-02"], "datetime64[ns]")),
        ([datetime.date(2013, 1, 2), None, datetime.date(2013, 1, 1)],
         np.array(["2013-01-01", "2013-01-02"], "datetime64[D]")),
        ([True, None, False], [False, True]),
    ],
)  # fmt: skip
def test_keys_of_several_kinds(child, parent):
    assert joined(child, parent, missing="drop") == [(0, 1), (2, 0)]


def test_no_rows_no_edges_and_rows_without_any():
    assert joined([], [1, 2]) == []
    assert joined([None, None], [1, 2]) == []
    assert joined([], []) == []
    times = Table({"id": [], "t": []}, key="id", time="t")
    child = Table({"ref": [None], "t": [3]}, foreign={"ref": "p"}, time="t")
    graph = graphs.from_tables({"p": times, "c": child})
    assert graph.nodes.time.tolist() == [3] and graph.nodes.counts == (0, 1)


def test_features_come_from_an_encoding_or_as_they_are():
    planes = TABLES["planes"].columns
    encoding = graphs.fit_columns(planes, {"seats": "numeric"})
    names = ("features", "categories", "widths", "vocabularies")
    for features in (encoding, encoding.encode(planes), encoding.encode(planes).features):
        tables = TABLES | {"planes": Table(planes, key="tail", features=features)}
        graph = graphs.from_tables(tables)
        got = [getattr(graph.nodes, name) for name in names]
        assert got[0].tolist() == [[0, 0]] * 4 + [[-1, 0], [1, 0]] + [[0, 0]] * 2
        assert got[1:] == [None, (0, 2, 0), ()]


def typed_columns():
    """The same columns in each of the packages, with nulls."""
    noon = datetime.datetime(2013, 1, 1, 12)
    return {
        "id": [2**60, 2**60 + 1, 2**60 + 2],
        "boss": [None, 2**60, 2**60 + 1],
        "name": ["a", None, "b"],
        "flag": [True, None, False],
        "size": [1.5, None, 2.0],
        "when": [noon, noon, noon],
    }


@pytest.mark.parametrize("package", ["dict", "pandas", "polars", "pyarrow", "stream"])
def test_tables_of_packages(package):
    columns = typed_columns()
    if package == "pandas":
        pandas = pytest.importorskip("pandas")
        boss = pandas.array(columns["boss"], dtype="Int64")
        zone = pandas.to_datetime(columns["when"]).tz_localize("UTC").tz_convert("America/New_York")
        columns = pandas.DataFrame(columns | {"boss": boss, "when": zone})
    elif package == "polars":
        columns = pytest.importorskip("polars").DataFrame(columns)
    elif package in ("pyarrow", "stream"):
        table = pytest.importorskip("pyarrow").table(columns)
        columns = table if package == "pyarrow" else Stream(table)
    people = Table(columns, key="id", foreign={"boss": "people"}, time="when")
    graph = graphs.from_tables({"people": people}, reverse=False)
    assert (graph.senders.tolist(), graph.receivers.tolist()) == ([1, 2], [0, 1])
    assert graph.nodes.time.tolist() == [1357041600] * 3
    kinds = {"name": "categorical", "flag": "categorical", "size": "numeric", "when": "cyclic"}
    encoded = graphs.fit_columns(columns, kinds).encode(columns)
    assert encoded.categories.tolist() == [[1, 2], [0, 0], [2, 1]]
    np.testing.assert_allclose(encoded.features[:, :2], [[-1, 0], [0, 1], [1, 0]], atol=1e-6)


class Stream:
    """A table that can only be streamed."""

    def __init__(self, table):
        self.table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self.table.__arrow_c_stream__(requested_schema)


class Nulls:
    """A column of Polars or Arrow, which makes floating point of integers with nulls."""

    def __init__(self, values, dtype):
        self.values, self.dtype = values, dtype

    def is_null(self):
        return Nulls([x is None for x in self.values], "bool")

    def fill_null(self, value):
        return Nulls([value if x is None else x for x in self.values], self.dtype)

    def to_numpy(self):
        lacks = None in self.values and self.dtype == "Int64"
        return np.array([np.nan if x is None else x for x in self.values] if lacks else self.values)

    def __len__(self):
        return len(self.values)


def test_large_ids_beside_nulls_keep_their_last_digits():
    assert joined(Nulls([2**60 + 1, None], "Int64"), [2**60, 2**60 + 1]) == [(0, 1)]


DAYS = np.array(["2013-01-01", "NaT"], "datetime64[D]")


@pytest.mark.parametrize(
    "child, parent, message",
    [
        ({"ref": [1, 7]}, {"id": [1, 2]},
         r"the foreign key 'ref' of table 'child' is 7 in row 1, and no row of table 'parent' has this key; 1 rows"),
        ({"ref": [1]}, {"id": [1, 2, 1]},
         "the key 'id' of table 'parent' must name each row once, got 1 in rows 0 and 2"),
        ({"ref": [1]}, {"id": [1, None]}, "the key 'id' of table 'parent' is null in row 1"),
        ({"ref": ["1"]}, {"id": [1]}, "'ref' of table 'child' holds <U1, and the key 'id' of table 'parent' int64"),
        ({"ref": [1.5]}, {"id": [1]}, "'ref' of table 'child' holds 1.5 .float64., which int64 does not hold"),
        ({"ref": [1, "a"]}, {"id": [1]}, "column 'ref' of table 'child' must hold values of one kind.* int, str"),
        ({"reff": [1]}, {"id": [1]}, "table 'child' has no column 'ref', only reff. Fix: 'reff'"),
        ({"ref": [1], "x": [1, 2]}, {"id": [1]}, "table 'child' must be columns of one length"),
        ({"ref": [[1]]}, {"id": [1]}, "column 'ref' of table 'child' must be a vector"),
        (3, {"id": [1]}, "table 'child' must be a table of pandas, Polars or Arrow or a dict of columns, got int 3"),
    ],
)  # fmt: skip
def test_keys_that_do_not_fit_are_said(child, parent, message):
    tables = {
        "child": Table(child, foreign={"ref": "parent"}),
        "parent": Table(parent, key="id"),
    }
    with pytest.raises(ValueError, match=message):
        graphs.from_tables(tables)


@pytest.mark.parametrize(
    "time, message",
    [
        (DAYS, "time column 't' of table 'child' has no time in row 1 and 1 in all"),
        ([1, 2**31], "holds 2147483648, which int32 does not hold. Fix: a coarser unit"),
        ([1.5, 2], "must hold dates or whole numbers"),
        (["a", "b"], "must hold dates or whole numbers"),
        (np.array([1500, 1500], "datetime64[ms]"), "holds fractions of seconds"),
        (DAYS[[0, 0]], r"got dates in \['child'\] and numbers in \['parent'\]"),
    ],
)
def test_times_that_do_not_fit_are_said(time, message):
    tables = {
        "child": Table({"ref": [1, 1], "t": time}, foreign={"ref": "parent"}, time="t"),
        "parent": Table({"id": [1], "t": [1]}, key="id", time="t"),
    }
    with pytest.raises(ValueError, match=message):
        graphs.from_tables(tables)


def test_tables_that_do_not_fit_are_said():
    child, parent = Table({"ref": [1]}, foreign={"ref": "parent"}), Table({"id": [1]}, key="id")
    for tables, message in (
        ({"child": child}, "the table of the foreign key 'ref' of table 'child' must be one of"),
        ({"child": child, "parent": Table({"id": [1]})}, "refers to table 'parent', which has no key"),
        ({"parent": parent}, "tables must have a foreign key"),
        ({"child": child, "parent": {"id": [1]}}, "tables must be a dict of ga.graphs.Table"),
        ({"child": child, "parent": Table({"a": [1], "b": [2]}, key=("a", "b"))}, "has 1 columns, and .* 2"),
        ({"child": child, "parent": Table({"id": [1]}, "id", features=np.ones((2, 1)))}, "1 rows, got 2"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            graphs.from_tables(tables)
    with pytest.raises(ValueError, match="missing must be one of 'error', 'drop'"):
        graphs.from_tables({"child": child, "parent": parent}, missing="ignore")
