"""The training loop: steps, evaluations, early stopping, checkpoints that resume bit for bit."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence, Sized
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax import _checks
from graphattn_jax.training._batches import DataIterator
from graphattn_jax.training._checkpoint import Checkpointer
from graphattn_jax.training._early_stopping import EarlyStopping
from graphattn_jax.training._interrupt import held_interrupts
from graphattn_jax.training._logging import Logger
from graphattn_jax.training._progress import Progress, restore, save
from graphattn_jax.training._steps import TrainState, TrainStep
from graphattn_jax.typing import Params

Callback = Callable[[int, dict[str, float]], None]


class FitResult(NamedTuple):
    """What `fit` returns.

    `best_state` is the state that early stopping kept, after step `best_step`; without early
    stopping, or when no evaluation was worth keeping, it is `state` and `best_step` is None.
    `history` holds the records in order, each with its "step".
    """

    state: TrainState
    best_state: TrainState
    best_step: int | None
    history: list[dict[str, float]]
    stopped_early: bool


def fit(
    state: TrainState,
    train_step: TrainStep,
    batches: Iterable[Any],
    *,
    num_steps: int | None = None,
    num_epochs: int | None = None,
    evaluate: Callable[..., dict[str, float]] | None = None,
    eval_every: int = 1,
    early_stopping: EarlyStopping | None = None,
    checkpointer: Checkpointer | None = None,
    new_optimizer: bool = False,
    logger: Logger | None = None,
    callbacks: Sequence[Callback] = (),
) -> FitResult:
    """Train until step `num_steps`, or through `num_epochs` epochs, or until early stopping says so.

    Every `eval_every` steps (or epochs) and at the last step a record is made: the training metrics since
    the last one (`loss` and the auxiliary pairs averaged over what they count, `grad_norm` and `loss_scale`
    over steps), what `evaluate` returns, and the `waiting` of `prefetch`. Records go to the history, early stopping,
    the logger and the callbacks, in this order.

    With a checkpointer that holds a checkpoint the run continues from there, bit for bit as if
    it had never stopped: parameters, optimiser, key, step, data position, training averages,
    patience, best state and history. A new run needs an empty directory. Ctrl-C then ends the run
    behind the step that it is in, saved; a second one ends it at once, with what was saved before.

    Args:
      state: from `init_train_state`; it stays readable, the loop works on a copy.
      train_step: from `make_train_step`.
      batches: a `DataIterator` such as `Repeat`, `ShuffledBatches` or `GraphBatches`; without a checkpointer any
        iterable with enough batches.
      num_steps: the step to train to, counted from the very start of the run.
      num_epochs: instead of `num_steps`: `len(batches)` steps each.
      evaluate: `evaluate(params)`, or `evaluate(params, model_state)` for a state that has one, gives a dict
        of numbers, e.g. `{"val_accuracy": 0.8}`.
      eval_every: steps between records; epochs with `num_epochs`.
      early_stopping: which state to keep and when to stop. None = neither.
      checkpointer: saves every `checkpointer.every` steps and at the end.
      new_optimizer: the checkpoint may be of a run with another optimiser, whose state does not fit: then that of
        `state` begins, its schedule too. From its first checkpoint on the run continues as ever.
      logger: anything with `log(step, metrics)`.
      callbacks: functions `callback(step, metrics)`, e.g. from `progress_bar`.

    Returns:
      `FitResult`.

    Raises:
      FloatingPointError: a step had a non-finite loss or gradient; the message names the step
        and the parameters concerned. Nothing is saved after such a step.
      KeyboardInterrupt: Ctrl-C.
      ValueError: a number is not positive, `batches` ends early or has no length or position that is needed,
        `evaluate` reuses a name of the training metrics, or a checkpoint is damaged or does not
        fit.

    Cost: one train step is always in flight while the host looks at the one before.

    Example:
      >>> import graphattn_jax as ga, jax, jax.numpy as jnp
      >>> def loss_fn(params, batch, dropout_key):
      ...     return ga.losses.l2_loss(params["w"] * batch["x"], batch["y"])
      >>> optimizer = ga.training.make_optimizer(0.1)
      >>> state = ga.training.init_train_state(
      ...     {"w": jnp.zeros(())}, optimizer, jax.random.key(0))
      >>> result = ga.training.fit(
      ...     state,
      ...     ga.training.make_train_step(loss_fn, optimizer),
      ...     ga.training.Repeat({"x": jnp.ones(4), "y": jnp.full(4, 2.0)}),
      ...     num_steps=200,
      ...     evaluate=lambda params: {"error": abs(float(params["w"]) - 2.0)},
      ...     early_stopping=ga.training.EarlyStopping("error", "min", patience=20),
      ... )
      >>> print(round(float(result.best_state.params["w"]), 1), result.stopped_early)
      2.0 True
    """
    _checks.instance(
        "state", state, TrainState, "ga.training.init_train_state(params, optimizer, key)"
    )
    _checks.function("train_step", train_step)
    num_steps, eval_every = _in_steps(batches, num_steps, num_epochs, eval_every)
    if checkpointer is not None and not isinstance(batches, DataIterator):
        raise ValueError(
            "batches must be a DataIterator for a run with a checkpointer, so that its position "
            f"is saved too, got {type(batches).__name__}. Fix: ga.training.Repeat(batch) or "
            "ga.training.ShuffledBatches(list_of_batches, seed)."
        )

    state = _copy(state)  # the step may donate its buffers
    best_state = state
    progress = Progress(early_stopping.init()) if early_stopping else Progress()
    stream = iter(batches)  # which may begin anew: before it goes to a saved position
    if checkpointer is not None and checkpointer.steps():
        state, best_state, progress = restore(
            checkpointer, batches, state, progress, new_optimizer=new_optimizer
        )

    step = saved = int(state.step)
    in_flight: tuple[int, dict[str, Any]] | None = None
    stopped = early_stopping is not None and early_stopping.done(progress.patience)
    with held_interrupts(checkpointer is not None) as interrupted:
        while step < num_steps and not stopped and not interrupted():
            try:
                batch = next(stream)
            except StopIteration:
                raise ValueError(
                    f"batches ended after step {step} of num_steps={num_steps}. Fix: an endless "
                    "iterator such as ga.training.ShuffledBatches(list_of_batches, seed)."
                ) from None
            state, metrics = train_step(state, batch)
            step += 1
            if in_flight is not None:
                _absorb(progress.sums, *in_flight, state.params)
            in_flight = step, metrics

            recording = step % eval_every == 0 or step == num_steps
            saving = checkpointer is not None and (
                step % checkpointer.every == 0 or step == num_steps
            )
            if recording or saving:
                _absorb(progress.sums, *in_flight, state.params)
                in_flight = None
            if recording:
                record = _record(progress.sums, evaluate(*_variables(state)) if evaluate else {})
                if measured := getattr(batches, "metrics", None):
                    record |= measured()
                progress.sums = {}
                progress.history.append({"step": step, **record})
                if early_stopping is not None:
                    progress.patience, keep = early_stopping.update(progress.patience, record)
                    stopped = early_stopping.done(progress.patience)
                    if keep:
                        best_state, progress.best_step = _copy(state), step
                if logger is not None:
                    logger.log(step, record)
                for callback in callbacks:
                    callback(step, record)
            if checkpointer is not None and (saving or stopped):
                save(checkpointer, step, state, best_state, batches, progress)
                saved = step
        if checkpointer is not None and interrupted():
            if step > saved:
                if in_flight is not None:
                    _absorb(progress.sums, *in_flight, state.params)
                save(checkpointer, step, state, best_state, batches, progress)
            raise KeyboardInterrupt(
                f"stopped after step {step} of {num_steps}; the same call goes on from {checkpointer.directory}"
            )

    if progress.best_step is None:
        best_state = state
    return FitResult(state, best_state, progress.best_step, progress.history, stopped)


def _in_steps(
    batches: Any, num_steps: int | None, num_epochs: int | None, eval_every: int
) -> tuple[int, int]:
    """`num_steps` and `eval_every` in steps."""
    if (num_steps is None) == (num_epochs is None):
        raise ValueError(
            f"one of num_steps and num_epochs must be given, got num_steps={num_steps}, num_epochs={num_epochs}."
        )
    _checks.positive("eval_every", eval_every)
    if num_steps is not None:
        _checks.positive("num_steps", num_steps)
        return num_steps, eval_every
    _checks.positive("num_epochs", num_epochs)
    if not isinstance(batches, Sized):
        raise ValueError(
            f"batches must have a length, the batches of an epoch, for num_epochs; got {type(batches).__name__}. "
            "Fix: num_steps=, or one of the iterators of ga.training."
        )
    return num_epochs * len(batches), eval_every * len(batches)  # pyright: ignore[reportOptionalOperand]


def _variables(state: TrainState) -> tuple[Any, ...]:
    return (state.params,) if state.model_state is None else (state.params, state.model_state)


def _copy(state: TrainState) -> TrainState:
    return jax.tree.map(jnp.copy, state)


def _absorb(
    sums: dict[str, tuple[float, float]], step: int, metrics: dict[str, Any], params: Params
) -> None:
    """Add a step's metrics to the running `(sum, count)` pairs; a non-finite step raises."""
    values = jax.device_get(metrics)
    if not values.pop("finite", True):
        raise FloatingPointError(_diverged(step, values, params))
    values.pop("finite_leaves", None)
    count = float(values.pop("count"))
    per_step = ("grad_norm", "loss_scale") if "loss_scale" in values else ("grad_norm",)
    of_steps = {name: (float(values.pop(name)), 1.0) for name in per_step}
    if values.pop("skipped", False):
        of_steps["grad_norm"] = (0.0, 0.0)  # of no step
    pairs = {"loss": (float(values.pop("loss")) * count, count), **of_steps, **values}
    for name, (total, count) in pairs.items():
        old_total, old_count = sums.get(name, (0.0, 0.0))
        sums[name] = old_total + float(total), old_count + float(count)


