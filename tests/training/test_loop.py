import json
import signal

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graphattn_jax.losses import l2_loss
from graphattn_jax.training import (
    Checkpointer,
    EarlyStopping,
    JsonlLogger,
    Repeat,
    ShuffledBatches,
    fit,
    init_train_state,
    make_optimizer,
    make_train_step,
)

OPTIMIZER = make_optimizer(0.05, schedule="cosine", warmup_steps=3, total_steps=40)


def loss_fn(params, batch, dropout_key):
    keep = jax.random.bernoulli(dropout_key, 0.8, batch["x"].shape)
    total, count = l2_loss(jnp.where(keep, batch["x"], 0) @ params["w"], batch["y"])
    return (total, count), {"kept": (jnp.sum(keep, dtype=jnp.float32), jnp.float32(keep.size))}


# One trace for all tests of this file; a first `Checkpointer` made later would cost another.
Checkpointer(".")
STEP = make_train_step(chex.assert_max_traces(n=1)(loss_fn), OPTIMIZER)
GENERATOR = np.random.default_rng(0)
BATCHES = [
    {
        "x": GENERATOR.normal(size=(4, 3)).astype(np.float32),
        "y": GENERATOR.normal(size=4).astype(np.float32),
    }
    for _ in range(5)
]
FULL = jnp.asarray(np.concatenate([batch["x"] for batch in BATCHES]))
TARGET = jnp.asarray(np.concatenate([batch["y"] for batch in BATCHES]))


def initial():
    return init_train_state({"w": jnp.zeros(3)}, OPTIMIZER, jax.random.key(1))


def evaluate(params):
    return {"val_loss": float(jnp.mean(jnp.square(FULL @ params["w"] - TARGET)))}


def train(folder=None, *, step=STEP, num_steps=40, every=4, evaluate=evaluate, **options):
    options = {
        "eval_every": 3,
        "early_stopping": EarlyStopping("val_loss", "min", patience=6),
        "checkpointer": Checkpointer(folder, every=every) if folder else None,
    } | options
    batches = ShuffledBatches(BATCHES, seed=2)
    return fit(initial(), step, batches, num_steps=num_steps, evaluate=evaluate, **options)


class Killed(Exception):
    pass


def killer(at):
    def callback(step, metrics):
        if step >= at:
            raise Killed

    return callback


def test_records_average_the_steps_between_them():
    def step(state, batch):
        metrics = {
            "loss": batch["loss"],
            "count": batch["count"],
            "grad_norm": batch["loss"],
            "kept": (batch["count"], jnp.float32(4)),
        }
        return state._replace(step=state.step + 1), metrics

    rows = [(2.0, 1.0), (4.0, 3.0), (1.0, 2.0), (5.0, 2.0), (7.0, 1.0)]
    batches = [{"loss": jnp.float32(a), "count": jnp.float32(b)} for a, b in rows]
    seen = []
    result = fit(
        initial(),
        step,
        batches,
        num_steps=5,
        eval_every=2,
        callbacks=[lambda step, metrics: seen.append((step, metrics["loss"]))],
    )
    assert result.history == [
        {"step": 2, "loss": 3.5, "grad_norm": 3.0, "kept": 0.5},
        {"step": 4, "loss": 3.0, "grad_norm": 3.0, "kept": 0.5},
        {"step": 5, "loss": 7.0, "grad_norm": 7.0, "kept": 0.25},
    ]
    assert seen == [(2, 3.5), (4, 3.0), (5, 7.0)]
    assert result.best_step is None and result.best_state is result.state


