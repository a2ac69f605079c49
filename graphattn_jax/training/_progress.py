"""What a run of `fit` remembers, in a checkpoint and back."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import jax
import jax.numpy as jnp

from graphattn_jax.training._checkpoint import Checkpointer
from graphattn_jax.training._early_stopping import Patience
from graphattn_jax.training._steps import TrainState
from graphattn_jax.typing import Params


@dataclass
class Progress:
    """What the loop itself remembers. With the train state and the data position: everything."""

    patience: Patience = field(default_factory=lambda: Patience({}, 0))
    sums: dict[str, tuple[float, float]] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)
    best_step: int | None = None


def save(
    checkpointer: Checkpointer,
    step: int,
    state: TrainState,
    best_state: TrainState,
    batches: Any,
    progress: Progress,
) -> None:
    """Write a checkpoint between two steps."""
    if progress.best_step is None:
        best_state = state  # none yet, and the initial one may have been donated
    extra = {"data": batches.state_dict(), "progress": asdict(progress)}
    checkpointer.save(step, _tree(state, best_state, progress), extra)


def restore(
    checkpointer: Checkpointer,
    batches: Any,
    state: TrainState,
    progress: Progress,
    *,
    new_optimizer: bool,
) -> tuple[TrainState, TrainState, Progress]:
    """The latest checkpoint. `batches` goes to its position.

    Args:
      checkpointer: it holds one.
      batches: as those of the saved run.
      state: of the structure that is wanted.
      progress: that of a new run.
      new_optimizer: where the saved state of the optimiser does not fit, take that of `state`.

    Returns:
      The state, the best state and the progress.

    Raises:
      ValueError: the checkpoint is damaged or does not fit.
    """
    misfit = None
    try:
        tree, extra = checkpointer.restore(_tree(state, state, progress))
    except ValueError as error:
        rest = state._replace(opt_state=None)
        tree, extra = checkpointer.restore(_tree(rest, rest, progress), partial=True)
        new = {name: jax.tree.map(jnp.copy, state.opt_state) for name in tree}  # steps donate it
        tree = {name: saved._replace(opt_state=new[name]) for name, saved in tree.items()}
        misfit = error
    saved = Progress(**extra["progress"])
    saved.patience = Patience(*saved.patience)
    if saved.patience.best.keys() != progress.patience.best.keys():
        raise ValueError(
            f"early_stopping monitors {list(progress.patience.best)}, the run saved in "
            f"{checkpointer.directory} monitored {list(saved.patience.best)}. Fix: monitor the "
            "same metrics, or start a new run in an empty directory."
        )
    if misfit is not None and not new_optimizer:
        raise ValueError(
            f"{checkpointer.directory} holds a run with another optimizer: {misfit} To go on with a new one: "
            "fit(..., new_optimizer=True)."
        ) from misfit
    batches.load_state_dict(extra["data"])
    return tree["state"], tree.get("best_state", tree["state"]), saved


def restore_params(
    checkpointer: Checkpointer,
    params: Params,
    model_state: Any = None,
    *,
    step: int | None = None,
    best: bool = True,
) -> tuple[Params, Any]:
    """The parameters and the model state of a run of `fit`, from a checkpoint and without its optimiser.

    Args:
      checkpointer: `Checkpointer(directory)` of the run.
      params, model_state: trees of the wanted structure, shapes and dtypes, such as from `network.init`; their values
        are not read. None = without a model state.
      step: which checkpoint; None = the latest.
      best: the state that early stopping had kept by then, where it had; False = that of the step itself.

    Returns:
      `(params, model_state)`.

    Raises:
      ValueError: there is no such checkpoint, it is damaged (the message names the file), or it does not fit (the
        message names the leaf).

    Cost: reading these arrays; hashing all of the checkpoint, twice if `best`.

    Example:
      >>> import graphattn_jax as ga, jax, jax.numpy as jnp, tempfile
      >>> step = ga.training.make_train_step(
      ...     lambda params, batch, key: ga.losses.l2_loss(params, batch), optimizer := ga.training.make_optimizer(0.1))
      >>> state = ga.training.init_train_state(jnp.zeros(1), optimizer, jax.random.key(0))
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     checkpointer = ga.training.Checkpointer(folder)
      ...     _ = ga.training.fit(state, step, ga.training.Repeat(jnp.ones(1)), num_steps=3, checkpointer=checkpointer)
      ...     params, model_state = ga.training.restore_params(checkpointer, jnp.zeros(1))
      >>> print(params.round(1), model_state)
      [0.3] None
    """
    wanted: Any = TrainState(params, None, None, None, model_state)  # pyright: ignore[reportArgumentType]
    tree, extra = checkpointer.restore({"state": wanted}, step=step, partial=True)
    if best and extra["progress"]["best_step"] is not None:
        tree, _ = checkpointer.restore({"best_state": wanted}, step=step, partial=True)
    (state,) = tree.values()
    return state.params, state.model_state


def _tree(state: TrainState, best_state: TrainState, progress: Progress) -> dict[str, TrainState]:
    monitoring = bool(progress.patience.best)
    return {"state": state, "best_state": best_state} if monitoring else {"state": state}
