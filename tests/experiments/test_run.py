"""What all experiments share: runs that are kept and continued, models, tables, and the command line."""

import io
import json
import re
import signal
from dataclasses import dataclass, replace
from pathlib import Path

import jax
import numpy as np
import pytest
from rich.console import Console
from rich.progress import Progress

import graphattn_jax as ga
from experiments import _command, _report, _run
from experiments._model import make_mean, make_model, size_of

pytest.importorskip("matplotlib")
QUIET = Console(quiet=True)
SAGE = ga.message_passing.SAGE(1)


@dataclass(frozen=True)
class Config:
    """A run of the tests."""

    name: str
    seed: int = 0
    steps: int = 9
    patience: int | None = None
    layer: ga.nn.Layer = SAGE


@dataclass(frozen=True, repr=False)
class Normed(ga.models.Network):
    """A network with running statistics."""

    layer: ga.nn.Layer

    def init(self, key):
        norm, state = ga.nn.init_batch_norm(1)
        return (self.layer.init(key, 2), norm), state

    def apply(self, params, state, graph, *, training=False, key=None):
        layer, norm = params
        nodes = self.layer.apply(layer, graph).graph.nodes
        nodes, state = ga.nn.batch_norm(norm, state, nodes, training=training)
        return ga.models.Output(nodes, state)


def batches(count=3):
    """Rings whose nodes have random features, their sum the target."""
    rng = np.random.default_rng(0)
    ring = ga.graphs.from_edge_list([0, 1, 2], [1, 2, 0])
    features = (rng.normal(size=(3, 2)).astype(np.float32) for _ in range(count))
    return [ga.graphs.prepare(ring._replace(nodes=x, globals=x.sum(1)[:1])) for x in features]


def loss(prediction, graph):
    return ga.losses.l2_loss(prediction[:, 0], graph.nodes.sum(axis=1))


def model_of(config, normed=False):
    network = ga.models.PlainNetwork(2, (config.layer,), dropout=0.5)
    network = Normed(config.layer) if normed else network
    return make_model(network, loss, ga.training.make_optimizer(0.1))


def interrupt():
    raise KeyboardInterrupt


def train(config, job, *, stop=None, how=interrupt, model=None):
    """Train on three batches; evaluation number `stop` ends it."""
    model = model or model_of(config)
    mean, data = make_mean(model, loss), batches()
    count = 0

    def evaluate(*variables):
        nonlocal count
        count += 1
        if count == stop:
            how()
        return {"val": mean(data, *variables)}

    fitted = job.fit(
        model,
        config.seed,
        ga.training.ShuffledBatches(data, config.seed),
        num_steps=config.steps,
        eval_every=2,
        evaluate=evaluate,
        early_stopping=ga.training.EarlyStopping("val", "min", patience=config.patience),
    )
    return {"history": fitted.history, "best_step": fitted.best_step}


def steps_of(folder):
    return [
        json.loads(line)["step"] for line in (folder / "metrics.jsonl").read_text().split("\n")[:-1]
    ]


# --- runs -----------------------------------------------------------------------------------------------------


def test_every_run_has_a_folder_and_is_read_back(tmp_path):
    grid = [Config("a"), Config("b", seed=1)]
    results = _run.run(grid, train, tmp_path, QUIET)
    assert [r["config"] for r in results] == [ga.values.to_json(c) for c in grid]
    assert [h["step"] for h in results[0]["history"]] == [2, 4, 6, 8, 9] == steps_of(tmp_path / "a")
    names = {path.name for path in (tmp_path / "a").iterdir()}
    assert names == {
        *("config.json", "environment.json", "metrics.jsonl", "network.npz", "result.json")
    }
    network, params, state = ga.models.load(tmp_path / "a" / "network.npz")
    assert network == model_of(grid[0]).network and state is None
    best = min(record["val"] for record in results[0]["history"])
    again = make_mean(model_of(grid[0]), loss)(batches(), params)
    assert again == pytest.approx(best, rel=1e-6)
    assert "jax" in json.loads((tmp_path / "b" / "environment.json").read_text())["packages"]

    def never(config, job):
        raise AssertionError("trained again")

    assert _run.run(grid, never, tmp_path, QUIET) == results
    longer = [*grid, Config("c")]
    assert _run.run(longer, train, tmp_path, QUIET)[:2] == results


