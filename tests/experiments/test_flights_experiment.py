"""The experiment on flights, on a few made up ones."""

import numpy as np
import pytest
from rich.console import Console

import graphattn_jax as ga
from experiments.heterogeneous.flights import __main__ as command
from experiments.heterogeneous.flights.joined import join, latest
from experiments.heterogeneous.flights.rows import Sizes, fanouts, problem

pytest.importorskip("matplotlib")
pytest.importorskip("sklearn")


def flights(count=300):
    """Planes whose delays stay what they are, each an hour after the one before; arrivals are known at once."""
    rng = np.random.default_rng(0)
    ids, plane, port = np.arange(count), rng.integers(6, size=count), rng.integers(3, size=count)
    delay = (20.0 * (plane % 3) - 10 + rng.normal(size=count)).astype(np.float32)
    own = {"id": ids, "plane": plane, "origin": port, "dest": port[::-1], "time": ids * 3600}
    past = {"flight": ids, "plane": plane, "origin": port, "dest": port[::-1], "delay": delay}
    past["time"] = ids * 3600 + 1800
    Table = ga.graphs.Table
    numbers = ga.graphs.fit_columns(past, {"delay": "numeric"})
    planes = {"id": np.arange(6), "seats": np.arange(6), "engine": ["jet", "piston"] * 3}
    kinds = {"seats": "numeric", "engine": "categorical"}
    tables = {
        "flights": Table(
            own | {"distance": rng.random(count)},
            key="id",
            foreign={"plane": "planes", "origin": "airports", "dest": "airports"},
            time="time",
            features=ga.graphs.fit_columns(own, {"time": "numeric"}),
        ),
        "planes": Table(planes, key="id", features=ga.graphs.fit_columns(planes, kinds)),
        "airports": Table({"id": np.arange(3)}, key="id"),
    }
    for name, end in (("departures", "origin"), ("arrivals", "dest")):
        foreign = {"flight": "flights", "plane": "planes", end: "airports"}
        tables[name] = Table(past, None, foreign, "time", numbers)
    parts = (ids < 200, (ids >= 200) & (ids < 250), ids >= 250)
    graph = ga.graphs.from_tables(tables)
    split = ga.data.Split(*parts)
    return ga.data.TableDataset("flights", tables, graph, delay, (split,), "mean absolute error")


def test_recent_values_are_those_of_a_loop():
    rng = np.random.default_rng(1)
    of, when, value = rng.integers(4, size=50), rng.integers(99, size=50), rng.normal(size=50)
    ask, asked = rng.integers(-1, 5, size=80), rng.integers(-5, 120, size=80)
    mean, ago = latest(of, when, value, ask, asked, last=3)
    for i, (parent, time) in enumerate(zip(ask, asked)):
        there = np.flatnonzero((of == parent) & (when <= time))
        there = there[np.argsort(when[there], kind="stable")]
        if parent < 0 or not len(there):
            assert np.isnan(mean[i]) and np.isnan(ago[i])
            continue
        assert mean[i] == pytest.approx(value[there[-3:]].mean())
        assert ago[i] == pytest.approx((time - when[there[-1]]) / 60)


def test_the_joined_table():
    data = flights()
    x, is_category = join(data, history=False)
    # two numbers of its own and two of the plane; the plane, its engine, origin and destination as categories
    assert x.shape == (300, 8) and is_category.tolist() == [False] * 4 + [True] * 4
    assert [len(np.unique(column)) for column in x[:, 4:].T] == [6, 2, 3, 3]
    recent, _ = join(data, history=True)
    assert recent.shape == (300, 8 + 4 * 2 * 2)
    plane = np.asarray(data.tables["flights"].columns["plane"])
    last = recent[:, 4]  # the last delay of a departure of the same plane
    seen = [np.flatnonzero(plane[:i] == plane[i]) for i in range(300)]
    want = [data.targets[rows[-1]] if len(rows) else np.nan for rows in seen]
    np.testing.assert_allclose(last, want, rtol=1e-5)


def test_neighbours_are_of_what_a_flight_refers_to():
    schema = flights().graph.nodes.schema
    (first,) = fanouts(schema, history=False)
    assert {source for source, _, _ in first} == {"planes", "airports"}
    _, second = fanouts(schema, history=True)
    assert {target for _, _, target in second} == {"planes", "airports"}


@pytest.mark.experiment
def test_a_run_and_its_table(tmp_path, monkeypatch):
    monkeypatch.setattr(ga.data, "load", lambda name: flights())
    sizes = Sizes(train=150, test=40, batch=32, steps=40)
    assert len(problem(flights(), sizes).train) == 150
    options = command.Options(
        rows=("median", "trees_history", "hgt_history"), seeds=1, sizes=sizes, out=tmp_path, cache=None
    )  # fmt: skip
    median, trees, hgt = command.main(options, Console(quiet=True))
    assert trees["test"] < median["test"] / 2 and hgt["test"] < median["test"] / 2
    assert "gradient boosting" in (tmp_path / "table.md").read_text()
    with pytest.raises(SystemExit, match="--rows: nobody is not one of"):
        command.Options(rows=("nobody",))
