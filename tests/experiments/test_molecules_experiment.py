"""The molecules experiment, on alcohols and amines whose size is to be learned."""

import json
from dataclasses import replace

import jax
import numpy as np
import pytest
from rich.console import Console

import graphattn_jax as ga
from experiments._report import table
from experiments._run import run
from experiments.molecules import __main__ as command
from experiments.molecules import report
from experiments.molecules.configs import NETWORK, OWN_SPLITS, PROTOCOLS, Protocol, RunConfig, grid
from experiments.molecules.train import Batches, build, known, load_problem, train

pytest.importorskip("rdkit", reason="rdkit, of the extra 'chem'")
pytest.importorskip("matplotlib")

SMILES = [chain * "C" + end for chain in range(1, 13) for end in ("O", "N")]
SMALL = replace(
    NETWORK,
    width=24,
    num_layers=1,
    attention=replace(NETWORK.attention, heads=2),
    pool="sum",
)
TINY = Protocol(12, 1, batch_size=8, learning_rate=1e-2, network=SMALL)
QUIET = Console(quiet=True)


def dataset(name):
    """24 molecules; the target is the length of the chain, or whether it is long, and the end, sometimes unknown."""
    length = np.repeat(np.arange(1, 13), 2).astype(np.float32)
    labels = np.stack([length > 6, np.arange(24) % 2], axis=1).astype(np.float32)
    labels[::5, 1] = np.nan
    regression = name == "esol"
    ids = np.random.default_rng(0).permutation(24).astype(np.int32)
    return ga.data.GraphDataset(
        name,
        ga.chem.from_smiles_list(SMILES).graphs,
        length if regression else labels,
        (ga.data.GraphSplit(ids[:16], ids[16:20], ids[20:]),),
        "regression" if regression else "multilabel",
        "rmse" if regression else "roc_auc",
        1 if regression else 2,
        tuple(SMILES),
    )


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setattr(ga.data, "load", dataset)
    monkeypatch.setitem(PROTOCOLS, "esol", TINY)
    monkeypatch.setitem(PROTOCOLS, "tox21", replace(TINY, epochs=2))


def test_a_run_and_its_report(tiny, tmp_path):
    options = command.Options(("tox21",), ("random",), seeds=1, epochs=1, out=tmp_path)
    (result,) = command.main(options, QUIET)
    assert result["metric"] == "roc_auc" and 0 <= result["test"] <= 1
    assert json.loads((tmp_path / "tox21-random-0" / "result.json").read_text()) == result
    assert json.loads((tmp_path / "results.json").read_text()) == [result]
    assert "| Tox21 | random | ROC-AUC |" in (tmp_path / "table.md").read_text()
    assert (tmp_path / "curves.png").stat().st_size > 10_000


@pytest.mark.experiment
def test_it_learns_and_keeps_the_best_epoch(tiny, tmp_path):
    options = command.Options(("esol", "tox21"), ("random",), seeds=2, out=tmp_path)
    results = command.main(options, QUIET)
    assert [r["metric"] for r in results] == ["rmse"] * 2 + ["roc_auc"] * 2
    spread = np.std(range(1, 13))
    for result in results[:2]:
        curve = [record["val"] for record in result["curve"]]
        assert len(curve) == 12 and result["test"] < 0.7 * spread
        assert curve[result["best_epoch"] - 1] == pytest.approx(min(curve), abs=1e-4)
    text = (tmp_path / "table.md").read_text()
    assert "| ESOL | random | RMSE |" in text and "0.58 (MPNN)" in text
    assert command.main(options, QUIET) == results


@pytest.mark.experiment
def test_the_score_is_that_of_each_molecule_alone(tiny, tmp_path):
    problem = load_problem("esol")
    protocol = replace(TINY, epochs=1, warmup_epochs=0, learning_rate=1e-9)  # stays as it was
    trainee, config = build(protocol, problem), RunConfig("esol", "random", 0, protocol)
    (result,) = run([config], lambda c, job: train(c, job, problem, trainee), tmp_path, QUIET)
    _, params, state = ga.models.load(tmp_path / config.name / "network.npz")
    split = problem.splits["random"][0]
    fitted = problem.labels[split.train]
    errors = []
    for i in split.test:
        (alone,) = Batches(ga.graphs.take(problem.graphs, [i]), 1, seed=None)
        output = trainee.model.predict(alone, params, state)[0, 0]
        errors.append(fitted.mean() + fitted.std() * float(output) - problem.labels[i, 0])
    assert result["test"] == pytest.approx(np.sqrt(np.mean(np.square(errors))), rel=1e-4)