def test_training_learns_and_leaves_the_callers_state_readable():
    optimizer = make_optimizer(0.1)
    step = make_train_step(
        lambda params, batch, key: l2_loss(batch["x"] @ params["w"], batch["y"]), optimizer
    )
    state = init_train_state({"w": jnp.zeros(3)}, optimizer, jax.random.key(0))
    result = fit(state, step, Repeat({"x": FULL, "y": TARGET}), num_steps=300, eval_every=100)
    best = np.linalg.lstsq(np.asarray(FULL), np.asarray(TARGET))[0]
    np.testing.assert_allclose(result.state.params["w"], best, atol=1e-3)
    assert not result.stopped_early and int(result.state.step) == 300
    assert [record["step"] for record in result.history] == [100, 200, 300]
    assert state.params["w"].tolist() == [0, 0, 0]


def test_best_state_is_a_copy_of_that_very_step():
    errors = iter([5.0, 3.0, 4.0, 2.0, 6.0, 6.0, 6.0])
    params = []

    def scripted(current):
        params.append(np.asarray(current["w"]))
        return {"val_loss": next(errors)}

    stopping = EarlyStopping("val_loss", "min", patience=2)
    result = train(evaluate=scripted, eval_every=3, early_stopping=stopping)
    assert (result.best_step, result.stopped_early, int(result.state.step)) == (12, True, 18)
    assert [record["step"] for record in result.history] == [3, 6, 9, 12, 15, 18]
    np.testing.assert_array_equal(result.best_state.params["w"], params[3])
    np.testing.assert_array_equal(result.state.params["w"], params[5])
    assert int(result.best_state.step) == 12


@pytest.mark.parametrize("killed_at", [3, 9, 21])
def test_resume_is_bit_for_bit(tmp_path, killed_at):
    """Checkpoints fall between the evaluations and inside epochs; the patience is not zero."""
    rising = iter(range(100))  # worse from the third evaluation on: the patience counts

    def worsening(params):
        count = next(rising)
        return {"val_loss": float(count if count > 2 else -count)}

    def from_history(history):
        return iter(range(len(history), 100))

    straight = train(evaluate=worsening)
    assert straight.stopped_early and straight.best_step == 9

    rising = iter(range(100))
    with pytest.raises(Killed):
        train(tmp_path, evaluate=worsening, callbacks=[killer(killed_at)])
    steps = Checkpointer(tmp_path).steps()
    last = steps[-1] if steps else 0
    assert last < killed_at
    rising = from_history([step for step in range(3, last + 1, 3)])
    resumed = train(tmp_path, evaluate=worsening)
    assert resumed.history == straight.history
    assert (resumed.best_step, resumed.stopped_early) == (9, True)
    chex.assert_trees_all_equal(resumed.state, straight.state)
    chex.assert_trees_all_equal(resumed.best_state, straight.best_state)


def test_finished_and_extended_runs_continue_from_their_end(tmp_path):
    stopping = EarlyStopping("val_loss", "min", patience=None)
    straight = train(num_steps=36, early_stopping=stopping)
    first = train(tmp_path, num_steps=18, early_stopping=stopping)
    again = train(tmp_path, num_steps=18, early_stopping=stopping)
    assert again.history == first.history and len(first.history) == 6
    chex.assert_trees_all_equal(again.state, first.state)
    longer = train(tmp_path, num_steps=36, early_stopping=stopping)
    assert longer.history == straight.history
    chex.assert_trees_all_equal(longer.state, straight.state)
    chex.assert_trees_all_equal(longer.best_state, straight.best_state)


def test_run_stopped_early_stays_stopped_unless_patience_grows(tmp_path):
    def flat(params):
        return {"val_loss": 1.0}

    short, long = (EarlyStopping("val_loss", "min", patience=n) for n in (2, 4))
    assert int(train(tmp_path, evaluate=flat, early_stopping=short).state.step) == 9
    result = train(tmp_path, evaluate=flat, early_stopping=short)
    assert int(result.state.step) == 9 and result.stopped_early
    result = train(tmp_path, evaluate=flat, early_stopping=long)
    assert int(result.state.step) == 15 and len(result.history) == 5 and result.best_step == 3


