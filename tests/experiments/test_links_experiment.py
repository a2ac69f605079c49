"""The experiment on links, on a few of them."""

import numpy as np
import pytest
from rich.console import Console

import graphattn_jax as ga
from experiments.links import __main__ as command

pytest.importorskip("matplotlib")


@pytest.fixture
def small(monkeypatch):
    """Who is in which half; everybody is linked with all others of the half."""
    half = np.arange(12) % 2
    heads, tails = np.nonzero((half[:, None] == half[None]) & ~np.eye(12, dtype=bool))
    order = np.random.default_rng(0).permutation(len(heads))
    triples = np.stack([heads, np.zeros_like(heads), tails])[:, order].astype(np.int32)
    parts = [ga.links.Links(*triples[:, a:b]) for a, b in ((0, 40), (40, 50), (50, 60))]
    graph = ga.graphs.from_triples(tuple(parts[0]), num_nodes=12, reverse=True)
    data = ga.data.LinkDataset("umls", graph, *parts, tuple(map(str, range(12))))
    monkeypatch.setattr(ga.data, "load", lambda name: data)


@pytest.mark.experiment
def test_runs_and_their_report(small, tmp_path):
    options = command.Options(rows=("complex", "rgcn"), seeds=1, steps=30, out=tmp_path, cache=None)
    results = command.main(options, Console(quiet=True))
    assert [r["config"]["row"] for r in results] == ["complex", "rgcn"]
    assert all(0.3 < r["test"]["mrr"] <= r["test"]["hits@10"] <= 1 for r in results)
    assert "R-GCN + DistMult" in (tmp_path / "table.md").read_text()
    assert (tmp_path / "ranking.png").exists()
    with pytest.raises(SystemExit, match="--rows: nobody is not one of"):
        command.Options(rows=("nobody",))
