"""Jitted train steps over `(sum, count)` losses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh

from graphattn_jax import _checks
from graphattn_jax.graphs import GraphsTuple
from graphattn_jax.ops import BATCH_AXIS, sum_over_batch
from graphattn_jax.training._devices import over_devices
from graphattn_jax.typing import Array, Params, PRNGKey

Pair = tuple[Array, Array]
LossFn = Callable[..., Any]
TrainStep = Callable[["TrainState", Any], tuple["TrainState", dict[str, Any]]]

_STEP_METRICS = (
    "loss",
    "count",
    "grad_norm",
    "finite",
    "finite_leaves",
    "step",
    "loss_scale",
    "skipped",
)

_GROWTH_INTERVAL = 2000
"""Good steps before the loss scale is doubled; this and the factors are those of PyTorch's `GradScaler`."""


class LossScale(NamedTuple):
    """scale: what the gradient is multiplied by on its way through float16. good_steps: since it last changed."""

    scale: Array
    good_steps: Array


class TrainState(NamedTuple):
    """All that a step reads and writes; with the data position, all that a resumed run needs.

    `key` never changes: the dropout key of a step is `fold_in(key, step)`. `model_state` holds what the model updates
    without a gradient, the running statistics of batch norms; None for models without. `loss_scale` is None unless the
    gradient passes through float16.
    """

    params: Params
    opt_state: Any
    key: PRNGKey
    step: Array
    model_state: Any = None
    loss_scale: LossScale | None = None


def init_train_state(
    params: Params,
    optimizer: optax.GradientTransformation,
    key: PRNGKey,
    *,
    model_state: Any = None,
    loss_scale: float | None = None,
) -> TrainState:
    """The state before the first step.

    Args:
      params: pytree of float arrays.
      optimizer: any optax transformation, e.g. from `make_optimizer`.
      key: typed key from `jax.random.key`, the source of all dropout keys of the run.
      model_state: pytree of arrays that `loss_fn` reads and renews, or None.
      loss_scale: the first scale of the loss, such as 2.0**15, for a `loss_fn` that computes in float16, whose smallest
        number is 6e-8; bfloat16 needs none. Steps halve it where the gradient overflows, double it after 2,000 that did
        not, and divide the gradient by it. None = no scale.

    Returns:
      `TrainState` with `step` an int32 zero; it shares no buffers with the arguments.

    Raises:
      ValueError: `key` is not one typed key, or the scale is below 1.

    Example:
      >>> import graphattn_jax as ga, jax, jax.numpy as jnp
      >>> optimizer = ga.training.make_optimizer(0.01)
      >>> state = ga.training.init_train_state({"w": jnp.ones(3)}, optimizer, jax.random.key(0))
      >>> int(state.step)
      0
    """
    typed = hasattr(key, "dtype") and jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    if not typed or key.shape != ():
        raise ValueError(
            f"key must be one typed key, got {_checks.describe(key)}. Fix: jax.random.key(seed)."
        )
    _check_optimizer(optimizer)
    params, model_state = jax.tree.map(jnp.asarray, (params, model_state))
    for path, x in jax.tree_util.tree_leaves_with_path(params):
        if not jnp.issubdtype(x.dtype, jnp.inexact):
            raise ValueError(
                f"params{jax.tree_util.keystr(path)} must be floating point, for it gets a gradient, got "
                f"{_checks.describe(x)}. Fix: .astype(jnp.float32), or model_state= for what is not trained."
            )
    step, scale = jnp.zeros((), jnp.int32), None
    if loss_scale is not None:
        if not _checks.is_number(loss_scale) or not 1 <= loss_scale < 2.0**127:
            raise ValueError(
                f"loss_scale must be a number from 1 on, got {_checks.describe(loss_scale)}. "
                "Fix: 2.0**15, or None without float16."
            )
        scale = LossScale(jnp.asarray(loss_scale, jnp.float32), step)
    state = TrainState(params, optimizer.init(params), key, step, model_state, scale)
    return jax.tree.map(jnp.copy, state)  # own buffers: a step that donates them hurts no one


