"""Train one network on ZINC; its seeds share their compilations."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import graphattn_jax as ga
from experiments._command import load
from experiments._model import Model, make_mean, make_model, size_of
from experiments._run import Job
from experiments.zinc.configs import ROWS, Protocol, RunConfig


class Problem(NamedTuple):
    """The molecules to train on, to validate and to test on, each part as one batch, prepared for one network."""

    train: ga.graphs.GraphsTuple
    val: ga.graphs.GraphsTuple
    test: ga.graphs.GraphsTuple

    @property
    def block_size(self) -> int:
        """Of attention among the atoms of a molecule."""
        return -(-max(int(part.n_node.max()) for part in self) // 8) * 8


def load_problem(row: str, molecules: int | None = None) -> Problem:
    """ZINC for a row of the table; `molecules` cuts each part, for a try."""
    data = load("zinc")
    parts = (ids[:molecules] for ids in data.splits[0])
    return Problem(
        *(
            ROWS[row]
            .prepare(ga.graphs.take(data.graphs, ids))
            ._replace(globals=data.labels[ids].reshape(-1))
            for ids in parts
        )
    )


def steps_per_epoch(protocol: Protocol, problem: Problem) -> int:
    return math.ceil(len(problem.train.n_node) / protocol.batch_size)


def error(predicted: Any, graph: Any) -> Any:
    """Sum and count of absolute errors."""
    return ga.losses.l1_loss(predicted[:, 0], graph.globals, where=ga.graphs.graph_mask(graph))


def build(network: ga.models.Network, protocol: Protocol, steps: int) -> Model:
    """Network, loss and optimiser; `steps` per epoch."""
    optimizer = ga.training.make_optimizer(
        protocol.learning_rate,
        weight_decay=protocol.weight_decay,
        decoupled=True,
        clip_norm=protocol.clip_norm,
        schedule=protocol.schedule,
        warmup_steps=math.ceil(protocol.warmup_epochs * steps),
        total_steps=(protocol.epochs + 1) * steps,
    )
    return make_model(network, error, optimizer)


def train(config: RunConfig, job: Job, problem: Problem, model: Model) -> dict[str, Any]:
    """One run: the test error of the epoch with the best validation error."""
    protocol = config.protocol
    for part in problem:
        config.network.check(part)
    train_batches, val, test = (
        ga.training.GraphBatches(
            part,
            protocol.batch_size,
            seed=config.seed if part is problem.train else None,
            block_size=problem.block_size,
        )
        for part in problem
    )
    val, test, mean = val.epoch(), test.epoch(), make_mean(model, error)
    steps = len(train_batches)
    fitted = job.fit(
        model,
        config.seed,
        train_batches,
        num_steps=protocol.epochs * steps,
        eval_every=steps,
        evaluate=lambda *variables: {"val": mean(val, *variables)},
        early_stopping=ga.training.EarlyStopping("val", "min", patience=None),
    )
    best = fitted.best_state
    return {
        "parameters": size_of(config.network),
        "best_epoch": fitted.best_step // steps,
        "val": next(h["val"] for h in fitted.history if h["step"] == fitted.best_step),
        "test": mean(test, best.params, best.model_state),
        "curve": [{key: record[key] for key in ("loss", "val")} for record in fitted.history],
    }
