"""The experiment on large graphs, on a small one."""

import numpy as np
import pytest
from rich.console import Console

import graphattn_jax as ga
from experiments.large_graphs import __main__ as command
from experiments.large_graphs.configs import ROWS
from experiments.large_graphs.train import load_problem
from tests.experiments.test_heterogeneous_experiment import small  # noqa: F401


def test_the_problem_has_loops_and_no_types(small, monkeypatch):  # noqa: F811
    graph = load_problem().graph
    assert graph.edges is None and ga.graphs.has_self_loops(graph)
    assert set(ROWS) == {"full", "neighbours", "clusters", "saint"}


@pytest.mark.experiment
def test_a_run_and_its_table(small, monkeypatch, tmp_path):  # noqa: F811
    data = ga.data.load("aifb")
    nodes = np.random.default_rng(0).normal(size=(42, 3)).astype(np.float32)
    graph = ga.graphs.add_reverse_edges(data.graph._replace(nodes=nodes, edges=None))
    val = np.arange(42) % 7 == 0
    splits = (
        ga.data.Split(data.splits[0].train & ~val, val & (data.labels >= 0), data.splits[0].test),
    )
    data = data._replace(graph=graph, splits=splits)
    monkeypatch.setattr(ga.data, "load", lambda name: data)
    rows = ("full", "neighbours", "saint")
    options = command.Options(rows=rows, steps=10, out=tmp_path, cache=None)
    results = command.main(options, Console(quiet=True))
    assert [r["config"]["row"] for r in results] == list(rows)
    assert all(0 <= r["test"] <= 1 and r["train_seconds"] > 0 for r in results)
    assert results[0]["waiting"] is None and 0 <= results[1]["waiting"] <= 1
    assert "whole graph" in (tmp_path / "table.md").read_text()
    assert command.main(options, Console(quiet=True)) == results