def make_train_step(
    loss_fn: LossFn,
    optimizer: optax.GradientTransformation,
    *,
    devices: Mesh | str | None = None,
    accumulate: int = 1,
    compute_dtype: Any = None,
    donate: bool = True,
    check_finite: bool = True,
) -> TrainStep:
    """A jitted step down the gradient of `sum / max(count, 1)`.

    With D devices, or A parts that are accumulated on each, the batch is a stack of D A parts of one budget (leaves
    `[D A, ...]`, from `stack_batches` or `GraphBatches(parts=)`), consecutive ones on one device. Sums and counts are
    added over all of them and divided once, so that the step is that of one device with all graphs in one batch, to
    rounding and but for dropout. Statistics of `ga.nn.batch_norm` are those of all devices; of parts that are
    accumulated each has its own, one after the other.

    A step whose loss or gradient is not finite leaves `params`, `opt_state` and `model_state` as they were and
    says so in its metrics, without waiting for the device; `fit` turns it into an error. With a `loss_scale` in the
    state a gradient that is not finite is one that overflowed: the step is skipped, the scale halved, and only when it
    has come down to 1 the step is not finite.

    Args:
      loss_fn: `loss_fn(params, batch, dropout_key)` returns the float32 pair `(sum, count)`, or
        `((sum, count), aux)` with `aux` a dict of further `(sum, count)` pairs to report. With a model state:
        `loss_fn(params, model_state, batch, dropout_key)` returns `((sum, count), aux, model_state)`.
      optimizer: any optax transformation; one that reads the loss, such as `optax.contrib.reduce_on_plateau` or
        `optax.polyak_sgd`, gets this batch's as `value=`, and its gradient as `grad=`.
      devices: from `device_mesh`, for `jax.jit` with `jax.shard_map`; "pmap" for `jax.pmap` over the devices of this
        process; None = one device. In a mesh of several processes each gives its own parts of the batch.
      accumulate: A, parts of the batch that a device computes one after the other, in the memory of one.
      compute_dtype: "bfloat16" or "float16" for what `loss_fn` computes with: the parameters, and the features of nodes
        and edges of every graph in the batch, are cast to it. Parameters, gradients, labels in `globals` and the
        optimiser stay as they are. None = as they are.
      donate: reuse the buffers of the state passed in, which is then no longer readable.
      check_finite: guard against non-finite losses and gradients, at one pass over both.

    Returns:
      `step(state, batch) -> (state, metrics)`. `metrics` holds the scalars `loss` (the mean),
      `count`, `grad_norm`, with `check_finite` also `finite` (bool) and `finite_leaves` (bool,
      one per leaf of the gradient in `jax.tree.leaves` order), with a loss scale `loss_scale` and `skipped` (bool), and
      the pairs of `aux`.
      `step` advances in any case.

    Raises:
      ValueError: (at the first call) `loss_fn` returns something else, or the optimiser evaluates the loss itself, as
        the line search of `optax.lbfgs` does; a batch without its parts.

    Cost: one forward and backward pass of `loss_fn`; one compilation per shape of `batch`. Over devices, one all-reduce
      of the size of the parameters, and one of the count.
    Padding: that of `loss_fn`; a batch that counts nothing has a zero gradient.

    Example:
      >>> import graphattn_jax as ga, jax, jax.numpy as jnp
      >>> def loss_fn(params, batch, dropout_key):
      ...     return ga.losses.l2_loss(params["w"] * batch["x"], batch["y"])
      >>> optimizer = ga.training.make_optimizer(0.1)
      >>> state = ga.training.init_train_state(
      ...     {"w": jnp.zeros(())}, optimizer, jax.random.key(0))
      >>> step = ga.training.make_train_step(loss_fn, optimizer)
      >>> state, metrics = step(state, {"x": jnp.ones(4), "y": jnp.full(4, 2.0)})
      >>> print(float(metrics["loss"]), float(metrics["grad_norm"]), int(state.step))
      4.0 4.0 1
    """
    _checks.function("loss_fn", loss_fn)
    _check_optimizer(optimizer)
    _checks.positive("accumulate", accumulate)
    _checks.choice("compute_dtype", compute_dtype, (None, "bfloat16", "float16"))
    optimizer = optax.with_extra_args_support(optimizer)

    def part(state: TrainState, batch: Any, key: PRNGKey, cotangent: Array | None) -> Any:
        """Loss, count, gradient and aux of one part, and the new model state; None = the gradient of the mean."""

        def loss_sum(params: Params) -> tuple[Array, tuple[Array, dict[str, Pair], Any]]:
            params, data = _in_dtype(params, batch, compute_dtype)
            if state.model_state is None:
                result, model_state = loss_fn(params, data, key), None
            else:
                loss, aux, model_state = loss_fn(params, state.model_state, data, key)
                _check_model_state(state.model_state, model_state)
                result = loss, aux
            (total, count), aux = _split_loss(result)
            return total, (count, aux, model_state)

        # The mean enters as the cotangent: over devices, counts are summed before this division
        # and gradients after it.
        total, pullback, (count, aux, model_state) = jax.vjp(loss_sum, state.params, has_aux=True)
        count = sum_over_batch(count)
        cotangent = _inverse(count) if cotangent is None else cotangent
        (grads,) = pullback(cotangent * _scale_of(state))
        return (total, count, grads, aux), model_state

    def accumulated(state: TrainState, parts: Any, key: PRNGKey) -> Any:
        """The same over several parts, one after the other."""
        one = jnp.ones(())

        def add(carry: Any, place: Any) -> tuple[Any, None]:
            (model_state, sums), (index, batch) = carry, place
            own = jax.random.fold_in(key, index)
            new, model_state = part(state._replace(model_state=model_state), batch, own, one)
            return (model_state, jax.tree.map(jnp.add, sums, new)), None

        first = jax.tree.map(lambda x: x[0], parts)
        shapes, _ = jax.eval_shape(part, state, first, key, one)
        zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
        places = jnp.arange(accumulate), parts
        (model_state, sums), _ = jax.lax.scan(add, (state.model_state, zeros), places)
        total, count, grads, aux = sums
        return (
            total,
            count,
            jax.tree.map(lambda g: g * _inverse(count).astype(g.dtype), grads),
            aux,
        ), model_state

    def step(state: TrainState, batch: Any) -> tuple[TrainState, dict[str, Any]]:
        key = jax.random.fold_in(state.key, state.step)
        if devices is not None:
            key = jax.random.fold_in(key, jax.lax.axis_index(BATCH_AXIS))
        if accumulate == 1:
            (total, count, grads, aux), model_state = part(state, batch, key, None)
        else:
            (total, count, grads, aux), model_state = accumulated(state, batch, key)
        total, grads, aux = sum_over_batch((total, grads, aux))
        loss, scale = total * _inverse(count), _scale_of(state)
        if state.loss_scale is not None:
            grads = jax.tree.map(lambda g: (g.astype(jnp.float32) / scale).astype(g.dtype), grads)

        with jax.numpy_dtype_promotion("standard"):  # optax mixes dtypes, e.g. its step count
            updates, opt_state = optimizer.update(
                *(grads, state.opt_state, state.params),
                value=loss,
                grad=grads,
                value_fn=_no_line_search,
            )
            params = optax.apply_updates(state.params, updates)
        metrics = {"loss": loss, "count": count, "grad_norm": _norm(grads), **aux}
        loss_scale = state.loss_scale
        if check_finite or loss_scale is not None:
            finite_leaves = jnp.array([jnp.all(jnp.isfinite(g)) for g in jax.tree.leaves(grads)])
            finite = jnp.isfinite(loss) & jnp.all(finite_leaves)
            params, opt_state, model_state = jax.tree.map(
                lambda new, old: jnp.where(finite, new, old),
                (params, opt_state, model_state),
                (state.params, state.opt_state, state.model_state),
            )
            if loss_scale is not None:
                skipped = ~finite & jnp.isfinite(loss) & (scale > 1)
                metrics |= {"loss_scale": scale, "skipped": skipped}
                loss_scale, finite = _adjusted(loss_scale, finite), finite | skipped
            metrics |= {"finite": finite, "finite_leaves": finite_leaves}
        new = TrainState(params, opt_state, state.key, state.step + 1, model_state, loss_scale)
        return new, metrics

    return over_devices(step, devices, accumulate, donate=donate)


