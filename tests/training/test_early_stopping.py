import math

import pytest

from graphattn_jax.training import EarlyStopping


def script(stopping, records):
    """Indices of the evaluations that were kept, and of the one that stopped (or None)."""
    memory, kept = stopping.init(), []
    for i, record in enumerate(records):
        memory, keep = stopping.update(memory, record)
        if keep:
            kept.append(i)
        if stopping.done(memory):
            return kept, i
    return kept, None


def values(name, numbers):
    return [{name: number} for number in numbers]


def test_single_metric_strict():
    accuracy = values("a", [0.1, 0.5, 0.5, 0.4, 0.6, 0.6, 0.2, 0.3, 0.9])
    assert script(EarlyStopping("a", "max", patience=3), accuracy) == ([0, 1, 4], 7)
    loss = values("a", [3.0, 2.0, 2.5, 1.0, 1.0, 1.0])
    assert script(EarlyStopping("a", "min", patience=2), loss) == ([0, 1, 3], 5)


def test_ties_count_only_when_asked():
    equal = values("a", [0.5, 0.5, 0.5])
    assert script(EarlyStopping("a", patience=2), equal) == ([0], 2)
    assert script(EarlyStopping("a", patience=2, ties=True), equal) == ([0, 1, 2], None)


def test_patience_none_only_keeps_the_best():
    assert script(EarlyStopping("a", patience=None), values("a", [1, *[0] * 500])) == ([0], None)


def test_nan_never_improves():
    nan = math.nan
    assert script(EarlyStopping("a", patience=3), values("a", [nan, 0.1, nan, nan, nan])) == (
        [1],
        4,
    )


def test_gat_rule_against_a_transcription_of_the_published_loop():
    losses = [1.0, 0.9, 0.95, 0.8, 0.85, 0.85, 0.7, 0.9, 0.9, 0.9, 0.9]
    accuracies = [0.5, 0.5, 0.6, 0.6, 0.7, 0.7, 0.6, 0.6, 0.65, 0.69, 0.1]
    records = [{"val_loss": x, "val_accuracy": y} for x, y in zip(losses, accuracies)]

    lowest, highest, wait, kept, stopped = math.inf, 0.0, 0, [], None
    for i, (loss, accuracy) in enumerate(zip(losses, accuracies)):
        if accuracy >= highest or loss <= lowest:
            if accuracy >= highest and loss <= lowest:
                kept.append(i)
            highest, lowest, wait = max(highest, accuracy), min(lowest, loss), 0
        else:
            wait += 1
            if wait == 3:
                stopped = i
                break
    assert script(EarlyStopping.gat(patience=3), records) == (kept, stopped)
    assert kept == [0, 1, 3] and stopped == 9


def test_errors():
    with pytest.raises(ValueError, match="mode must be one of 'min', 'max'; got 'best'"):
        EarlyStopping("a", "best")
    with pytest.raises(ValueError, match="one entry per metric"):
        EarlyStopping(("a", "b"), "max")
    with pytest.raises(ValueError, match="patience must be a positive integer"):
        EarlyStopping("a", patience=0)
    stopping = EarlyStopping("a")
    with pytest.raises(ValueError, match=r"monitor names \['a'\].*it has \['b'\]"):
        stopping.update(stopping.init(), {"b": 1.0})
