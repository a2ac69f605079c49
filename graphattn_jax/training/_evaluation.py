"""Jitted evaluation steps over `(sum, count)` metrics, and their means over all batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import jax
from jax.sharding import Mesh

from graphattn_jax import _checks
from graphattn_jax.metrics import mean_from_sums
from graphattn_jax.ops import sum_over_batch
from graphattn_jax.training._devices import over_devices
from graphattn_jax.training._steps import Pair, check_pairs
from graphattn_jax.typing import Params

MetricFn = Callable[..., dict[str, Pair]]


def make_eval_step(metric_fn: MetricFn, *, devices: Mesh | str | None = None) -> MetricFn:
    """A jitted evaluation of one batch.

    Args:
      metric_fn: `metric_fn(params, batch)`, or `metric_fn(params, model_state, batch)` for a model that has a state,
        returns a dict of `(sum, count)` pairs.
      devices: as in `make_train_step`; the batch is then a stack of one part for each device.

    Returns:
      `eval_step`, which takes and returns the same. Merge batches with `evaluate`.

    Raises:
      ValueError: (at the first call) `metric_fn` returns something else.

    Cost: one forward pass; one compilation per shape of `batch`.

    Example:
      >>> import graphattn_jax as ga, jax.numpy as jnp
      >>> def metric_fn(params, batch):
      ...     return {"mae": ga.metrics.mean_absolute_error(params * batch["x"], batch["y"])}
      >>> eval_step = ga.training.make_eval_step(metric_fn)
      >>> batch = {"x": jnp.ones(2), "y": jnp.array([2.0, 4.0])}
      >>> total, count = eval_step(jnp.array(1.0), batch)["mae"]
      >>> print(float(total), float(count))
      4.0 2.0
    """

    def eval_step(*params_state_batch: Any) -> dict[str, Pair]:
        metrics = metric_fn(*params_state_batch)
        check_pairs("metric_fn", metrics)
        return sum_over_batch(metrics)

    return over_devices(eval_step, devices, 1, donate=False)


def evaluate(
    eval_step: MetricFn, params: Params, batches: Iterable[Any], *, model_state: Any = None
) -> dict[str, float]:
    """Means of the metrics over all batches, each divided once.

    Args:
      eval_step: from `make_eval_step`.
      params: pytree of arrays.
      batches: finite iterable of batches; the last may be smaller.
      model_state: for a model that has one: `eval_step(params, model_state, batch)` is called.

    Returns:
      Metric name -> mean as a Python float.

    Raises:
      ValueError: `batches` is empty, or has no end.

    Cost: one `eval_step` per batch; waits for the device once, at the end.

    Example:
      >>> import graphattn_jax as ga, jax.numpy as jnp
      >>> eval_step = ga.training.make_eval_step(
      ...     lambda params, batch: {"mae": ga.metrics.mean_absolute_error(batch - params, batch)})
      >>> ga.training.evaluate(eval_step, jnp.ones(()), [jnp.zeros(3), jnp.zeros(1)])
      {'mae': 1.0}
    """
    _checks.function("eval_step", eval_step)
    if getattr(batches, "is_endless", False):
        raise ValueError(
            f"batches must end, got an endless {type(batches).__name__}. "
            "Fix: GraphBatches(..., seed=None) for one epoch in order, or a list of batches."
        )
    if not isinstance(batches, Iterable):
        raise ValueError(f"batches must be an iterable, got {_checks.describe(batches)}.")
    variables = (params,) if model_state is None else (params, model_state)
    results = jax.device_get([eval_step(*variables, batch) for batch in batches])
    if not results:
        raise ValueError("batches must hold at least one batch, got none.")
    return {name: mean_from_sums(result[name] for result in results) for name in results[0]}