def _in_dtype(params: Params, batch: Any, dtype: Any) -> tuple[Params, Any]:
    """What the loss computes with: parameters, and features of the graphs in the batch."""
    if dtype is None:
        return params, batch

    def cast(tree: Any) -> Any:
        is_float = lambda x: jnp.issubdtype(x.dtype, jnp.floating)  # noqa: E731
        return jax.tree.map(lambda x: jnp.asarray(x, dtype) if is_float(x) else x, tree)

    def features(x: Any) -> Any:
        if not isinstance(x, GraphsTuple):
            return x
        return x._replace(nodes=cast(x.nodes), edges=cast(x.edges))

    return cast(params), jax.tree.map(features, batch, is_leaf=lambda x: isinstance(x, GraphsTuple))


def _inverse(count: Array) -> Array:
    return 1.0 / jnp.where(count > 0, count, 1.0)


def _scale_of(state: TrainState) -> Array:
    return jnp.float32(1) if state.loss_scale is None else state.loss_scale.scale


def _adjusted(scale: LossScale, finite: Array) -> LossScale:
    """Half of it after an overflow, twice of it after many steps without."""
    good_steps = jnp.where(finite, scale.good_steps + 1, 0)
    grown = good_steps == _GROWTH_INTERVAL
    # Beyond the largest float32 it would be infinite for good.
    doubled = jnp.minimum(2 * scale.scale, jnp.float32(2.0**127))
    kept = jnp.where(grown, doubled, scale.scale)
    return LossScale(
        scale=jnp.where(finite, kept, jnp.maximum(scale.scale / 2, 1)),
        good_steps=jnp.where(grown, 0, good_steps),
    )


