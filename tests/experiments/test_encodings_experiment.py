"""The encodings experiment: every encoding by shapes, and some end to end on small sizes."""

import json
from dataclasses import replace

import jax
import numpy as np
import pytest
import scipy.sparse.csgraph
from rich.console import Console

import graphattn_jax as ga
from experiments._report import table
from experiments.encodings import __main__ as command
from experiments.encodings import cost, report, tasks
from experiments.encodings.encoders import COSTS, ENCODINGS
from experiments.encodings.quality import RunConfig, build_row, make_batches
from experiments.encodings.tasks import PROTOCOLS

pytest.importorskip("matplotlib")


@pytest.fixture
def small(monkeypatch):
    """The spectrum task with 20 graphs, a narrow network and one seed."""
    monkeypatch.setattr(command, "load_task", lambda name: tasks.spectrum(num_graphs=20))
    layer = replace(PROTOCOLS["spectrum"].layer, heads=2)
    protocol = tasks.Protocol(8, 1, 1e-2, 2, 1, seeds=1, layer=layer)
    monkeypatch.setitem(PROTOCOLS, "spectrum", protocol)


def run(encodings, folder):
    """The quality table."""
    options = command.Options(("quality",), ("spectrum",), encodings, out=folder)
    command.main(options, Console(quiet=True))
    assert (folder / "quality.png").stat().st_size > 10_000
    return (folder / "quality.md").read_text()


def test_a_node_and_a_pair_encoding_are_compared(small, tmp_path):
    text = run(("laplacian", "distance"), tmp_path)
    for name in ("laplacian", "distance"):
        assert f"| {ENCODINGS[name].label} |" in text
        result = json.loads(
            (tmp_path / "quality" / f"spectrum-{name}-0" / "result.json").read_text()
        )
        assert result["test"] > 0 and result["config"]["encoding"] == name
    assert run(("laplacian", "distance"), tmp_path) == text


@pytest.mark.experiment
def test_every_encoding_is_trained(small, tmp_path):
    text = run(tuple(ENCODINGS), tmp_path)
    for encoding in ENCODINGS.values():
        assert f"| {encoding.label} |" in text
    assert len(list((tmp_path / "quality").iterdir())) == len(ENCODINGS)


@pytest.mark.parametrize("name", ENCODINGS)
def test_every_encoding_fits_its_network(name):
    """Shapes only, on the graphs of one task with the protocols of all."""
    task = tasks.spectrum(num_graphs=10)
    for protocol in PROTOCOLS.values():
        config = RunConfig("spectrum", name, 0, replace(protocol, pool=protocol.pool or "mean"))
        row = build_row(config, task)
        batch = make_batches(task, row.graphs, task.folds[0][0], None)[0]
        state = jax.eval_shape(lambda row=row: row.model.init(0))
        _, metrics = jax.eval_shape(row.model.train_step, state, batch)
        assert metrics["loss"].shape == ()
        outputs = jax.eval_shape(row.model.predict, batch, state.params)
        assert outputs.shape == batch.targets.shape


def test_large_graphs_leave_out_what_needs_all_pairs():
    configs = command.grid(("csl", "wordnet"), ("degree", "rrwp"), steps=3)
    assert [c.name for c in configs if c.task == "wordnet"] == ["wordnet-degree-0"]
    assert len(configs) == 2 * PROTOCOLS["csl"].seeds + 1
    assert {c.protocol.steps for c in configs} == {3}


def test_a_task_on_nodes_has_one_batch_of_all():
    graph = cost.small_world(30)._replace(nodes=np.ones((30, 1), np.float32))
    labels = np.arange(30) % 3
    task = tasks.Task(
        [graph], ((np.arange(10), np.arange(10, 20), np.arange(20, 30)),), 3, "accuracy", labels
    )
    config = RunConfig("wordnet", "rwse", 0, replace(PROTOCOLS["wordnet"], width=8))
    row = build_row(config, task)
    (batch,) = make_batches(task, row.graphs, task.folds[0][1], None)
    assert np.flatnonzero(batch.where).tolist() == list(range(10, 20))
    state = jax.eval_shape(lambda: row.model.init(0))
    assert jax.eval_shape(row.model.predict, batch, state.params).shape == (30, 3)


@pytest.mark.parametrize(
    "name",
    ["degree", *(pytest.param(n, marks=pytest.mark.experiment) for n in COSTS if n != "degree")],
)
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


@pytest.mark.experiment
def test_a_cost_is_measured_in_a_process_and_a_failure_is_kept(tmp_path, monkeypatch):
    measured = cost.run_process("degree", "100", tmp_path)
    assert measured["seconds"] > 0
    monkeypatch.setattr(cost, "TIME_LIMIT", 0.01)
    failed = cost.run_process("degree", "200", tmp_path)
    assert "more than 0.01 s" in failed["failure"]
    assert json.loads((tmp_path / "cost-degree-200.json").read_text()) == failed
    text = table(report.cost_rows([measured, failed]))
    assert "| degree |" in text and "–" in text
    report.plot_cost([measured, failed], tmp_path / "cost.png")
    assert (tmp_path / "cost.png").stat().st_size > 10_000


def test_the_spectral_targets_are_those_of_known_graphs():
    triangle = 1 - np.eye(3)
    gap, heat, trees = tasks._spectral_targets(triangle)
    np.testing.assert_allclose(gap, 1.5)
    np.testing.assert_allclose(heat, (1 + 2 * np.exp(-3)) / 3)
    np.testing.assert_allclose(trees, np.log(3) / 3)


def test_the_small_world_graph_is_undirected_and_connected():
    graph = cost.small_world(500)
    matrix = ga.graphs.to_scipy_sparse(graph)
    assert ga.graphs.is_undirected(graph)
    assert scipy.sparse.csgraph.connected_components(matrix)[0] == 1
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
        command.Options(**change)
