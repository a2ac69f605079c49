"""Train one network on samples of WordNet, or on all of it."""

from __future__ import annotations

import time
from typing import Any

import jax
import numpy as np
import optax

import graphattn_jax as ga
from experiments._command import load
from experiments._model import make_model
from experiments._run import Job
from experiments.large_graphs.configs import BATCH, ROWS, RunConfig

EVALS = 5


def load_problem() -> ga.data.TypedNodeDataset:
    """WordNet as a graph whose edges go both ways, without types."""
    data = load("wordnet")
    graph = ga.graphs.add_self_loops(data.graph._replace(edges=None))
    return data._replace(graph=graph)


def _loss(prediction: jax.Array, batch: ga.sampling.Sample) -> Any:
    logits = prediction[batch.seeds]
    if batch.weights is None:
        return ga.losses.softmax_cross_entropy(logits, batch.targets, where=batch.seed_mask)
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, batch.targets)
    return (batch.weights * losses).sum(), jax.numpy.ones(())


def train(config: RunConfig, job: Job, problem: ga.data.TypedNodeDataset) -> dict[str, Any]:
    """One run: accuracies of the step that validation chooses, each node hearing all its neighbours."""
    graph, labels = problem.graph, problem.labels
    split = problem.splits[config.seed % len(problem.splits)]
    nodes = {name: np.flatnonzero(getattr(split, name)) for name in ("train", "val", "test")}
    layers = (
        ga.attention.GATv2(config.channels, config.heads),
        ga.attention.GATv2(problem.num_classes),
    )
    network = ga.models.PlainNetwork(graph.nodes.shape[1], layers, dropout=config.dropout)
    optimizer = ga.training.make_optimizer(config.learning_rate)
    model = make_model(network, _loss, optimizer, graph_of=lambda batch: batch.graph)

    job.say("sampling ...")
    make = ROWS[config.row].sampler
    if make is None:
        every = ga.sampling.ClusterSampler(
            graph,
            np.zeros(len(labels), int),
            1,
            seeds=nodes["train"],
            targets=labels[nodes["train"]],
        )
        batch = every(None, 0, 0)
        batches = ga.training.Repeat(batch)
    else:
        sampler = make(graph, nodes["train"], labels[nodes["train"]])
        batch = sampler(config.seed, 0, 0)
        batches = ga.training.prefetch(ga.training.EpochBatches(sampler, config.seed))
    some = np.random.default_rng(0).permutation(nodes["val"])[
        : 4 * BATCH
    ]  # in order, classes differ
    looked_at = ga.sampling.Sampler(
        graph, ga.sampling.Neighbours((10, 10)), some, BATCH,
        targets=labels[some],
    )  # fmt: skip

    def metric(params: Any, batch: Any) -> dict[str, Any]:
        logits = model.predict(batch, params)[batch.seeds]
        return {"val": ga.metrics.accuracy(logits, batch.targets, where=batch.seed_mask)}

    eval_step = ga.training.make_eval_step(metric)

    def evaluate(params: Any) -> dict[str, float]:
        return ga.training.evaluate(eval_step, params, ga.training.EpochBatches(looked_at, None))

    start = time.perf_counter()
    fitted = job.fit(
        model,
        config.seed,
        batches,
        num_steps=config.steps,
        evaluate=evaluate,
        eval_every=max(config.steps // EVALS, 1),
        early_stopping=ga.training.EarlyStopping("val", "max", patience=None),
    )
    seconds = time.perf_counter() - start
    if isinstance(batches, ga.training.Prefetched):
        batches.close()
    job.say("all nodes, layer by layer ...")
    out = ga.models.apply_layerwise(network, fitted.best_state.params, graph, batch_size=8192)
    right = np.asarray(out.prediction).argmax(axis=1) == labels
    return {
        "nodes": len(batch.node_ids),
        "train_seconds": seconds,
        "waiting": fitted.history[-1].get("waiting"),
        **{name: float(right[ids].mean()) for name, ids in nodes.items()},
    }
