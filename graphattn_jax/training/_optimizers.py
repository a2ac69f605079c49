"""Adam with the options that the published graph-attention recipes use."""

from __future__ import annotations

from typing import Literal

import numpy as np
import optax

from graphattn_jax import _checks


def make_optimizer(
    learning_rate: float,
    *,
    weight_decay: float = 0.0,
    decoupled: bool = False,
    clip_norm: float | None = None,
    schedule: Literal["constant", "cosine", "linear"] = "constant",
    warmup_steps: int = 0,
    total_steps: int | None = None,
) -> optax.GradientTransformation:
    """Adam or AdamW with clipping and a learning-rate schedule.

    The rate rises linearly from 0 over `warmup_steps`, then stays ("constant") or falls to 0 at
    `total_steps` along half a cosine or a line. In order: clip the gradient of the loss, add
    the L2 term, Adam, decoupled decay, rate.

    Args:
      learning_rate: peak rate, > 0.
      weight_decay: >= 0. As L2 the gradient gains `weight_decay * params` before Adam (the
        recipe of the GAT paper, `torch.optim.Adam`).
      decoupled: decay by `rate * weight_decay * params` after Adam instead (AdamW, the recipe
        of graph transformers).
      clip_norm: largest Euclidean norm of the whole gradient; longer ones are scaled down.
        None = no clipping.
      schedule: "constant", "cosine" or "linear".
      warmup_steps: steps of linear warm-up, 0 for none.
      total_steps: length of the run including warm-up; "cosine" and "linear" need it.

    Returns:
      An optax transformation.

    Raises:
      ValueError: a value is out of range, or `total_steps` is missing or too small.

    Example:
      >>> import graphattn_jax as ga, jax, jax.numpy as jnp
      >>> optimizer = ga.training.make_optimizer(5e-3, weight_decay=5e-4)   # GAT on Cora
      >>> step = ga.training.make_train_step(
      ...     lambda params, batch, dropout_key: ga.losses.l2_loss(params, batch), optimizer)
      >>> state = ga.training.init_train_state(jnp.ones(1), optimizer, jax.random.key(0))
      >>> state, _ = step(state, jnp.zeros(1))
      >>> print(round(float(state.params[0]), 6))
      0.995

    Source: Kingma, Ba, "Adam", ICLR 2015; Loshchilov, Hutter, "Decoupled Weight Decay
    Regularization", ICLR 2019 (AdamW, cosine).
    """
    for name, value in (
        ("learning_rate", learning_rate),
        ("weight_decay", weight_decay),
        ("clip_norm", 1 if clip_norm is None else clip_norm),
    ):
        if isinstance(value, (bool, str)) or not np.isscalar(value):
            raise ValueError(
                f"{name} must be a number, got {_checks.describe(value)}. "
                "Fix: schedule= and warmup_steps= for a rate that changes."
            )
    if not learning_rate > 0:
        raise ValueError(f"learning_rate must be positive, got {learning_rate!r}.")
    if not weight_decay >= 0:
        raise ValueError(f"weight_decay must be 0 or positive, got {weight_decay!r}.")
    if clip_norm is not None and not clip_norm > 0:
        raise ValueError(f"clip_norm must be positive, or None for no clipping, got {clip_norm!r}.")

    decay = [optax.add_decayed_weights(weight_decay)] if weight_decay else []
    return optax.chain(
        *([optax.clip_by_global_norm(clip_norm)] if clip_norm is not None else []),
        *([] if decoupled else decay),
        optax.scale_by_adam(),
        *(decay if decoupled else []),
        optax.scale_by_learning_rate(_schedule(learning_rate, schedule, warmup_steps, total_steps)),
    )


def _schedule(
    peak: float, schedule: str, warmup_steps: int, total_steps: int | None
) -> optax.Schedule:
    _checks.choice("schedule", schedule, ["constant", "cosine", "linear"])
    if isinstance(warmup_steps, bool) or not isinstance(warmup_steps, (int, np.integer)):
        raise ValueError(f"warmup_steps must be an integer, got {_checks.describe(warmup_steps)}.")
    if warmup_steps < 0:
        raise ValueError(f"warmup_steps must be 0 or positive, got {warmup_steps}.")
    if schedule == "constant":
        after = optax.constant_schedule(peak)
    else:
        if total_steps is None or total_steps <= warmup_steps:
            raise ValueError(
                f"schedule={schedule!r} needs total_steps > warmup_steps, got "
                f"total_steps={total_steps}, warmup_steps={warmup_steps}."
            )
        steps = total_steps - warmup_steps
        after = (
            optax.cosine_decay_schedule(peak, steps)
            if schedule == "cosine"
            else optax.linear_schedule(peak, 0.0, steps)
        )
    if not warmup_steps:
        return after
    warmup = optax.linear_schedule(0.0, peak, warmup_steps)
    return optax.join_schedules([warmup, after], [warmup_steps])