@pytest.mark.parametrize("at", [3, 5, 8, 40])
@pytest.mark.parametrize("place", ["step", "evaluate"])
def test_ctrl_c_saves_on_the_way_out(tmp_path, at, place):
    """With and without a record or a checkpoint due at that step, in the middle of the step and of the evaluation."""

    def step(state, batch):
        state, metrics = STEP(state, batch)
        if place == "step" and int(state.step) == at:
            signal.raise_signal(signal.SIGINT)
        return state, metrics

    def pressed(params):
        nonlocal count
        count += 1
        if place == "evaluate" and 3 * count >= at:
            signal.raise_signal(signal.SIGINT)
        return evaluate(params)

    count, last = 0, at if place == "step" else min(-(-at // 3) * 3, 40)
    with pytest.raises(KeyboardInterrupt, match=f"stopped after step {last} of 40; .*{tmp_path}"):
        train(tmp_path, step=step, evaluate=pressed)
    assert Checkpointer(tmp_path).steps()[-1] == last
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    resumed, straight = train(tmp_path), train()
    assert resumed.history == straight.history
    chex.assert_trees_all_equal(resumed.state, straight.state)
    chex.assert_trees_all_equal(resumed.best_state, straight.best_state)


def test_ctrl_c_at_once(tmp_path):
    """Without a checkpointer, and the second time."""

    def step(state, batch):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        pytest.fail("went on")

    for folder in (None, tmp_path):
        with pytest.raises(KeyboardInterrupt):
            train(folder, step=step)
    assert not Checkpointer(tmp_path).steps()


def test_ctrl_c_saves_no_step_that_is_not_finite(tmp_path):
    def step(state, batch):
        if int(state.step) == 4:
            signal.raise_signal(signal.SIGINT)
            batch = batch | {"y": np.full(4, np.nan, np.float32)}
        return STEP(state, batch)

    with pytest.raises(FloatingPointError, match="step 5 is not finite"):
        train(tmp_path, step=step)
    assert Checkpointer(tmp_path).steps() == [4]


def test_log_of_a_resumed_run_equals_that_of_a_straight_one(tmp_path):
    train(logger=JsonlLogger(tmp_path / "straight.jsonl"))
    logger = JsonlLogger(tmp_path / "resumed.jsonl")
    with pytest.raises(Killed):
        train(tmp_path / "run", logger=logger, callbacks=[killer(15)])
    train(tmp_path / "run", logger=JsonlLogger(tmp_path / "resumed.jsonl"))
    text = (tmp_path / "resumed.jsonl").read_text()
    assert text == (tmp_path / "straight.jsonl").read_text()
    assert json.loads(text.splitlines()[0])["step"] == 3


@pytest.mark.parametrize("eval_every", [1, 100])
def test_non_finite_step_raises_and_is_never_saved(tmp_path, eval_every):
    good = BATCHES[0]
    bad = good | {"y": np.full(4, np.nan, np.float32)}

    class Scripted(Repeat):
        taken = 0

        def __next__(self):
            self.taken += 1
            return bad if self.taken >= 5 else good

    checkpointer = Checkpointer(tmp_path, keep=9, every=1)
    with pytest.raises(FloatingPointError) as error:
        fit(
            initial(),
            STEP,
            Scripted(None),
            num_steps=20,
            eval_every=eval_every,
            checkpointer=checkpointer,
        )
    message = str(error.value)
    assert message.startswith("step 5 is not finite: loss=nan, grad_norm=nan;")
    assert "non-finite gradients in 1 of 1 parameter arrays: params['w']" in message
    assert "learning_rate" in message and "clip_norm" in message
    assert checkpointer.steps() == [1, 2, 3, 4]


def test_epochs_are_so_many_steps():
    options = {"early_stopping": None, "checkpointer": None}
    epochs = train(num_steps=None, num_epochs=8, eval_every=2, **options)
    steps = train(num_steps=40, eval_every=10, **options)
    assert epochs.history == steps.history
    assert [record["step"] for record in epochs.history] == [10, 20, 30, 40]
    chex.assert_trees_all_equal(epochs.state, steps.state)
    assert int(fit(initial(), STEP, BATCHES, num_epochs=1).state.step) == 5
    assert int(fit(initial(), STEP, Repeat(BATCHES[0]), num_epochs=3).state.step) == 3


def test_an_epoch_that_ends_is_resumed_where_it_was(tmp_path):
    class Once(ShuffledBatches):
        """Begins anew with `iter`, as batches for evaluation do."""

        def __iter__(self):
            self._start(epoch=0, position=0)
            return self

        def __next__(self):
            if self._position == len(self):
                raise StopIteration
            return super().__next__()

    options = {"num_steps": 5, "checkpointer": Checkpointer(tmp_path)}
    fit(initial(), STEP, Once(BATCHES, 0), **options | {"num_steps": 2})
    resumed = fit(initial(), STEP, Once(BATCHES, 0), **options)
    chex.assert_trees_all_equal(
        resumed.state, fit(initial(), STEP, Once(BATCHES, 0), num_epochs=1).state
    )
    with pytest.raises(ValueError, match="batches ended after step 5 of num_steps=6"):
        fit(initial(), STEP, Once(BATCHES, 0), **options | {"num_steps": 6})


def test_errors(tmp_path):
    with pytest.raises(ValueError, match="num_steps must be a positive integer"):
        fit(initial(), STEP, Repeat(BATCHES[0]), num_steps=0)
    with pytest.raises(ValueError, match="eval_every must be a positive integer"):
        fit(initial(), STEP, Repeat(BATCHES[0]), num_steps=1, eval_every=0)
    with pytest.raises(ValueError, match="num_epochs must be a positive integer"):
        fit(initial(), STEP, Repeat(BATCHES[0]), num_epochs=0)
    for numbers in ({}, {"num_steps": 1, "num_epochs": 1}):
        with pytest.raises(ValueError, match="one of num_steps and num_epochs must be given"):
            fit(initial(), STEP, Repeat(BATCHES[0]), **numbers)
    with pytest.raises(ValueError, match=r"batches must have a length.* got list_iterator"):
        fit(initial(), STEP, iter(BATCHES), num_epochs=1)
    with pytest.raises(ValueError, match="batches ended after step 5 of num_steps=6"):
        fit(initial(), STEP, BATCHES, num_steps=6)
    with pytest.raises(ValueError, match=r"batches must be a DataIterator .* got list"):
        fit(initial(), STEP, BATCHES, num_steps=2, checkpointer=Checkpointer(tmp_path))
    with pytest.raises(ValueError, match=r"evaluate must not return .*\['loss'\].*\['val_loss'\]"):
        train(evaluate=lambda params: {"loss": 0.0})
    with pytest.raises(ValueError, match=r"evaluate must return a dict .* got float 0.5"):
        train(evaluate=lambda params: 0.5)
    train(tmp_path, num_steps=4)
    with pytest.raises(ValueError, match=r"monitors \['kept'\], the run .* \['val_loss'\]"):
        train(tmp_path, early_stopping=EarlyStopping("kept"))
    with pytest.raises(ValueError, match=r"monitors \[\], the run .* \['val_loss'\]"):
        train(tmp_path, early_stopping=None)


def test_evaluation_gets_the_model_state():
    def loss(params, seen, batch, dropout_key):
        return l2_loss(batch["x"] @ params["w"], batch["y"]), {}, seen + 1

    state = init_train_state(
        {"w": jnp.zeros(3)}, OPTIMIZER, jax.random.key(0), model_state=jnp.zeros((), jnp.int32)
    )
    result = fit(
        state,
        make_train_step(loss, OPTIMIZER),
        Repeat(BATCHES[0]),
        num_steps=4,
        eval_every=2,
        evaluate=lambda params, seen: {"seen": int(seen)},
    )
    assert [record["seen"] for record in result.history] == [2, 4]
