"""The symmetry experiment: every row of its table by shapes, and two rows end to end."""

import json
from functools import cache

import jax
import numpy as np
import pytest
from rich.console import Console

import graphattn_jax as ga
from experiments.symmetry.__main__ import Options, main
from experiments.symmetry.configs import (
    DEFAULT_TREATMENTS,
    LABELS,
    LAYERS,
    PROTOCOLS,
    TREATMENTS,
    RunConfig,
    Training,
    grid,
    residual,
)
from experiments.symmetry.report import rows, summarize
from experiments.symmetry.train import build_row, load_problem, make_batch

pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")

digits = cache(lambda: load_problem("digits", PROTOCOLS["digits"]))


def two_classes():
    """The digits as a task of two classes, which are scored by ROC-AUC."""
    labels = np.asarray(digits().labels % 2, np.int32)
    return digits()._replace(labels=labels, num_classes=2, metric="roc_auc")


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    out = tmp_path_factory.mktemp("symmetry")
    return Options("digits", ("gat",), ("standard", "post_hoc"), seeds=2, steps=3, out=out)


@pytest.fixture(scope="module")
def summary(options):
    return main(options, Console(quiet=True))


def test_report_is_written_and_says_what_each_treatment_does(options, summary):
    folder = options.out / "digits"
    standard, post_hoc = summary
    assert (standard["treatment"], post_hoc["treatment"]) == ("standard", "post_hoc")
    assert standard["error"] > 0.1
    assert post_hoc["error"] < 1e-6
    assert standard["row_sum_error"] < 1e-5 < post_hoc["row_sum_error"]
    assert 0.1 < standard["test_score"] <= 1
    assert (folder / "table.md").read_text().count("\n") == 4
    for picture in ("symmetry_error.png", "attention.png"):
        assert (folder / picture).stat().st_size > 10_000


def test_every_run_keeps_its_record(options, summary):
    folder = options.out / "digits" / "gat-standard-1"
    settings = json.loads((folder / "config.json").read_text())
    config = ga.values.from_json(settings, types=[RunConfig, Training])
    assert config == grid("digits", 64, 10, treatments=("standard",), seeds=2, steps=3)[1]
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [2, 3]
    with np.load(folder / "attention.npz") as stored:
        assert stored["before"].shape == stored["after"].shape == (digits().pairs.shape[0], 8)


@pytest.mark.parametrize("dataset", PROTOCOLS)
@pytest.mark.parametrize("layer", LAYERS)
def test_every_row_of_the_table_fits_the_data(dataset, layer):
    """Shapes only; forward for all treatments, a step and a measurement for the first."""
    problem = two_classes() if "minesweeper" in dataset else digits()
    sizes = problem.in_features, problem.out_features
    first, *others = grid(dataset, *sizes, layers=(layer,), treatments=tuple(TREATMENTS), seeds=1)
    row = build_row(first.network, first.training, problem.metric)
    batch = make_batch(problem, first.network, first.seed)
    state = jax.eval_shape(lambda: row.model.init(0))
    _, metrics = jax.eval_shape(row.model.train_step, state, batch)
    assert metrics["loss"].shape == ()
    record, weights = jax.eval_shape(row.evaluate, state.params, batch)
    assert {"val_score", "val_loss", "test_score", "error"} <= record.keys()
    assert weights.shape[0] == problem.pairs.shape[0]
    if dataset in ("digits", "minesweeper"):  # the others differ from these in sizes
        assert len(others) == len(TREATMENTS) - 1
        for config in others:
            assert predicted(config.network, problem).shape == (1797, problem.out_features)


def predicted(network, problem):
    """In training."""
    graph = make_batch(problem, network, 0).graph

    def predict(graph):
        params, state = network.init(jax.random.key(0))
        return network.apply(params, state, graph, training=True, key=jax.random.key(1)).prediction

    return jax.eval_shape(predict, graph)


def test_every_treatment_has_a_name_and_some_are_the_default():
    assert set(LABELS) == set(TREATMENTS)
    assert set(DEFAULT_TREATMENTS) < set(TREATMENTS)


def test_summary_is_mean_and_deviation_over_seeds():
    run_of = {"layer": "gat", "treatment": "standard"}
    fields = ("error", "off_diagonal_error", "diagonal_mass", "row_sum_error", "step_seconds")
    results = [
        {"config": run_of, "test_score": score, **dict.fromkeys(fields, 0.25)}
        for score in (0.8, 0.9)
    ]
    (entry,) = summarize(results)
    assert entry["test_score"] == pytest.approx(0.85)
    assert entry["test_score_std"] == pytest.approx(0.0707, abs=1e-4)
    _, row = rows([entry], "accuracy")
    assert row[:3] == ["gat", "standard", "85.0 ± 7.1"]


@pytest.mark.experiment
def test_a_residual_network_trains_on_two_classes(tmp_path, monkeypatch):
    """The protocol of minesweeper on a data set made here."""
    from dataclasses import replace
    from functools import partial

    from experiments.symmetry import __main__ as command

    small = partial(residual, width=8, heads=2, num_layers=1, dropout=0.1)
    protocol = replace(
        PROTOCOLS["minesweeper"], network=small, training=Training(1e-2, 0.0, 2, None, 1)
    )
    monkeypatch.setitem(PROTOCOLS, "minesweeper", protocol)
    monkeypatch.setattr(command, "load_problem", lambda dataset, protocol: two_classes())
    options = Options("minesweeper", ("graph_transformer",), ("directional",), 1, out=tmp_path)
    (entry,) = main(options, Console(quiet=True))
    assert 0 < entry["test_score"] < 1
    assert "AUC %" in (tmp_path / "minesweeper" / "table.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dataset": "coral"}, "--dataset: coral is not one of digits"),
        ({"layers": ("gcn",)}, "--layers: gcn is not one of gat"),
        ({"treatments": ("none",)}, "--treatments: none is not one of standard"),
        ({"seeds": 0}, "--seeds must be at least 1"),
    ],
)
def test_wrong_options_end_with_the_valid_ones(arguments, message):
    with pytest.raises(SystemExit, match=message):
        Options(**arguments)
