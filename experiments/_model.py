"""A network with its loss and optimiser: the compiled functions that training and scoring are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax

import graphattn_jax as ga


class Model(NamedTuple):
    """A network ready to train. What it compiles is shared by all runs that use this very `Model`.

    init(seed) gives a train state, train_step is for `ga.training.fit`, predict(batch, params, model_state) is jitted.
    """

    network: ga.models.Network
    init: Callable[[int], ga.training.TrainState]
    train_step: Callable[..., Any]
    predict: Callable[..., jax.Array]


def make_model(
    network: ga.models.Network,
    loss: Callable[[jax.Array, Any], Any],
    optimizer: Any,
    *,
    graph_of: Callable[[Any], Any] = lambda batch: batch,
) -> Model:
    """The compiled functions of a network.

    Args:
      network: with or without running statistics.
      loss: `loss(prediction, batch)` is a `(sum, count)` pair.
      optimizer: from optax.
      graph_of: what of a batch the network takes; the batch itself by default.
    """

    def loss_fn(params: Any, *state_batch_key: Any) -> Any:
        *state, batch, key = state_batch_key  # a network without statistics trains without a state
        out = network.apply(params, *(state or [None]), graph_of(batch), training=True, key=key)
        pair = loss(out.prediction, batch)
        return (pair, {}, out.state) if state else pair

    @jax.jit
    def predict(batch: Any, params: Any, model_state: Any = None) -> jax.Array:
        return network.apply(params, model_state, graph_of(batch)).prediction

    def init(seed: int) -> ga.training.TrainState:
        params_key, train_key = jax.random.split(jax.random.key(seed))
        params, state = network.init(params_key)
        return ga.training.init_train_state(params, optimizer, train_key, model_state=state)

    return Model(network, init, ga.training.make_train_step(loss_fn, optimizer), predict)


def make_mean(model: Model, metric: Callable[[jax.Array, Any], Any]) -> Callable[..., float]:
    """`mean(batches, params, model_state)` of `metric(prediction, batch)`, a `(sum, count)` pair."""
    step = ga.training.make_eval_step(
        lambda variables, batch: {"mean": metric(model.predict(batch, *variables), batch)}
    )
    return lambda batches, *variables: ga.training.evaluate(step, variables, batches)["mean"]


def size_of(network: ga.models.Network) -> int:
    """The number of parameters."""
    params, _ = jax.eval_shape(network.init, jax.random.key(0))
    return sum(leaf.size for leaf in jax.tree.leaves(params))