def test_an_epoch_has_every_molecule_once_and_only_targets_that_are_there(tiny):
    problem = load_problem("tox21")
    stream = Batches(problem.graphs._replace(globals=problem.labels), 5, seed=3)
    epochs = []
    for _ in range(2):
        seen = []
        for _ in range(len(stream)):
            graph = next(stream)
            real = graph.layout.graph_mask
            assert graph.layout.blocks.node.shape[1] == 32
            there = real[:, None] & ~np.isnan(graph.globals)
            np.testing.assert_array_equal(known(graph), there)
            seen += list(zip(graph.n_node[real], graph.globals[real, 0], strict=True))
        epochs.append(seen)
    everything = [(len(s), label) for s, label in zip(SMILES, problem.labels[:, 0], strict=True)]
    assert sorted(epochs[0]) == sorted(epochs[1]) == sorted(everything)
    assert epochs[0] != epochs[1]


def test_splits_come_with_the_set_or_are_made(tiny, monkeypatch):
    problem = load_problem("esol")
    assert len(problem.splits["random"]) == len(problem.splits["scaffold"]) == 1
    monkeypatch.setitem(OWN_SPLITS, "esol", "scaffold")
    problem = load_problem("esol")
    np.testing.assert_array_equal(problem.splits["scaffold"][0].train, dataset("esol").splits[0][0])
    assert len(problem.splits["random"]) == 3
    for split in problem.splits["random"]:
        assert sorted(np.concatenate(split)) == list(range(24))


def test_the_table_is_mean_and_deviation_over_seeds():
    def run(seed, test):
        config = {"dataset": "bbbp", "split": "random", "seed": seed}
        curve = [{"loss": 1.0, "val": 0.8}]
        scores = {"val": 0.8, "test": test, "best_epoch": 1}
        return {"config": config, "metric": "roc_auc", "curve": curve, **scores}

    text = table(report.rows([run(0, 0.9), run(1, 0.8)]))
    assert "| BBBP | random | ROC-AUC | 0.800 ± 0.000 | 0.850 ± 0.071 | 2 |  |" in text
    assert "| 0.900 | 1 |  |" in table(report.rows([run(0, 0.9)]))


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_protocol_trains(name, monkeypatch):
    """Shapes only."""
    monkeypatch.setattr(ga.data, "load", dataset)
    (config,) = grid((name,), ("random",), 1)
    problem = load_problem("tox21")
    trainee = build(config.protocol, problem)
    assert config.protocol.warmup_epochs < config.protocol.epochs and name in report.TITLES
    batches = Batches(problem.graphs._replace(globals=problem.labels), 5, seed=0)
    state = jax.eval_shape(lambda: trainee.model.init(0))
    _, metrics = jax.eval_shape(trainee.model.train_step, state, next(batches))
    assert metrics["loss"].shape == ()
    variables = state.params, state.model_state
    assert jax.eval_shape(trainee.model.predict, next(batches), *variables).shape == (6, 2)


def test_a_shorter_schedule_has_a_shorter_warm_up():
    (config,) = grid(("esol",), ("random",), 1, epochs=2)
    assert (config.protocol.epochs, config.protocol.warmup_epochs) == (2, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"datasets": ("coral",)}, "--datasets: coral is not one of esol"),
        ({"splits": ("time",)}, "--splits: time is not one of random, scaffold"),
        ({"seeds": 0}, "--seeds must be at least 1"),
    ],
)
def test_wrong_options_end_with_the_valid_ones(arguments, message):
    with pytest.raises(SystemExit, match=message):
        command.Options(**arguments)
