"""The symmetry experiment end to end, at its smallest."""

import json

import pytest
from rich.console import Console

from experiments.symmetry.__main__ import Options, run
from experiments.symmetry.configs import (
    DEFAULT_TREATMENTS,
    LABELS,
    LAYERS,
    PROTOCOLS,
    TREATMENTS,
    RunConfig,
    grid,
)
from experiments.symmetry.report import markdown, summarize
from experiments.symmetry.train import build_row, load_problem, train

pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    out = tmp_path_factory.mktemp("symmetry")
    return Options("digits", ("gat",), ("standard", "post_hoc"), seeds=2, steps=3, out=out)


@pytest.fixture(scope="module")
def summary(options):
    return run(options, Console(quiet=True))


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
    assert json.loads((folder / "config.json").read_text())["seed"] == 1
    assert "jax" in (folder / "environment.json").read_text()
    steps = [
        json.loads(line)["step"] for line in (folder / "metrics.jsonl").read_text().splitlines()
    ]
    assert steps == [2, 3]


def test_finished_runs_are_read_back_and_other_settings_refused(options, summary):
    config = grid("digits", ("gat",), ("standard",), 1, steps=3)[0]
    folder = options.out / "digits" / config.name
    stored = json.loads((folder / "result.json").read_text())
    assert train(config, None, None, folder) == stored
    other = grid("digits", ("gat",), ("standard",), 1, steps=4)[0]
    with pytest.raises(ValueError, match="other settings"):
        train(other, None, None, folder)


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
    assert "85.0 ± 7.1" in markdown([entry], "accuracy")


@pytest.mark.parametrize("layer", LAYERS)
def test_every_treatment_builds_for_every_layer(layer):
    for treatment in TREATMENTS:
        assert RunConfig("digits", layer, treatment, 0, PROTOCOLS["digits"]).spec.layer == layer
    assert set(LABELS) == set(TREATMENTS)
    assert set(DEFAULT_TREATMENTS) < set(TREATMENTS)


def test_residual_protocol_runs_on_roc_auc_data(tmp_path):
    """The minesweeper protocol on a data set of two classes, made here."""
    import numpy as np

    from experiments.symmetry.configs import Protocol

    protocol = Protocol("residual", 8, 2, 1, 0.1, 1e-2, 0.0, 2, None, 1)
    config = RunConfig("digits", "graph_transformer", "directional", 0, protocol)
    problem = load_problem("digits", protocol)
    labels = (problem.inputs.labels % 2).astype(np.int32)
    problem = problem._replace(
        inputs=problem.inputs._replace(labels=labels), num_classes=2, metric="roc_auc"
    )
    row = build_row(config, problem)
    result = train(config, problem, row, tmp_path / config.name)
    assert 0 < result["test_score"] < 1


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
