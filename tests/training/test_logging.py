import json
import subprocess
import sys

import jax
import jax.numpy as jnp
import pytest

from graphattn_jax.training import JsonlLogger, environment, progress_bar


def records(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_one_object_per_line_readable_at_once(tmp_path):
    path = tmp_path / "run" / "metrics.jsonl"
    logger = JsonlLogger(path)
    logger.log(1, {"loss": jnp.float32(0.5), "accuracy": 1})
    assert records(path) == [{"step": 1, "loss": 0.5, "accuracy": 1.0}]
    logger.log(2, {"loss": float("nan"), "accuracy": float("-inf")})
    assert records(path)[1] == {"step": 2, "loss": None, "accuracy": None}


def test_resume_drops_its_own_and_later_steps_and_a_cut_line(tmp_path):
    path = tmp_path / "metrics.jsonl"
    logger = JsonlLogger(path)
    for step in (5, 10, 15, 20):
        logger.log(step, {"loss": step})
    with path.open("a") as file:
        file.write('{"step": 25, "lo')
    resumed = JsonlLogger(path)
    resumed.log(15, {"loss": -1})
    resumed.log(20, {"loss": -2})
    assert [(r["step"], r["loss"]) for r in records(path)] == [(5, 5), (10, 10), (15, -1), (20, -2)]
    JsonlLogger(path).log(1, {"loss": 0})
    assert records(path) == [{"step": 1, "loss": 0}]
    assert [p.name for p in tmp_path.iterdir()] == ["metrics.jsonl"]


@pytest.mark.parametrize("line", ["not json", "[1]", "{}", '{"step": null}'])
def test_foreign_file_is_refused(tmp_path, line):
    path = tmp_path / "notes.txt"
    path.write_text(f'{line}\n{{"step": 1}}\n')
    with pytest.raises(ValueError, match=r"notes.txt line 1 must be a JSON object with a step"):
        JsonlLogger(path).log(1, {})
    assert path.read_text().startswith(line)


def test_progress_bar_is_silent_off_a_terminal(capfd):
    with progress_bar(3, "demo") as show:
        show(1, {"loss": 0.5})
        show(3, {"loss": 0.25})
    assert capfd.readouterr() == ("", "")


def test_progress_bar_on_a_terminal_shows_steps_and_metrics(capfd, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    with progress_bar(3, "demo") as show:
        show(2, {"val_accuracy": 0.8125})
    text = capfd.readouterr().err
    assert "demo" in text and "val_accuracy 0.8125" in text and "2/3" in text


def test_progress_bar_without_rich_says_so_once(capfd, monkeypatch):
    for name in ("rich.console", "rich.progress"):
        monkeypatch.setitem(sys.modules, name, None)
    with progress_bar(3) as show:
        show(1, {"loss": 0.5})
    assert capfd.readouterr().err.splitlines() == [
        "No progress bar: install rich to see one (pip install rich)."
    ]


def test_environment_describes_this_process(tmp_path, monkeypatch):
    found = environment()
    assert json.loads(json.dumps(found)) == found
    assert found["packages"]["jax"] == jax.__version__
    assert found["num_devices"] == jax.device_count() and found["backend"] == "cpu"
    monkeypatch.chdir(tmp_path)
    assert environment()["git_commit"] is None
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    (tmp_path / "file").write_text("1")
    for command in (["init", "-q"], ["add", "file"], ["commit", "-qm", "first"]):
        subprocess.run([*git, *command], check=True)
    commit = environment()["git_commit"]
    assert len(commit) == 40
    (tmp_path / "file").write_text("2")
    assert environment()["git_commit"] == commit + "+changes"
