"""Train one network on ZINC; a run that was stopped goes on from its last checkpoint."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import jax

import graphattn_jax as ga
from experiments.zinc.configs import Network


def size_of(tree: Any) -> int:
    """Number of parameters."""
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


def train(
    name: str,
    network: Network,
    parts: Sequence[ga.graphs.GraphsTuple],
    *,
    seed: int,
    epochs: int | None,
    workdir: Path,
    callback: Callable[[int, dict[str, float]], None] = lambda step, record: None,
) -> dict[str, Any]:
    """One run: the test error of the epoch with the best validation error.

    A shorter schedule than the published one keeps its shape: warm-up and decay shrink with it.
    """
    folder = workdir / f"{name}-{seed}"
    protocol = network.protocol
    if epochs is not None:
        share = epochs / protocol.epochs
        protocol = replace(
            protocol, epochs=epochs, warmup_epochs=max(share * protocol.warmup_epochs, 1)
        )
    settings = asdict(protocol) | {"network": name, "seed": seed}
    finished = folder / "result.json"
    if finished.exists():
        result = json.loads(finished.read_text())
        if result["settings"] != settings:
            raise ValueError(f"{finished} was made with other settings. Fix: another --out.")
        return result

    block_size = -(-max(int(part.n_node.max()) for part in parts) // 8) * 8
    train_batches, *others = (
        ga.training.GraphBatches(
            part,
            protocol.batch_size,
            seed=seed if part is parts[0] else None,
            block_size=block_size,
        )
        for part in parts
    )
    val, test = (batches.epoch() for batches in others)
    steps = len(train_batches)
    schedule = {
        "schedule": protocol.schedule,
        "warmup_steps": math.ceil(protocol.warmup_epochs * steps),
        "total_steps": (protocol.epochs + 1) * steps,
    }
    optimizer = ga.training.make_optimizer(
        protocol.learning_rate,
        weight_decay=protocol.weight_decay,
        decoupled=True,
        clip_norm=protocol.clip_norm,
        **schedule,
    )

    def error(predicted, batch):
        return ga.models.l1_loss(
            predicted[:, 0], batch.graph.globals, where=batch.layout.graph_mask
        )

    def loss_fn(params, model_state, batch, dropout_key):
        predicted, model_state = network.apply(
            params, model_state, batch, training=True, dropout_key=dropout_key
        )
        return error(predicted, batch), {}, model_state

    eval_step = ga.training.make_eval_step(
        lambda variables, batch: {"mae": error(network.apply(*variables, batch)[0], batch)}
    )

    def mae(batches, *variables) -> float:
        return ga.training.evaluate(eval_step, variables, batches)["mae"]

    params_key, dropout_key = jax.random.split(jax.random.key(seed))
    params, model_state = network.init(params_key)
    start = time.perf_counter()
    fitted = ga.training.fit(
        ga.training.init_train_state(params, optimizer, dropout_key, model_state=model_state),
        ga.training.make_train_step(loss_fn, optimizer),
        train_batches,
        num_steps=protocol.epochs * steps,
        eval_every=steps,
        evaluate=lambda *variables: {"val": mae(val, *variables)},
        early_stopping=ga.training.EarlyStopping("val", "min", patience=None),
        checkpointer=ga.training.Checkpointer(folder / "checkpoints", every=5 * steps),
        logger=ga.training.JsonlLogger(folder / "metrics.jsonl"),
        callbacks=[callback],
    )
    best = fitted.best_state
    result = {
        "settings": settings,
        "parameters": size_of(params),
        "best_epoch": fitted.best_step // steps,
        "val": next(h["val"] for h in fitted.history if h["step"] == fitted.best_step),
        "test": mae(test, best.params, best.model_state),
        "seconds_of_last_start": time.perf_counter() - start,
        "curve": [{key: record[key] for key in ("loss", "val")} for record in fitted.history],
    }
    finished.write_text(json.dumps(result))
    return result