def _record(sums: dict[str, tuple[float, float]], evaluated: dict[str, float]) -> dict[str, float]:
    if not isinstance(evaluated, dict):
        raise ValueError(
            "evaluate must return a dict of numbers by metric name, got "
            f"{_checks.describe(evaluated)}."
        )
    record = {name: total / count if count else math.nan for name, (total, count) in sums.items()}
    taken = sorted((record.keys() | {"step"}) & evaluated.keys())
    if taken:
        raise ValueError(
            f"evaluate must not return names of the training metrics, got {taken}. "
            f"Fix: call them {['val_' + name for name in taken]}."
        )
    return record | {name: float(value) for name, value in evaluated.items()}


def _diverged(step: int, values: dict[str, Any], params: Params) -> str:
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(params)]
    bad = [path for path, finite in zip(paths, values["finite_leaves"]) if not finite]
    shown = ", ".join(f"params{path}" for path in bad[:5]) + (", ..." if len(bad) > 5 else "")
    return (
        f"step {step} is not finite: loss={float(values['loss'])}, "
        f"grad_norm={float(values['grad_norm'])}; non-finite gradients in {len(bad)} of "
        f"{len(paths)} parameter arrays{': ' + shown if bad else ''}. The parameters are still "
        "those before this step. Try: a lower learning_rate, clip_norm=1.0, warmup_steps; look "
        "for NaN and for labels out of range in the batch, and for categories with "
        "network.check(batch); jax.debug_nans(True) names the operation."
    )
