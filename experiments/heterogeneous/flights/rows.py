"""The rows of the table: a constant, trees on joined tables, and networks on samples of what was known."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

import graphattn_jax as ga
from experiments._model import make_model, size_of
from experiments._run import Job
from experiments.heterogeneous.flights.joined import join

WIDTH, HEADS = 64, 4
SCALE, LATE = 30.0, 15
"""Minutes: what networks predict delays in, from the median; and what counts as late."""


@dataclass(frozen=True)
class Sizes:
    """How much is learned from and tested on, the same rows of the table for all methods.

    train, test: flights, drawn at random from the months of each; None = all. batch: flights. steps: of networks.
    """

    train: int | None = 60_000
    test: int | None = 10_000
    batch: int = 256
    steps: int = 500


class Problem(NamedTuple):
    """The data and the rows `[n]` to learn from, to choose by and to test on."""

    data: ga.data.TableDataset
    train: np.ndarray
    val: np.ndarray
    test: np.ndarray


def problem(data: ga.data.TableDataset, sizes: Sizes) -> Problem:
    """A sample of each part of the split, the same for every seed."""

    def some(mask: np.ndarray, most: int | None, seed: int) -> np.ndarray:
        rows = np.flatnonzero(mask)
        chosen = np.random.default_rng(seed).permutation(rows)
        return np.sort(chosen if most is None else chosen[:most])

    split = data.splits[0]
    val = some(split.val, sizes.test, 1)
    return Problem(data, some(split.train, sizes.train, 0), val, some(split.test, sizes.test, 2))


def error(problem: Problem, part: str, predicted: np.ndarray) -> float:
    """Mean absolute error in minutes."""
    return float(np.mean(np.abs(predicted - problem.data.targets[getattr(problem, part)])))


def median(problem: Problem, config: RunConfig, job: Job) -> Any:
    """The median of the flights to learn from, for all."""
    middle = np.median(problem.data.targets[problem.train])
    parts = {"val": problem.val, "test": problem.test}
    return {name: np.full(len(rows), middle) for name, rows in parts.items()}, 1


def trees(problem: Problem, config: RunConfig, job: Job, *, history: bool) -> Any:
    """scikit-learn's gradient boosting of the absolute error; validation chooses the number of trees."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    job.say("joining tables")
    x, is_category = join(problem.data, history=history)
    y = problem.data.targets
    model = HistGradientBoostingRegressor(
        loss="absolute_error",
        categorical_features=is_category,
        max_iter=300,
        early_stopping=False,
        random_state=config.seed,
    )
    job.say("trees")
    model.fit(x[problem.train], y[problem.train])
    val = list(model.staged_predict(x[problem.val]))
    best = int(np.argmin([error(problem, "val", predicted) for predicted in val]))
    test = list(model.staged_predict(x[problem.test]))
    return {"val": val[best], "test": test[best]}, best + 1


def fanouts(schema: ga.graphs.Schema, *, history: bool) -> tuple[Any, ...]:
    """The rows that a flight refers to, and with history the latest departures and arrivals at these."""
    hops = {
        relation: 1
        for relation in schema.relations
        if relation[2] == "flights" and relation[0] not in ("departures", "arrivals")
    }
    if not history:
        return (hops,)
    past = {
        relation: 8
        for relation in schema.relations
        if relation[0] in ("departures", "arrivals", "weather") and relation[2] != "flights"
    }
    return hops, past


def network(problem: Problem, config: RunConfig, job: Job, *, layer: str, history: bool) -> Any:
    """Two typed layers on the neighbourhood of each flight; validation chooses the step."""
    graph = problem.data.graph
    schema = ga.graphs.schema_of(graph)
    middle = np.median(problem.data.targets[problem.train])
    y = ((problem.data.targets - middle) / SCALE).astype(np.float32)
    method = ga.sampling.Neighbours(fanouts(schema, history=history), disjoint=True, recent=True)

    def samples(rows: np.ndarray) -> ga.sampling.Sampler:
        return ga.sampling.Sampler(
            graph, method, seeds=rows, batch_size=config.sizes.batch, targets=y[rows]
        )

    layers = {
        "hgt": ga.attention.HGT(heads=HEADS, schema=schema, norm=True),
        "rgcn": ga.message_passing.RGCN(WIDTH, schema=schema),
    }
    net = ga.models.TypedNetwork(
        ga.models.TypedInputs.of(graph),
        (layers[layer],) * 2,
        width=WIDTH,
        out_features=1,
        activation="identity" if layer == "hgt" else "relu",
    )

    def loss(prediction: jax.Array, sample: ga.sampling.Sample) -> Any:
        delay = prediction[sample.seeds, 0]
        return ga.losses.l1_loss(delay, sample.targets, where=sample.seed_mask)

    model = make_model(
        net, loss, ga.training.make_optimizer(3e-3), graph_of=lambda sample: sample.graph
    )

    def predict(rows: np.ndarray, *variables: Any) -> np.ndarray:
        found = [
            np.asarray(model.predict(sample, *variables))[sample.seeds, 0][sample.seed_mask]
            for sample in ga.training.EpochBatches(samples(rows), seed=None)
        ]
        return np.concatenate(found) * SCALE + middle

    def evaluate(*variables: Any) -> dict[str, float]:
        return {"val": error(problem, "val", predict(problem.val, *variables))}

    fitted = job.fit(
        model,
        config.seed,
        ga.training.EpochBatches(samples(problem.train), seed=config.seed),
        num_steps=config.sizes.steps,
        evaluate=evaluate,
        eval_every=max(config.sizes.steps // 5, 1),
        early_stopping=ga.training.EarlyStopping("val", "min", patience=None),
    )
    best = fitted.best_state.params
    return {name: predict(getattr(problem, name), best) for name in ("val", "test")}, size_of(net)


@dataclass(frozen=True)
class Row:
    """A label, and how its predictions come about; with how many parameters or trees."""

    label: str
    run: Callable[..., tuple[dict[str, np.ndarray], int]]


ROWS = {
    "median": Row("median", median),
    "trees": Row("gradient boosting, joined tables", partial(trees, history=False)),
    "trees_history": Row("gradient boosting, and recent delays", partial(trees, history=True)),
    **{
        name + ("_history" if history else ""): Row(
            f"{label}, {'and recent departures and arrivals' if history else 'rows referred to'}",
            partial(network, layer=name, history=history),
        )
        for name, label in (("rgcn", "R-GCN"), ("hgt", "HGT"))
        for history in (False, True)
    },
}


@dataclass(frozen=True)
class RunConfig:
    """One run."""

    row: str
    seed: int
    sizes: Sizes

    @property
    def name(self) -> str:
        """Its folder."""
        return f"{self.row}-{self.seed}"


def train(config: RunConfig, job: Job, problem: Problem) -> dict[str, Any]:
    """One run: mean absolute errors in minutes, and how well late flights are told from others."""
    start = time.perf_counter()
    predicted, size = ROWS[config.row].run(problem, config, job)
    late = problem.data.targets[problem.test] > LATE
    return {
        "val": error(problem, "val", predicted["val"]),
        "test": error(problem, "test", predicted["test"]),
        "late": float(ga.metrics.roc_auc(predicted["test"], late)),
        "size": size,
        "seconds": time.perf_counter() - start,
    }
