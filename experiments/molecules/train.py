"""Train GraphGPS on one set of molecules; the seeds of a set share one compilation."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

import graphattn_jax as ga
from experiments.molecules.configs import OWN_SPLITS, WALKS, Protocol, RunConfig


class Problem(NamedTuple):
    """Molecules as single graphs with their encodings, their labels `[G, T]`, and the splits by kind."""

    graphs: list[ga.graphs.GraphsTuple]
    labels: np.ndarray
    splits: dict[str, tuple[ga.data.GraphSplit, ...]]
    metric: str


class Batch(NamedTuple):
    """A padded batch; `where` `[G, T]` says which targets there are."""

    graph: ga.graphs.GraphsTuple
    layout: ga.graphs.Layout
    targets: np.ndarray
    where: np.ndarray


def load_problem(name: str, num_splits: int = 3) -> Problem:
    """A set by name, with walks as encodings."""
    data = ga.data.load(name)
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
    labels = data.labels.reshape(len(data.labels), -1)
    return Problem(ga.graphs.unbatch(graphs), labels, splits, data.metric)


class Batches:
    """Padded batches of some molecules with standardised targets, all of the set's budget.

    Blocks of attention are as large as the largest molecule of a batch, rounded up to a power of two: a set with a
    few large molecules compiles a few times instead of computing every batch at the largest size.
    """

    def __init__(self, graphs: list, targets: np.ndarray, budget: ga.graphs.Budget):
        self._graphs = [g._replace(globals=y[None]) for g, y in zip(graphs, targets, strict=True)]
        self._budget = budget

    def __iter__(self) -> Iterator[Batch]:
        """All molecules once, in order."""
        return self._packed(self._graphs)

    def shuffled(self, seed: int) -> Iterator[Batch]:
        """Without end, in a new order each epoch."""
        rng = np.random.default_rng(seed)
        while True:
            yield from self._packed([self._graphs[i] for i in rng.permutation(len(self._graphs))])

    def _packed(self, graphs: list) -> Iterator[Batch]:
        for graph in ga.graphs.batches_to_budget(graphs, self._budget):
            sizes = graph.n_node[ga.graphs.graph_mask(graph)]
            block_size = ga.graphs.bucket(sizes.max(), multiple_of=32)
            layout = ga.graphs.layout(graph, block_size=block_size)
            where = layout.graph_mask[:, None] & ~np.isnan(graph.globals)
            yield Batch(graph._replace(globals=None), layout, graph.globals, where)


class Model(NamedTuple):
    """The compiled functions of a set, which its splits and seeds share."""

    budget: ga.graphs.Budget
    steps_per_epoch: int
    init: Callable[[int, int], ga.training.TrainState]
    train_step: Callable[..., Any]
    predict: Callable[..., Any]


def build_model(protocol: Protocol, problem: Problem) -> Model:
    """Network, loss and optimiser of a protocol."""
    num_train = max(len(split.train) for kind in problem.splits.values() for split in kind)
    steps_per_epoch = math.ceil(num_train / protocol.batch_size)
    config = protocol.network(problem.labels.shape[1])
    loss = ga.models.l2_loss if problem.metric == "rmse" else ga.models.sigmoid_binary_cross_entropy

    def loss_fn(params, model_state, batch, dropout_key):
        predictions, model_state = ga.models.gps_network(
            params,
            model_state,
            batch.graph,
            config=config,
            layout=batch.layout,
            training=True,
            dropout_key=dropout_key,
        )
        return loss(predictions, batch.targets, where=batch.where), {}, model_state

    @jax.jit
    def predict(params, model_state, batch):
        return ga.models.gps_network(
            params, model_state, batch.graph, config=config, layout=batch.layout
        )[0]

    optimizer = ga.training.make_optimizer(
        protocol.learning_rate,
        weight_decay=protocol.weight_decay,
        decoupled=True,
        clip_norm=1.0,
        schedule="cosine",
        warmup_steps=protocol.warmup_epochs * steps_per_epoch,
        total_steps=protocol.epochs * steps_per_epoch,
    )

    def init(seed):
        params_key, dropout_key = jax.random.split(jax.random.key(seed))
        params, model_state = ga.models.init_gps_network(params_key, config)
        return ga.training.init_train_state(params, optimizer, dropout_key, model_state=model_state)

    budget = ga.graphs.estimate_budget(problem.graphs, protocol.batch_size)
    return Model(
        budget, steps_per_epoch, init, ga.training.make_train_step(loss_fn, optimizer), predict
    )


def train(config: RunConfig, problem: Problem, model: Model, workdir: Path) -> dict[str, Any]:
    """One run: the test score of the epoch with the best validation score, stored in `workdir` and read back."""
    path = workdir / f"{config.name}.json"
    settings = json.loads(json.dumps(asdict(config)))
    if path.exists():
        result = json.loads(path.read_text())
        if result["config"] != settings:
            raise ValueError(f"{path} was made with other settings. Fix: another --out.")
        return result
    splits = problem.splits[config.split]
    split = splits[config.seed % len(splits)]
    regression = problem.metric == "rmse"
    mean, std = 0.0, 1.0
    if regression:
        mean, std = problem.labels[split.train].mean(), problem.labels[split.train].std()
    targets = (problem.labels - mean) / np.float32(std)
    train, val, test = (
        Batches([problem.graphs[i] for i in ids], targets[ids], model.budget) for ids in split
    )

    def score(batches, params, model_state) -> float:
        """Of all molecules together, in the unit of the labels."""
        outputs, labels, where = (
            np.concatenate(column)
            for column in zip(
                *(
                    (np.asarray(model.predict(params, model_state, b)), b.targets, b.where)
                    for b in batches
                ),
                strict=True,
            )
        )
        if regression:
            return float(std * np.sqrt(np.mean(np.square(outputs - labels)[where])))
        return float(ga.models.mean_over_tasks(ga.models.roc_auc, outputs, labels, where))

    start = time.perf_counter()
    fitted = ga.training.fit(
        model.init(config.seed),
        model.train_step,
        train.shuffled(config.seed),
        num_steps=config.protocol.epochs * model.steps_per_epoch,
        eval_every=model.steps_per_epoch,
        evaluate=lambda params, model_state: {"val": score(val, params, model_state)},
        early_stopping=ga.training.EarlyStopping(
            "val", "min" if regression else "max", patience=None, ties=True
        ),
    )
    best = fitted.best_state
    result = {
        "config": settings,
        "metric": problem.metric,
        "test": score(test, best.params, best.model_state),
        "val": next(h["val"] for h in fitted.history if h["step"] == fitted.best_step),
        "best_epoch": fitted.best_step // model.steps_per_epoch,
        "seconds": time.perf_counter() - start,
        "curve": [
            {name: round(record[name], 5) for name in ("loss", "val")} for record in fitted.history
        ],
    }
    workdir.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result))
    return result
