"""The experiment on typed graphs, on a small one."""

import numpy as np
import pytest
from rich.console import Console

import graphattn_jax as ga
from experiments.heterogeneous import __main__ as command
from experiments.heterogeneous.configs import RunConfig, grid
from experiments.heterogeneous.train import (
    label_propagation,
    load_problem,
    majority,
    split_of,
)

pytest.importorskip("matplotlib")


@pytest.fixture
def small(monkeypatch):
    """Two groups, each with a hub of its own."""
    groups = np.arange(40) % 2
    people = np.arange(40)
    graph = ga.graphs.from_edge_list(
        people, 40 + groups, num_nodes=42, edges=np.zeros(40, np.int32)
    )
    labels = np.append(groups, [-1, -1]).astype(np.int32)
    train, test = np.arange(42) < 20, (np.arange(42) >= 20) & (np.arange(42) < 40)
    data = ga.data.TypedNodeDataset(
        name="aifb",
        graph=graph,
        labels=labels,
        num_classes=2,
        node_types=np.zeros(42, np.int32),
        num_node_types=1,
        relations=("in",),
        splits=(ga.data.Split(train, np.zeros(42, bool), test),),
        metric="accuracy",
    )
    monkeypatch.setattr(ga.data, "load", lambda name: data)


def test_baselines_and_held_out_nodes(small):
    problem = load_problem("aifb")
    split = problem.splits[0]
    assert majority(problem, split) == 0.5
    assert label_propagation(problem, split) == 1.0
    config = grid("aifb", ("rgcn",), 1, tune=True)[0]
    held = split_of(problem, config)
    assert held.val.sum() == 4 and not (held.val & held.train).any()
    assert (held.val | held.train).tolist() == split.train.tolist()
    assert isinstance(config, RunConfig) and config.name == "tune-rgcn-16-0-0"


@pytest.mark.experiment
def test_a_run_and_its_report(small, tmp_path):
    options = command.Options(
        rows=("gat", "rgcn", "hgt"), seeds=1, steps=25, out=tmp_path, cache=None
    )
    results = command.main(options, Console(quiet=True))
    assert [r["test"] for r in results][1:] == [1.0, 1.0]
    table = (tmp_path / "aifb" / "table.md").read_text()
    assert "label propagation" in table and (tmp_path / "aifb" / "accuracy.png").exists()
    tuned = command.main(
        command.Options(rows=("rgcn",), seeds=1, steps=2, tune=True, out=tmp_path, cache=None),
        Console(quiet=True),
    )
    assert len(tuned) == 4
    with pytest.raises(SystemExit, match="--rows: nobody is not one of"):
        command.Options(rows=("nobody",))
