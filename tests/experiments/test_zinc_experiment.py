"""The ZINC experiment on a few molecules, with a small network."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from rich.console import Console

import graphattn_jax as ga
from experiments._model import size_of
from experiments.zinc import __main__ as command
from experiments.zinc.configs import ROWS, Protocol, RunConfig, grid
from experiments.zinc.train import build, load_problem, steps_per_epoch

pytest.importorskip("matplotlib")


@pytest.fixture
def molecules(monkeypatch):
    """Rings with their number of nodes as target."""

    def graph(index):
        n = 3 + index % 4
        ring = ga.graphs.from_edge_list(np.arange(n), (np.arange(n) + 1) % n)
        both = ga.graphs.add_reverse_edges(ring)
        return both._replace(nodes=np.zeros((n, 1), np.int32), edges=np.ones((2 * n, 1), np.int32))

    graphs = ga.graphs.batch([graph(i) for i in range(24)])
    ids = np.arange(24)
    data = ga.data.GraphDataset(
        name="zinc",
        graphs=graphs,
        labels=np.asarray(graphs.n_node, np.float32),
        splits=(ga.data.GraphSplit(ids[:16], ids[16:20], ids[20:]),),
        task="regression",
        metric="mae",
        num_outputs=1,
    )
    monkeypatch.setattr(ga.data, "load", lambda name: data)


@pytest.fixture
def small(molecules, monkeypatch):
    """GraphGPS with one narrow layer."""
    network = ga.models.GPS.zinc(width=32, num_layers=1)
    monkeypatch.setitem(ROWS, "gps", ROWS["gps"]._replace(network=network))


def test_a_run_and_its_report(small, tmp_path):
    options = command.Options(epochs=2, molecules=8, out=tmp_path)
    (result,) = command.main(options, Console(quiet=True))
    assert len(result["curve"]) == 2 and np.isfinite(result["test"])
    assert result["val"] == min(record["val"] for record in result["curve"])
    config = ga.values.from_json(result["config"], types=[RunConfig, Protocol])
    assert config == grid(("gps",), epochs=2, molecules=8)[0]
    table = (tmp_path / "table.md").read_text()
    assert "2 of 2,000" in table and f"{result['parameters']:,}" in table
    assert (tmp_path / "curves.png").stat().st_size > 5_000


@pytest.mark.experiment
def test_every_network_is_trained(molecules, tmp_path, monkeypatch):
    for name, row in ROWS.items():
        narrow = replace(row.network, width=32, num_layers=1)
        monkeypatch.setitem(ROWS, name, row._replace(network=narrow))
    options = command.Options(tuple(ROWS), epochs=3, seeds=2, out=tmp_path)
    results = command.main(options, Console(quiet=True))
    assert len(results) == 6
    for result in results:
        assert len(result["curve"]) == 3 and np.isfinite(result["test"])
    table = (tmp_path / "table.md").read_text()
    for row in ROWS.values():
        assert f"| {row.label} |" in table and row.published in table


def test_unknown_names_are_errors():
    with pytest.raises(SystemExit, match="--networks: gcn is not one of gps, grit, graphormer"):
        command.Options(networks=("gcn",))
    with pytest.raises(SystemExit, match="--epochs must be at least 1"):
        command.Options(epochs=0)


@pytest.mark.parametrize("name", ROWS)
def test_every_row_trains_on_what_it_prepares(name, molecules):
    """Shapes only: their compilation takes longer than all other tests here."""
    (config,) = grid((name,), epochs=3)
    problem = load_problem(name)
    steps = steps_per_epoch(config.protocol, problem)
    model = build(config.network, config.protocol, steps)
    batches = ga.training.GraphBatches(problem.train, 8, seed=0, block_size=problem.block_size)
    state = jax.eval_shape(lambda: model.init(0))
    new, metrics = jax.eval_shape(model.train_step, state, next(batches))
    assert metrics["loss"].shape == ()
    assert jax.tree.structure(new) == jax.tree.structure(state)
    variables = state.params, state.model_state
    assert jax.eval_shape(model.predict, next(batches), *variables).shape == (9, 1)


def test_the_sizes_are_those_of_the_readme():
    sizes = {name: size_of(row.network) for name, row in ROWS.items()}
    assert sizes == {"gps": 423_727, "grit": 473_473, "graphormer": 484_705}


def test_a_schedule_keeps_its_shape():
    published = ROWS["graphormer"].protocol
    half = published.of_length(published.epochs // 2)
    assert half == replace(published, epochs=1274, warmup_epochs=191)
    assert published.of_length(10).warmup_epochs == pytest.approx(3820 / 2548)
    assert published.of_length(2).warmup_epochs == 1
