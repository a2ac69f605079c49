"""Train one network on all nodes of a typed graph."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse

import graphattn_jax as ga
from experiments._command import load
from experiments._model import Model, make_model, size_of
from experiments._run import Job
from experiments.heterogeneous.configs import RunConfig, Size, network

TIMED_STEPS = 5


class Problem(NamedTuple):
    """A data set, its graph prepared."""

    graph: ga.graphs.PreparedGraph
    inputs: ga.models.TypedInputs
    labels: np.ndarray
    classes: int
    splits: tuple[ga.data.Split, ...]


class Batch(NamedTuple):
    """All arrays that a compiled function reads. labels are 0 where there are none; masks `[N]`."""

    graph: ga.graphs.PreparedGraph
    labels: jax.Array
    split: ga.data.Split


def load_problem(dataset: str) -> Problem:
    """The data; relations get their reverses where the set has none."""
    data = load(dataset)
    graph = data.typed(reverse=dataset == "aifb")
    inputs = ga.models.TypedInputs.of(graph)
    graph = jax.device_put(ga.graphs.prepare(graph))
    return Problem(graph, inputs, data.labels, data.num_classes, data.splits)


def split_of(problem: Problem, config: RunConfig) -> ga.data.Split:
    """The split of a seed; to tune, a fifth of the nodes to learn from stands in for validation and test."""
    split = problem.splits[config.seed % len(problem.splits)]
    if not config.held_out:
        return split
    nodes = np.flatnonzero(split.train)
    kept = np.random.default_rng(config.seed).permutation(nodes)[: len(nodes) // 5]
    back = np.isin(np.arange(len(split.train)), kept)
    return ga.data.Split(split.train & ~back, back, back)


def build(problem: Problem, config: RunConfig) -> Model:
    """The compiled functions of a row and size."""

    def loss(prediction: jax.Array, batch: Batch) -> Any:
        return ga.losses.softmax_cross_entropy(prediction, batch.labels, where=batch.split.train)

    size = Size(config.width, config.dropout)
    return make_model(
        network(config.row, size, problem.inputs, problem.classes),
        loss,
        ga.training.make_optimizer(config.protocol.learning_rate),
        graph_of=lambda batch: batch.graph,
    )


def train(config: RunConfig, job: Job, problem: Problem, model: Model) -> dict[str, Any]:
    """One run: accuracies at the last step, or the one that validation chooses."""
    split = jax.tree.map(jnp.asarray, split_of(problem, config))
    batch = Batch(problem.graph, jnp.asarray(np.maximum(problem.labels, 0)), split)

    def evaluate(*variables: Any) -> dict[str, float]:
        prediction = model.predict(batch, *variables)
        parts = {"train": split.train, "val": split.val, "test": split.test}
        scores = {
            name: ga.metrics.accuracy(prediction, batch.labels, where=mask)
            for name, mask in parts.items()
        }
        numbers = {name: float(s / jnp.maximum(c, 1)) for name, (s, c) in scores.items()}
        return numbers | {"val_or_last": numbers["val"] if config.protocol.has_validation else 0.0}

    fitted = job.fit(
        model,
        config.seed,
        ga.training.Repeat(batch),
        num_steps=config.protocol.steps,
        evaluate=evaluate,
        eval_every=config.protocol.eval_every,
        early_stopping=ga.training.EarlyStopping("val_or_last", "max", patience=None, ties=True),
    )
    state, seconds = fitted.state, []
    for _ in range(TIMED_STEPS):
        start = time.perf_counter()
        state, _ = model.train_step(state, batch)
        jax.block_until_ready(state)
        seconds.append(time.perf_counter() - start)
    scores = evaluate(fitted.best_state.params)
    return {
        "parameters": size_of(model.network),
        "step_seconds": float(np.median(seconds)),
        "best_step": fitted.best_step,
        **{name: scores[name] for name in ("train", "val", "test")},
    }


def majority(problem: Problem, split: ga.data.Split) -> float:
    """Accuracy of the most frequent class."""
    common = np.bincount(problem.labels[split.train]).argmax()
    return float(np.mean(problem.labels[split.test] == common))


def label_propagation(
    problem: Problem, split: ga.data.Split, *, steps: int = 50, share: float = 0.9
) -> float:
    """Accuracy of Y ← share · D⁻¹ (A + Aᵀ) Y + (1 − share) Y_0, labels of the training nodes held.

    Source: Zhou et al., "Learning with Local and Global Consistency", NeurIPS 2003.
    """
    n = len(problem.labels)
    ends = np.asarray(problem.graph.senders), np.asarray(problem.graph.receivers)
    adjacency = scipy.sparse.csr_array((np.ones(len(ends[0])), ends), shape=(n, n))
    adjacency = adjacency + adjacency.T
    degree = np.maximum(adjacency.sum(axis=1), 1)
    start = np.zeros((n, problem.classes))
    start[split.train, problem.labels[split.train]] = 1
    y = start
    for _ in range(steps):
        y = share * (adjacency @ y) / degree[:, None] + (1 - share) * start
        y[split.train] = start[split.train]
    return float(np.mean(y[split.test].argmax(axis=1) == problem.labels[split.test]))
