"""Train one row of the table: a layer and a treatment, several seeds, one compilation."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import graphattn_jax as ga
from experiments._command import load
from experiments._model import Model, make_model
from experiments._run import Job
from experiments.symmetry.configs import (
    DIRECTIONAL_BUCKETS,
    MAX_DEGREE_DIFFERENCE,
    SYMMETRIC_BUCKETS,
    Protocol,
    RunConfig,
    Training,
    data_name,
)

TIMED_STEPS = 5


class Problem(NamedTuple):
    """A data set with self-loops added, on the device.

    buckets: `[E]`, of the positions of both ends of an edge, by their number. pairs: `[E]`, for the symmetry errors.
    """

    graph: ga.graphs.PreparedGraph
    labels: jax.Array
    splits: tuple[ga.data.Split, ...]
    buckets: dict[int, jax.Array]
    pairs: jax.Array
    num_classes: int
    metric: str

    @property
    def in_features(self) -> int:
        return self.graph.nodes.shape[1]

    @property
    def out_features(self) -> int:
        return 1 if self.metric == "roc_auc" else self.num_classes


class Batch(NamedTuple):
    """All arrays that a compiled function reads: arguments of it, not constants in it."""

    graph: ga.graphs.PreparedGraph
    labels: jax.Array
    pairs: jax.Array
    split: ga.data.Split


def load_problem(dataset: str, protocol: Protocol) -> Problem:
    """The data of a protocol, ready for every layer."""
    data = load(data_name(dataset))
    graph = ga.graphs.add_self_loops(data.graph)
    if protocol.row_normalize:
        graph = graph._replace(nodes=ga.data.row_normalize(graph.nodes))
    # A position that a graph has without an encoding: how well connected a node is.
    level = np.round(np.log2(np.asarray(ga.graphs.in_degree(graph)))).astype(np.int32)
    buckets = {
        count: ga.attention.relative_buckets(
            level,
            graph.senders,
            graph.receivers,
            max_distance=MAX_DEGREE_DIFFERENCE,
            symmetric=count == SYMMETRIC_BUCKETS,
        )
        for count in (SYMMETRIC_BUCKETS, DIRECTIONAL_BUCKETS)
    }
    pairs = ga.diagnostics.unordered_pairs(ga.graphs.pattern(graph))
    return Problem(
        *jax.device_put((ga.graphs.prepare(graph), data.labels)),
        splits=data.splits,
        buckets=buckets,
        pairs=pairs,
        num_classes=data.num_classes,
        metric=data.metric,
    )


def make_batch(problem: Problem, network: ga.models.Network, seed: int) -> Batch:
    """The data with the split of a seed, and with positions for the networks that read them."""
    graph = problem.graph
    layer = network.layers[0] if isinstance(network, ga.models.PlainNetwork) else network.layer
    if isinstance(layer, ga.attention.RelativeBias):
        graph = graph._replace(edges=ga.nn.EdgeInputs(buckets=problem.buckets[layer.num_buckets]))
    split = jax.tree.map(jnp.asarray, problem.splits[seed % len(problem.splits)])
    return Batch(graph, problem.labels, problem.pairs, split)


class Row(NamedTuple):
    """What the seeds of a row share.

    evaluate(params, batch) gives a record of numbers and the attention weights `[E, H]` of the first layer.
    """

    model: Model
    evaluate: Callable[..., Any]


def build_row(network: ga.models.Network, training: Training, metric: str) -> Row:
    """The compiled functions of a network."""

    def loss_and_score(logits, labels, where):
        if metric == "roc_auc":
            scores = logits[:, 0]
            loss = ga.losses.sigmoid_binary_cross_entropy(
                scores, labels.astype(scores.dtype), where=where
            )
            return loss, ga.metrics.roc_auc(scores, labels, where=where)
        loss = ga.losses.softmax_cross_entropy(logits, labels, where=where)
        right, count = ga.metrics.accuracy(logits, labels, where=where)
        return loss, right / count

    @jax.jit
    def evaluate(params, batch):
        out = network.apply(params, None, batch.graph)
        (val_sum, val_count), val_score = loss_and_score(
            out.prediction, batch.labels, batch.split.val
        )
        _, test_score = loss_and_score(out.prediction, batch.labels, batch.split.test)
        record = {
            "val_loss": val_sum / val_count,
            "val_score": val_score,
            "test_score": test_score,
        }
        edges = ga.graphs.pattern(batch.graph)
        reports = [ga.diagnostics.symmetry(a, edges, pairs=batch.pairs) for a in out.attention]
        for field in ga.diagnostics.Symmetry._fields:
            per_layer = [jnp.mean(getattr(report, field)) for report in reports]
            record[field] = jnp.mean(jnp.stack(per_layer))
        return record | parameter_symmetry(params), out.attention[0].weights

    model = make_model(
        network,
        lambda logits, batch: loss_and_score(logits, batch.labels, batch.split.train)[0],
        ga.training.make_optimizer(training.learning_rate, weight_decay=training.weight_decay),
        graph_of=lambda batch: batch.graph,
    )
    return Row(model, evaluate)


def parameter_symmetry(params) -> dict[str, jax.Array]:
    """Mean s(W_q W_kᵀ) over layers and heads, where a layer has such weights."""
    if isinstance(params, ga.models.ResidualNetworkParams):
        params = ga.nn.unstack(params.blocks)

    def is_layer(node):
        return isinstance(node, ga.attention.GraphTransformerParams)

    scores = [
        ga.diagnostics.symmetry_score(layer.query_weight, layer.key_weight).mean()
        for layer in jax.tree.leaves(params, is_leaf=is_layer)
        if is_layer(layer) and layer.key_weight is not None
    ]
    return {"parameter_symmetry": jnp.stack(scores).mean()} if scores else {}


def train(config: RunConfig, job: Job, problem: Problem, row: Row) -> dict[str, Any]:
    """One run: the numbers of its best step. `attention.npz` has the attention before and after."""
    training, batch = config.training, make_batch(problem, config.network, config.seed)
    patient = training.patience is not None
    fitted = job.fit(
        row.model,
        config.seed,
        ga.training.Repeat(batch),
        num_steps=training.steps,
        evaluate=lambda params: jax.device_get(row.evaluate(params, batch)[0]),
        eval_every=training.eval_every,
        early_stopping=ga.training.EarlyStopping(
            ("val_score", "val_loss") if patient else "val_score",
            ("max", "min") if patient else "max",
            patience=training.patience,
            ties=True,
        ),
    )
    state = row.model.init(config.seed)
    _, before = row.evaluate(state.params, batch)
    best, after = row.evaluate(fitted.best_state.params, batch)
    np.savez_compressed(job.folder / "attention.npz", before=before, after=after)
    return {
        "best_step": fitted.best_step,
        "steps": int(fitted.state.step),
        "step_seconds": step_seconds(row.model, state, batch),
        **{name: float(value) for name, value in best.items()},
    }


def step_seconds(model: Model, state: ga.training.TrainState, batch: Batch) -> float:
    """Median time of a training step, compilation apart."""
    seconds = []
    for _ in range(TIMED_STEPS):
        start = time.perf_counter()
        state, _ = model.train_step(state, batch)
        jax.block_until_ready(state)
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds))