@pytest.mark.parametrize("normed", [False, True])
def test_a_stopped_run_goes_on_from_its_checkpoint(normed, tmp_path, monkeypatch):
    monkeypatch.setattr(_run, "CHECKPOINT_SECONDS", 0.0)
    config = Config("run")
    model = model_of(config, normed)
    (straight,) = _run.run(
        [config], lambda c, job: train(c, job, model=model), tmp_path / "straight", QUIET
    )
    with pytest.raises(KeyboardInterrupt):
        stopping = lambda c, job: train(c, job, model=model, stop=3)  # noqa: E731
        _run.run([config], stopping, tmp_path / "stopped", QUIET)
    folder = tmp_path / "stopped" / "run"
    assert not (folder / "result.json").exists() and steps_of(folder) == [2, 4]
    shown = watch(monkeypatch)
    (resumed,) = _run.run(
        [config], lambda c, job: train(c, job, model=model), tmp_path / "stopped", QUIET
    )
    assert resumed == straight and steps_of(folder) == [2, 4, 6, 8, 9]
    assert shown["steps"] == [5, 5, 6, 7, 8, 9, 9] and shown["total"] == 9
    assert "run: compiling, then on from step 5 ..." in shown["texts"]
    assert not (folder / "checkpoints").exists()


def watch(monkeypatch):
    """What the bar of the current run shows."""
    shown = {"steps": [], "texts": [], "runs": [], "total": None}

    class Watched(Progress):
        def add_task(self, *args, **options):
            if "completed" in options:
                shown["runs"].append(options["completed"])
            return super().add_task(*args, **options)

        def reset(self, task_id, **options):
            if options["total"]:
                shown["steps"].append(options["completed"])
                shown["total"] = options["total"]
            super().reset(task_id, **options)

        def update(self, task_id, **options):
            if "description" in options:
                shown["texts"].append(options["description"])
            if "completed" in options:
                shown["runs" if task_id == 0 else "steps"].append(options["completed"])
            super().update(task_id, **options)

    monkeypatch.setattr(_run, "bars", lambda console: Watched(console=console))
    return shown


def test_the_bars_say_what_happens_and_end_full(tmp_path, monkeypatch):
    _run.run([Config("first", steps=2)], train, tmp_path, QUIET)
    shown = watch(monkeypatch)
    grid = [Config("first", steps=2), Config("early", steps=400, patience=2)]
    _, result = _run.run(grid, train, tmp_path, QUIET)
    stopped = result["history"][-1]["step"]
    assert stopped < 400 and shown["steps"] == [0, *range(stopped + 1), 400]
    assert shown["runs"][0] == 1 and shown["runs"][-1] == 2
    assert sorted(shown["runs"]) == shown["runs"]
    texts = shown["texts"]
    assert texts[:3] == [
        "early: compiling ...",
        "early: training",
        "early: compiling the evaluation ...",
    ]
    record = result["history"][0]
    assert texts[3] == f"early: loss {record['loss']:.3g}, val {record['val']:.3g}"
    assert texts[-1] == "early: testing"


def test_ctrl_c_keeps_what_was_trained(tmp_path):
    """Long before the clock says that a checkpoint is due."""
    (straight,) = _run.run([Config("run")], train, tmp_path / "straight", QUIET)

    def stopping(config, job):
        return train(config, job, stop=2, how=lambda: signal.raise_signal(signal.SIGINT))

    with pytest.raises(KeyboardInterrupt):
        _run.run([Config("run")], stopping, tmp_path / "stopped", QUIET)
    checkpoints = tmp_path / "stopped" / "run" / "checkpoints"
    assert [path.name for path in checkpoints.iterdir()] == ["step_0000000004"]
    (resumed,) = _run.run([Config("run")], train, tmp_path / "stopped", QUIET)
    assert resumed == straight


@pytest.mark.parametrize("is_finished", [True, False])
def test_other_settings_are_refused_before_any_training(is_finished, tmp_path):
    stop = None if is_finished else 2
    try:
        _run.run([Config("b")], lambda c, job: train(c, job, stop=stop), tmp_path, QUIET)
    except KeyboardInterrupt:
        assert not is_finished
    other = Config("b", steps=4, layer=ga.message_passing.GCN(1))
    with pytest.raises(SystemExit) as refused:
        _run.run([Config("a"), other], train, tmp_path, QUIET)
    assert f"{tmp_path / 'b'} holds a run with other settings" in str(refused.value)
    assert "steps is 9 there and 4 here" in str(refused.value)
    assert 'layer.type is "message_passing.SAGE" there' in str(refused.value)
    assert not (tmp_path / "a").exists()


def test_without_a_terminal_every_run_is_a_line(tmp_path):
    text = io.StringIO()
    _run.run([Config("a"), Config("b")], train, tmp_path, Console(file=text))
    lines = text.getvalue().splitlines()
    assert lines[0].startswith("a: ") and lines[1].startswith("b: ") and "2/2" in lines[2]


# --- models ---------------------------------------------------------------------------------------------------


def test_a_model_evaluates_without_dropout_and_counts_its_parameters():
    model = model_of(Config("a"))
    state, (batch, *_) = model.init(0), batches()
    expected = model.network.apply(state.params, None, batch).prediction
    np.testing.assert_array_equal(model.predict(batch, state.params), expected)
    leaves = jax.tree.leaves(state.params)
    assert size_of(model.network) == sum(leaf.size for leaf in leaves) > 0


