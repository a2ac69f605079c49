"""The ZINC experiment end to end on a few molecules with a small network."""

import io
import json
from functools import partial

import jax
import numpy as np
import pytest
from rich.console import Console

import graphattn_jax as ga
from experiments.zinc import __main__ as command
from experiments.zinc import configs


@pytest.fixture
def small(monkeypatch):
    """Paths and rings with their number of nodes as target; GraphGPS with one narrow layer."""

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
    config = ga.models.GPSConfig.zinc(width=32, num_layers=1)
    monkeypatch.setattr(ga.models.GPSConfig, "zinc", lambda: config)


def test_a_run_its_report_and_its_return(small, tmp_path):
    options = command.Options(epochs=3, out=tmp_path)
    console = Console(file=io.StringIO(), width=200)
    (result,) = command.main(options, console)
    assert len(result["curve"]) == 3 and np.isfinite(result["test"])
    assert result["val"] == min(record["val"] for record in result["curve"])
    table = (tmp_path / "table.md").read_text()
    assert "3 of 2,000" in table and f"{result['parameters']:,}" in table
    assert (tmp_path / "curves.png").stat().st_size > 5_000
    stored = json.loads((tmp_path / "gps-0" / "result.json").read_text())
    again = command.main(options, console)
    assert again == [stored]
    with pytest.raises(ValueError, match="other settings"):
        command.main(command.Options(epochs=4, out=tmp_path), console)


def test_a_stopped_run_goes_on_from_its_checkpoint(small, tmp_path):
    data, parts = configs.zinc()
    network = configs.NETWORKS["gps"]()
    prepared = [
        network.prepare(ga.graphs.take(data.graphs, ids))._replace(globals=data.labels[ids])
        for ids in parts
    ]
    from experiments.zinc.train import train

    class Stopped(Exception):
        pass

    def stop(step, record):
        if step >= 6:
            raise Stopped

    run = partial(train, "gps", network, prepared, seed=0, epochs=7)
    straight = run(workdir=tmp_path / "straight")
    with pytest.raises(Stopped):
        run(workdir=tmp_path / "stopped", callback=stop)
    resumed = run(workdir=tmp_path / "stopped")
    assert resumed["curve"] == straight["curve"] and resumed["test"] == straight["test"]


def test_unknown_names_are_errors():
    with pytest.raises(SystemExit, match="--networks: gcn is not one of gps, grit, graphormer"):
        command.Options(networks=("gcn",))
    with pytest.raises(SystemExit, match="--epochs must be at least 1"):
        command.Options(epochs=0)


@pytest.mark.parametrize("name", ["grit", "graphormer"])
def test_every_network_reads_what_it_prepares(small, name):
    """Shapes only: their compilation takes longer than all other tests here."""
    data, (ids, *_) = configs.zinc()
    network = configs.NETWORKS[name]()
    graphs = network.prepare(ga.graphs.take(data.graphs, ids))._replace(globals=data.labels[ids])
    batch = next(ga.training.GraphBatches(graphs, 8, seed=0, block_size=8))
    variables = jax.eval_shape(network.init, jax.random.key(0))
    y, state = jax.eval_shape(lambda v: network.apply(*v, batch, training=False), variables)
    assert y.shape == (9, 1)
    assert jax.tree.structure(state) == jax.tree.structure(variables[1])