def _check_optimizer(optimizer: Any) -> None:
    if not (hasattr(optimizer, "init") and hasattr(optimizer, "update")):
        raise ValueError(
            f"optimizer must be an optax transformation, got {_checks.describe(optimizer)}. "
            "Fix: ga.training.make_optimizer(1e-3), or optax.adam(1e-3)."
        )


def _no_line_search(*_: Any, **__: Any) -> Array:
    """What an optimiser gets for the loss as a function."""
    raise ValueError(
        "optimizer must do with one gradient per step, got one that evaluates the loss itself, such as the line search "
        "of optax.lbfgs. Fix: optax.lbfgs(learning_rate, linesearch=None), or ga.training.make_optimizer."
    )


def _split_loss(result: Any) -> tuple[Pair, dict[str, Pair]]:
    """`(sum, count)` or `((sum, count), aux)` as the latter."""
    has_aux = isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], dict)
    pair, aux = result if has_aux else (result, {})
    if not _is_pair(pair):
        raise ValueError(
            "loss_fn must return (sum, count) or ((sum, count), aux), float32 scalars, got "
            f"{jax.tree.map(_checks.describe, result)}. Fix: use the losses in ga.losses."
        )
    check_pairs("the aux of loss_fn", aux)
    taken = sorted(set(aux) & set(_STEP_METRICS))
    if taken:
        raise ValueError(f"aux must not use the names of the step's own metrics, got {taken}.")
    return pair, aux


def _check_model_state(old: Any, new: Any) -> None:
    """Another structure, shape or dtype would compile anew at every step, or fail at the second."""
    wanted, got = (
        (jax.tree.structure(x), [(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(x)])
        for x in (old, new)
    )
    if wanted != got:
        raise ValueError(
            "loss_fn must return a model_state of the structure, shapes and dtypes it was given, "
            f"{jax.tree.map(_checks.describe, old)}, got {jax.tree.map(_checks.describe, new)}."
        )


def check_pairs(source: str, metrics: Any) -> None:
    if not isinstance(metrics, dict) or not all(_is_pair(pair) for pair in metrics.values()):
        raise ValueError(
            f"{source} must be a dict of (sum, count) pairs of float32 scalars, got "
            f"{jax.tree.map(_checks.describe, metrics)}."
        )


def _is_pair(x: Any) -> bool:
    return (
        isinstance(x, tuple)
        and len(x) == 2
        and all(getattr(v, "shape", None) == () and v.dtype == jnp.float32 for v in x)
    )


def _norm(grads: Params) -> Array:
    """Euclidean norm over all leaves, accumulated in float32."""
    squares = [jnp.sum(jnp.square(g.astype(jnp.float32))) for g in jax.tree.leaves(grads)]
    return jnp.sqrt(jnp.sum(jnp.array(squares)))