def test_the_mean_is_over_rows_not_over_batches():
    model, data = model_of(Config("a")), batches(2)
    both = ga.graphs.prepare(ga.graphs.batch(data + data[:1]))
    params = model.init(0).params
    mean = make_mean(model, loss)
    one, two = (mean([batch], params) for batch in data)
    assert mean([both], params) == pytest.approx((2 * one + two) / 3, rel=1e-5)


# --- tables and pictures --------------------------------------------------------------------------------------


def test_a_table_is_markdown_and_is_shown():
    rows = [["what", "score [%]"], ["a", "1"], ["b", "2"]]
    assert _report.table(rows) == "| what | score [%] |\n| --- | --- |\n| a | 1 |\n| b | 2 |\n"
    text = io.StringIO()
    _report.show(rows, Console(file=text))
    assert "what  score [%]" in text.getvalue()


def test_the_spread_is_mean_and_deviation():
    assert _report.spread([0.8, 0.9]) == "0.850 ± 0.071"
    assert _report.spread([80, 90], 1) == "85.0 ± 7.1"
    assert _report.spread([0.5]) == "0.500"


def test_a_figure_is_written(tmp_path):
    path = tmp_path / "figure.png"
    with _report.figure(path, 1, 2, (2, 1), margin=(0.5, 0)) as (drawn, axes):
        assert axes.shape == (1, 2)
        assert tuple(drawn.get_size_inches()) == (4.5, 1)
    assert path.stat().st_size > 1000


def test_experiments_use_public_names_only():
    """Of the package; a leading underscore below `experiments` is theirs."""
    private = re.compile(
        r"(from|import) graphattn_jax[\w.]*\._|\bga\.(\w+\.)*_(?!fields|_version__)\w"
    )
    files = sorted(Path(_run.__file__).parent.rglob("*.py"))
    assert len(files) > 30
    offending = [
        f"{f.name}: {line}"
        for f in files
        if f.name != "tune.py"  # it varies constants of a kernel
        for line in f.read_text().split("\n")
        if private.search(line)
    ]
    assert offending == []


# --- the command line -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Options:
    """A command of the tests."""

    out: Path = Path("runs/here")
    cache: _command.Cache = None


@pytest.fixture
def command(monkeypatch):
    """Runs a command line; what it printed, and what it ended with."""
    monkeypatch.setattr(_command, "prepare_cpu", lambda one_pool: None)
    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    before = {name: getattr(jax.config, name) for name in names}

    def run(work, *arguments):
        text = io.StringIO()
        monkeypatch.setattr(_command, "Console", lambda: Console(file=text, width=40))
        monkeypatch.setattr("sys.argv", ["tests", *arguments])
        try:
            _command.main(Options, work, "python -m tests")
        except SystemExit as end:
            return text.getvalue(), end
        return text.getvalue(), None

    yield run
    for name, value in before.items():
        jax.config.update(name, value)


def test_a_stopped_command_ends_in_one_line(command):
    def stop(options, console):
        raise KeyboardInterrupt

    text, end = command(stop, "--out", "a folder")
    assert end.code == 130
    assert text.splitlines()[-1] == (
        "Stopped. What was trained is kept in a folder; to continue: "
        "python -m tests --out 'a folder'"
    )


def test_compiled_programs_are_kept_and_it_says_where(command, tmp_path):
    seen = []

    def work(options, console):
        seen.append(jax.config.jax_compilation_cache_dir)

    text, end = command(work, "--cache", str(tmp_path))
    assert seen == [str(tmp_path)] and end is None
    assert f"Compiled programs are kept in {tmp_path} (--cache None: nowhere)." in text
    text, _ = command(work, "--cache", "None")
    assert seen[1] is None and "Compiled" not in text


def test_help_has_the_options_of_all_commands(command, capsys):
    _, end = command(lambda options, console: None, "--help")
    assert end.code == 0
    assert "Where compiled programs are kept" in " ".join(
        capsys.readouterr().out.replace("│", "").split()
    )


def test_wrong_names_and_counts_end_with_the_valid_ones():
    _command.check_names(layers=(["a"], ["a", "b"]))
    with pytest.raises(SystemExit, match="--layers: c, d is not one of a, b"):
        _command.check_names(layers=(["a", "c", "d"], ["a", "b"]))
    _command.check_counts(seeds=1, steps=None)
    with pytest.raises(SystemExit, match="--seeds must be at least 1"):
        _command.check_counts(seeds=0)


def test_a_missing_file_ends_the_command_with_the_advice_of_its_loader(monkeypatch, tmp_path):
    monkeypatch.setenv("GRAPHATTN_DATA", str(tmp_path))
    with pytest.raises(SystemExit, match=r"(?s)zinc.*GRAPHATTN_DATA"):
        _command.load("zinc")


def test_settings_tell_values_apart():
    config = Config("a")
    other = replace(config, layer=ga.message_passing.SAGE(2))
    assert ga.values.to_json(config) != ga.values.to_json(other)
    assert ga.values.from_json(ga.values.to_json(other), types=[Config]) == other
