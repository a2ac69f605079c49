"""Train GraphGPS on one set of molecules; the seeds of a set share their compilations."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

import graphattn_jax as ga
from experiments._command import load
from experiments._model import Model, make_model
from experiments._run import Job
from experiments.molecules.configs import OWN_SPLITS, WALKS, Protocol, RunConfig


class Problem(NamedTuple):
    """Molecules as one batch with their encodings, their labels `[G, T]`, and the splits by kind."""

    graphs: ga.graphs.GraphsTuple
    labels: np.ndarray
    splits: dict[str, tuple[ga.data.GraphSplit, ...]]
    metric: str


def load_problem(name: str, num_splits: int = 3) -> Problem:
    """A set by name, with walks as encodings."""
    data = load(name)
    graphs = ga.encodings.precompute(
        data.graphs, {"encoding": partial(ga.encodings.rwse, k=WALKS)}, progress=False
    )
    own = OWN_SPLITS.get(name, "random")
    splits = {own: data.splits}
    if own == "random":
        splits["scaffold"] = (ga.data.scaffold_split(data.smiles),)
    else:
        nobody = np.zeros(len(data.labels), np.int32)
        masks = ga.data.random_splits(nobody, fractions=(0.8, 0.1, 0.1), num_splits=num_splits)
        splits["random"] = tuple(ga.data.GraphSplit.from_masks(mask) for mask in masks)
    labels = data.labels.reshape(len(data.labels), -1).astype(np.float32)
    return Problem(graphs, labels, splits, data.metric)


class Batches(ga.training.GraphBatches):
    """With blocks of attention as large as the largest molecule of a batch, rounded up to a power of two.

    So a set with a few large molecules compiles a few times instead of computing every batch at the largest size.
    """

    def __next__(self) -> ga.graphs.PreparedGraph:
        graph = super().__next__()
        largest = graph.n_node[ga.graphs.graph_mask(graph)].max()
        return ga.graphs.prepare(graph, block_size=ga.graphs.bucket(largest, multiple_of=32))


class Trainee(NamedTuple):
    """What the splits and seeds of a set share: a model, and the sizes of its batches."""

    model: Model
    budgets: tuple[ga.graphs.Budget, ...]
    steps_per_epoch: int


def known(graph: Any) -> Any:
    """`[G, T]`, which targets there are."""
    return ga.graphs.graph_mask(graph)[:, None] & (graph.globals == graph.globals)  # not NaN


def build(protocol: Protocol, problem: Problem) -> Trainee:
    """Network, loss and optimiser of a protocol."""
    num_train = max(len(split.train) for kind in problem.splits.values() for split in kind)
    steps_per_epoch = math.ceil(num_train / protocol.batch_size)
    of_pairs = (
        ga.losses.l2_loss if problem.metric == "rmse" else ga.losses.sigmoid_binary_cross_entropy
    )
    optimizer = ga.training.make_optimizer(
        protocol.learning_rate,
        weight_decay=protocol.weight_decay,
        decoupled=True,
        clip_norm=1.0,
        schedule="cosine",
        warmup_steps=protocol.warmup_epochs * steps_per_epoch,
        total_steps=protocol.epochs * steps_per_epoch,
    )
    model = make_model(
        replace(protocol.network, out_features=problem.labels.shape[1]),
        lambda predicted, graph: of_pairs(predicted, graph.globals, where=known(graph)),
        optimizer,
    )
    # Nearly all batches fit the first; the last fits any.
    size = protocol.batch_size
    budgets = (
        ga.graphs.estimate_budget(ga.graphs.unbatch(problem.graphs), size),
        ga.training.batch_budgets(problem.graphs, size)[-1],
    )
    return Trainee(model, budgets, steps_per_epoch)


def train(config: RunConfig, job: Job, problem: Problem, trainee: Trainee) -> dict[str, Any]:
    """One run: the test score of the epoch with the best validation score."""
    splits, protocol = problem.splits[config.split], config.protocol
    split = splits[config.seed % len(splits)]
    regression = problem.metric == "rmse"
    mean, std = np.float32(0), np.float32(1)
    if regression:
        mean, std = problem.labels[split.train].mean(), problem.labels[split.train].std()
    targets = (problem.labels - mean) / std

    def batches(ids: np.ndarray, seed: int | None) -> Batches:
        graphs = ga.graphs.take(problem.graphs, ids)._replace(globals=targets[ids])
        protocol.network.check(graphs)
        return Batches(graphs, protocol.batch_size, seed=seed, budgets=trainee.budgets)

    val, test = batches(split.val, None), batches(split.test, None)

    def score(batches: Batches, *variables: Any) -> float:
        """Of all molecules together, in the unit of the labels."""
        columns = [
            (trainee.model.predict(graph, *variables), graph.globals, known(graph))
            for graph in batches
        ]
        outputs, labels, where = (
            np.concatenate(column) for column in zip(*jax.device_get(columns), strict=True)
        )
        if regression:
            return float(std * np.sqrt(np.mean(np.square(outputs - labels)[where])))
        return float(ga.metrics.mean_over_tasks(ga.metrics.roc_auc, outputs, labels, where))

    fitted = job.fit(
        trainee.model,
        config.seed,
        batches(split.train, config.seed),
        num_steps=protocol.epochs * trainee.steps_per_epoch,
        eval_every=trainee.steps_per_epoch,
        evaluate=lambda *variables: {"val": score(val, *variables)},
        early_stopping=ga.training.EarlyStopping(
            "val", "min" if regression else "max", patience=None, ties=True
        ),
    )
    best = fitted.best_state
    return {
        "metric": problem.metric,
        "test": score(test, best.params, best.model_state),
        "val": next(h["val"] for h in fitted.history if h["step"] == fitted.best_step),
        "best_epoch": fitted.best_step // trainee.steps_per_epoch,
        "curve": [
            {name: round(record[name], 5) for name in ("loss", "val")} for record in fitted.history
        ],
    }
