"""The encodings experiment end to end on small sizes."""

import json

import numpy as np
import pytest
from rich.console import Console

import graphattn_jax as ga
from experiments.encodings import __main__ as main
from experiments.encodings import cost, report, tasks
from experiments.encodings.encoders import COSTS, ENCODINGS


@pytest.fixture
def small(monkeypatch):
    """The spectrum task with 20 graphs and one seed."""
    monkeypatch.setattr(main, "load_task", lambda name: tasks.spectrum(num_graphs=20))
    protocol = tasks.Protocol(8, 2, 1, 1e-2, 2, 1, seeds=1)
    monkeypatch.setattr(main, "PROTOCOLS", {"spectrum": protocol})


def test_quality_of_every_encoding_runs_and_resumes(small, tmp_path):
    options = main.Options(parts=("quality",), tasks=("spectrum",), out=tmp_path)
    console = Console(quiet=True)
    main.main(options, console)
    table = (tmp_path / "quality.md").read_text()
    for encoding in ENCODINGS.values():
        assert f"| {encoding.label} |" in table
    assert (tmp_path / "quality.png").stat().st_size > 10_000
    stored = sorted((tmp_path / "quality").iterdir())
    assert len(stored) == len(ENCODINGS)
    times = [path.stat().st_mtime_ns for path in stored]
    main.main(options, console)
    assert [path.stat().st_mtime_ns for path in stored] == times
    assert (tmp_path / "quality.md").read_text() == table


@pytest.mark.parametrize("name", COSTS)
def test_every_cost_can_be_measured(name):
    measured = cost.measure(name, "100")
    assert measured["num_nodes"] == 100
    assert measured["seconds"] > 0
    if measured["error"] is not None:
        assert 0 <= measured["error"] < 0.5


def test_an_encoding_of_connected_graphs_refuses_others(monkeypatch):
    two = ga.graphs.batch([cost.small_world(20)] * 2)
    monkeypatch.setattr(cost, "load_graph", lambda name: two)
    with pytest.raises(
        ValueError, match="subspace is for connected graphs, twins has 2 components"
    ):
        cost.measure("subspace", "twins")
    assert cost.measure("degree", "twins")["num_nodes"] == 40


def test_a_cost_is_measured_in_a_process_and_a_failure_is_kept(tmp_path, monkeypatch):
    measured = cost.run_process("degree", "100", tmp_path)
    assert measured["seconds"] > 0
    monkeypatch.setattr(cost, "TIME_LIMIT", 0.01)
    failed = cost.run_process("degree", "200", tmp_path)
    assert "more than 0.01 s" in failed["failure"]
    assert json.loads((tmp_path / "cost-degree-200.json").read_text()) == failed
    table = report.cost_table([measured, failed])
    assert "| degree |" in table and "–" in table
    report.plot_cost([measured, failed], tmp_path / "cost.png")
    assert (tmp_path / "cost.png").stat().st_size > 10_000


def test_the_spectral_targets_are_those_of_known_graphs():
    triangle = 1 - np.eye(3)
    gap, heat, trees = tasks._spectral_targets(triangle)
    np.testing.assert_allclose(gap, 1.5)
    np.testing.assert_allclose(heat, (1 + 2 * np.exp(-3)) / 3)
    np.testing.assert_allclose(trees, np.log(3) / 3)


def test_the_small_world_graph_is_undirected_and_connected():
    from graphattn_jax.encodings._adjacency import adjacency
    from graphattn_jax.encodings._components import components

    graph = cost.small_world(500)
    matrix = adjacency(graph, "test")
    assert len(components(matrix).sizes) == 1
    assert matrix.diagonal().sum() == 0
    assert 7 < len(graph.senders) / 500 <= 8


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tasks": ("mnist",)}, "--tasks: mnist is not one of"),
        ({"encodings": ("magic",)}, "--encodings: magic is not one of"),
        ({"graphs": ("karate",)}, "--graphs: karate is not one of"),
        ({"parts": ("speed",)}, "--parts: speed is not one of"),
    ],
)
def test_unknown_names_are_rejected_before_any_work(change, message):
    with pytest.raises(SystemExit, match=message):
        main.Options(**change)
