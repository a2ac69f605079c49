"""Train one row of the table: a layer and a treatment, several seeds, one compilation."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import graphattn_jax as ga
from experiments.symmetry.configs import MAX_DEGREE_DIFFERENCE, Protocol, RunConfig

TIMED_STEPS = 5
CHECKPOINT_EVERY = 250


class Inputs(NamedTuple):
    """The arrays of a data set, on the device; an argument of every compiled function, not a constant in it."""

    graph: ga.graphs.GraphsTuple
    layout: ga.graphs.Layout
    labels: jax.Array
    symmetric_buckets: jax.Array  # [E]
    directional_buckets: jax.Array  # [E]
    pairs: jax.Array  # [E], for the symmetry errors


class Problem(NamedTuple):
    """A data set with self-loops added."""

    inputs: Inputs
    splits: tuple[ga.data.Split, ...]
    num_classes: int
    metric: str


def load_problem(dataset: str, protocol: Protocol) -> Problem:
    """The data of a protocol, ready for every layer."""
    data = ga.data.load(dataset)
    graph = ga.graphs.add_self_loops(data.graph)
    if protocol.row_normalize:
        graph = graph._replace(nodes=ga.data.row_normalize(graph.nodes))
    # A position that a graph has without an encoding: how well connected a node is.
    level = np.round(np.log2(np.asarray(ga.graphs.in_degree(graph)))).astype(np.int32)
    buckets = [
        ga.attention.relative_buckets(
            level,
            graph.senders,
            graph.receivers,
            max_distance=MAX_DEGREE_DIFFERENCE,
            symmetric=symmetric,
        )
        for symmetric in (True, False)
    ]
    pairs = ga.diagnostics.unordered_pairs(graph.senders, graph.receivers)
    inputs = Inputs(graph, ga.graphs.layout(graph), data.labels, *buckets, pairs)
    return Problem(jax.device_put(inputs), data.splits, data.num_classes, data.metric)


class Row(NamedTuple):
    """The compiled functions of one row, and its parameters by seed.

    evaluate(params, batch) gives a record of numbers and the attention weights `[E, H]` of the first layer.
    """

    init: Callable[[int], Any]
    train_step: Callable[..., Any]
    evaluate: Callable[..., Any]


def build_row(config: RunConfig, problem: Problem) -> Row:
    """Functions that every seed of the row shares."""
    p, spec = config.protocol, config.spec
    out_features = 1 if problem.metric == "roc_auc" else problem.num_classes
    if p.network == "plain":
        sizes = {"channels": p.width // p.heads, "heads": p.heads, "num_layers": p.num_layers}
        init, network = ga.models.init_plain_network, ga.models.plain_network
    else:
        sizes = {"width": p.width, "heads": p.heads, "num_layers": p.num_layers}
        init, network = ga.models.init_residual_network, ga.models.residual_network

    def apply(params, inputs, **options):
        buckets = None
        if spec.relative_buckets:
            buckets = inputs.directional_buckets if config.directional else inputs.symmetric_buckets
        return network(
            params, inputs.graph, spec=spec, buckets=buckets, layout=inputs.layout, **options
        )

    def loss_and_score(logits, labels, where):
        if problem.metric == "roc_auc":
            scores = logits[:, 0]
            loss = ga.models.sigmoid_binary_cross_entropy(
                scores, labels.astype(scores.dtype), where=where
            )
            return loss, ga.models.roc_auc(scores, labels, where=where)
        loss = ga.models.softmax_cross_entropy(logits, labels, where=where)
        right, count = ga.models.accuracy(logits, labels, where=where)
        return loss, right / count

    def loss_fn(params, batch, dropout_key):
        inputs, split = batch
        logits, _ = apply(params, inputs, dropout_rate=p.dropout, dropout_key=dropout_key)
        return loss_and_score(logits, inputs.labels, split.train)[0]

    @jax.jit
    def evaluate(params, batch):
        inputs, split = batch
        logits, maps = apply(params, inputs)
        (val_sum, val_count), val_score = loss_and_score(logits, inputs.labels, split.val)
        _, test_score = loss_and_score(logits, inputs.labels, split.test)
        record = {
            "val_loss": val_sum / val_count,
            "val_score": val_score,
            "test_score": test_score,
        }
        reports = [
            ga.diagnostics.symmetry(
                attention.weights,
                inputs.graph.senders,
                inputs.graph.receivers,
                num_nodes=inputs.labels.shape[0],
                pairs=inputs.pairs,
            )
            for attention in maps
        ]
        for field in ga.diagnostics.Symmetry._fields:
            per_layer = [jnp.mean(getattr(report, field)) for report in reports]
            record[field] = jnp.mean(jnp.stack(per_layer))
        return record | parameter_symmetry(params), maps[0].weights

    optimizer = ga.training.make_optimizer(p.learning_rate, weight_decay=p.weight_decay)

    def init_state(seed):
        params_key, dropout_key = jax.random.split(jax.random.key(seed))
        params = init(
            params_key, problem.inputs.graph.nodes.shape[1], out_features, spec=spec, **sizes
        )
        return ga.training.init_train_state(params, optimizer, dropout_key)

    return Row(
        init=init_state,
        train_step=ga.training.make_train_step(loss_fn, optimizer),
        evaluate=evaluate,
    )


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


def train(config: RunConfig, problem: Problem, row: Row, workdir: Path) -> dict[str, Any]:
    """One run: `result.json`, `metrics.jsonl`, `config.json`, `environment.json` in `workdir`.

    A finished run is read back, an interrupted one continues from its last checkpoint.
    """
    done = workdir / "result.json"
    settings = json.loads(json.dumps(asdict(config)))
    if done.exists():
        result = json.loads(done.read_text())
        if result["config"] != settings:
            raise ValueError(
                f"{workdir} holds a run with other settings: {result['config']}. Fix: another --out, or remove it."
            )
        return result
    workdir.mkdir(parents=True, exist_ok=True)
    (workdir / "config.json").write_text(json.dumps(settings, indent=2))
    (workdir / "environment.json").write_text(json.dumps(environment(), indent=2))
    split = jax.tree.map(jnp.asarray, problem.splits[config.seed % len(problem.splits)])
    batch = (problem.inputs, split)
    state = row.init(config.seed)
    p = config.protocol
    stopping = ga.training.EarlyStopping(
        ("val_score", "val_loss") if p.patience else "val_score",
        ("max", "min") if p.patience else "max",
        patience=p.patience,
        ties=True,
    )
    checkpointer = None
    if p.steps > CHECKPOINT_EVERY:  # a shorter run is quicker begun again
        checkpointer = ga.training.Checkpointer(workdir / "checkpoints", every=CHECKPOINT_EVERY)
    fitted = ga.training.fit(
        state,
        row.train_step,
        ga.training.Repeat(batch),
        num_steps=p.steps,
        evaluate=lambda params: jax.device_get(row.evaluate(params, batch)[0]),
        eval_every=p.eval_every,
        early_stopping=stopping,
        checkpointer=checkpointer,
        logger=ga.training.JsonlLogger(workdir / "metrics.jsonl"),
    )
    _, before = row.evaluate(state.params, batch)
    best, after = row.evaluate(fitted.best_state.params, batch)
    np.savez_compressed(workdir / "attention.npz", before=before, after=after)
    result = {
        "config": settings,
        "best_step": fitted.best_step,
        "steps": int(fitted.state.step),
        "step_seconds": step_seconds(row, state, batch),
        **{name: float(value) for name, value in best.items()},
    }
    done.write_text(json.dumps(result, indent=2))
    return result


environment = functools.cache(ga.training.environment)


def step_seconds(row: Row, state: ga.training.TrainState, batch: Any) -> float:
    """Median time of a training step, compilation apart."""
    state = jax.tree.map(jnp.copy, state)
    seconds = []
    for _ in range(TIMED_STEPS):
        start = time.perf_counter()
        state, _ = row.train_step(state, batch)
        jax.block_until_ready(state)
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds))
