"""The molecules experiment end to end, on alcohols and amines whose size is to be learned."""

import json
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

import graphattn_jax as ga
from experiments.molecules import __main__ as main
from experiments.molecules import report
from experiments.molecules.configs import OWN_SPLITS, PROTOCOLS, Protocol, RunConfig
from experiments.molecules.train import Batches, build_model, load_problem, train

pytest.importorskip("rdkit", reason="rdkit, of the extra 'chem'")
pytest.importorskip("matplotlib")

SMILES = [chain * "C" + end for chain in range(1, 13) for end in ("O", "N")]
TINY = Protocol(
    12, 1, batch_size=8, learning_rate=1e-2, width=24, num_layers=1, heads=2, pool="sum"
)


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
    monkeypatch.setattr(main, "PROTOCOLS", {"esol": TINY, "tox21": replace(TINY, epochs=2)})


def test_the_command_runs_resumes_and_refuses_other_settings(tiny, tmp_path):
    options = main.Options(("esol", "tox21"), ("random",), seeds=2, out=tmp_path)
    results = main.run(options, Console(quiet=True))
    assert [r["metric"] for r in results] == ["rmse"] * 2 + ["roc_auc"] * 2
    stored = tmp_path / "runs" / "tox21-random-1.json"
    assert json.loads(stored.read_text()) == results[3]
    assert json.loads((tmp_path / "results.json").read_text()) == results
    spread = np.std([length for length in range(1, 13)])
    for result in results[:2]:  # learned something, and the kept epoch is the best one
        curve = [record["val"] for record in result["curve"]]
        assert len(curve) == 12 and result["test"] < 0.7 * spread
        assert curve[result["best_epoch"] - 1] == pytest.approx(min(curve), abs=1e-4)
    table = (tmp_path / "table.md").read_text()
    assert "| ESOL | random | RMSE |" in table and "0.58 (MPNN)" in table
    assert (tmp_path / "curves.png").stat().st_size > 10_000
    stored = sorted((tmp_path / "runs").iterdir())
    times = [path.stat().st_mtime_ns for path in stored]
    assert len(stored) == 4 and main.run(options, Console(quiet=True)) == results
    assert [path.stat().st_mtime_ns for path in stored] == times
    with pytest.raises(ValueError, match="other settings"):
        main.run(replace(options, epochs=2), Console(quiet=True))


def test_the_score_is_that_of_each_molecule_alone(tiny, tmp_path):
    problem = load_problem("esol")
    protocol = replace(TINY, epochs=1, warmup_epochs=0, learning_rate=1e-9)  # stays as it was
    model = build_model(protocol, problem)
    result = train(RunConfig("esol", "random", 0, protocol), problem, model, tmp_path)
    split = problem.splits["random"][0]
    fitted = problem.labels[split.train]
    state = model.init(0)
    batches = Batches([problem.graphs[i] for i in split.train], fitted, model.budget).shuffled(0)
    for _ in range(model.steps_per_epoch):  # the running statistics of the batch norms
        state, _ = model.train_step(state, next(batches))
    errors = []
    for i in split.test:
        alone = Batches([problem.graphs[i]], problem.labels[[i]], model.budget)
        (batch,) = alone
        output = model.predict(state.params, state.model_state, batch)[0, 0]
        errors.append(fitted.mean() + fitted.std() * float(output) - problem.labels[i, 0])
    assert result["test"] == pytest.approx(np.sqrt(np.mean(np.square(errors))), rel=1e-4)


def test_an_epoch_has_every_molecule_once_and_only_targets_that_are_there(tiny):
    problem = load_problem("tox21")
    budget = ga.graphs.estimate_budget(problem.graphs, 5)
    stream = Batches(problem.graphs, problem.labels, budget).shuffled(seed=3)
    epochs = []
    for _ in range(2):
        seen = []
        while len(seen) < len(problem.graphs):
            batch = next(stream)
            real = batch.layout.graph_mask
            known = ~np.isnan(batch.targets)
            np.testing.assert_array_equal(batch.where, real[:, None] & known)
            seen += list(zip(batch.graph.n_node[real], batch.targets[real, 0], strict=True))
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

    text = report.table([run(0, 0.9), run(1, 0.8)])
    assert "| BBBP | random | ROC-AUC | 0.800 ± 0.000 | 0.850 ± 0.071 | 2 |  |" in text
    assert "| 0.900 | 1 |  |" in report.table([run(0, 0.9)])


def test_every_protocol_is_a_network_and_has_a_title():
    assert set(PROTOCOLS) == set(report.TITLES)
    for protocol in PROTOCOLS.values():
        assert protocol.network(3).out_features == 3
        assert protocol.warmup_epochs < protocol.epochs


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
        main.Options(**arguments)
