"""Train one network per encoding on a task; everything but the encoding is the same."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import graphattn_jax as ga
from experiments.encodings.encoders import Encoding
from experiments.encodings.tasks import Protocol, Task

SPEC = ga.models.AttentionSpec("graph_transformer")


class Batch(NamedTuple):
    """A padded batch on the device; `weight` is 1 on the graphs or nodes that count and 0 elsewhere."""

    graph: Any
    layout: ga.graphs.Layout
    targets: jax.Array
    where: jax.Array


def encode(task: Task, encoding: Encoding) -> tuple[list[ga.graphs.GraphsTuple], float]:
    """The graphs with their encodings, and the seconds that took."""
    start = time.perf_counter()
    graphs = ga.encodings.precompute(
        task.graphs,
        {"encoding": encoding.nodes},
        pairs={"encoding": encoding.pairs} if encoding.pairs else None,
        pattern=_all_pairs_with_edges if encoding.pairs else None,
        progress=False,
    )
    seconds = time.perf_counter() - start
    return (graphs if encoding.pairs else _standardized(graphs)), seconds


def _standardized(graphs: list[ga.graphs.GraphsTuple]) -> list[ga.graphs.GraphsTuple]:
    """Columns of mean 0 and variance 1 over all nodes; eigenvectors (a dict) stay orthonormal."""
    if isinstance(graphs[0].nodes["encoding"], dict):
        return graphs
    columns = np.concatenate([graph.nodes["encoding"] for graph in graphs])
    mean, std = columns.mean(0), np.maximum(columns.std(0), 1e-6)
    return [
        graph._replace(nodes=graph.nodes | {"encoding": (graph.nodes["encoding"] - mean) / std})
        for graph in graphs
    ]


def _all_pairs_with_edges(graph: ga.graphs.GraphsTuple) -> ga.graphs.GraphsTuple:
    """All pairs; the features of bonds stay, pairs without one get zeros."""
    pairs, edge_ids = ga.graphs.all_pairs(graph, return_edge_ids=True)
    if graph.edges is None:
        return pairs
    found = (edge_ids >= 0)[:, None]
    return pairs._replace(edges=np.where(found, graph.edges[edge_ids], 0).astype(np.float32))


def make_batches(task: Task, graphs: list, ids: np.ndarray, batch_size: int | None) -> list[Batch]:
    """Padded batches of the graphs `ids`, or of the one graph with its nodes `ids`."""
    if task.labels is not None:
        (graph,) = graphs
        where = np.zeros(len(task.labels), bool)
        where[ids] = True
        return [jax.device_put(Batch(graph, ga.graphs.layout(graph), task.labels, where))]
    chosen = [graphs[i] for i in ids]
    budget = ga.graphs.estimate_budget(chosen, batch_size or len(chosen))
    batches = []
    for graph in ga.graphs.batches_to_budget(chosen, budget):
        layout = ga.graphs.layout(graph)
        batch = Batch(graph._replace(globals=None), layout, graph.globals, layout.graph_mask)
        batches.append(jax.device_put(batch))
    return batches


def predictions(params, batch: Batch, encoding: Encoding, protocol: Protocol, key) -> jax.Array:
    """`[G, outputs]`, or `[N, outputs]` for a task on nodes. `key` is None in evaluation."""
    graph, layout = batch.graph, batch.layout
    inputs = (graph.nodes if encoding.pairs is None else graph.edges)["encoding"]
    plain = graph._replace(nodes=graph.nodes["features"], edges=_edge_features(graph))
    encoded = encoding.apply(params["encoder"], inputs, plain, layout, key)
    if encoding.pairs is None:
        plain = plain._replace(nodes=_beside(plain.nodes, encoded))
    else:
        plain = plain._replace(edges=_beside(plain.edges, encoded))
    out, _ = ga.models.residual_network(params["network"], plain, spec=SPEC, layout=layout)
    if protocol.pool is None:
        return out
    pool = ga.ops.segment_mean if protocol.pool == "mean" else ga.ops.segment_sum
    return pool(out, layout.node_graph_ids, len(batch.targets), where=layout.node_mask)


def _edge_features(graph):
    return graph.edges["features"] if isinstance(graph.edges, dict) else graph.edges


def _beside(features, encoded):
    return encoded if features is None else jnp.concatenate([features, encoded], axis=1)


def init(key, graph, task: Task, encoding: Encoding, protocol: Protocol) -> dict[str, Any]:
    k_encoder, k_network = jax.random.split(key)
    edges = _edge_features(graph)
    node_width, edge_width = (
        graph.nodes["features"].shape[1],
        0 if edges is None else edges.shape[1],
    )
    if encoding.pairs is None:
        node_width += encoding.width
    else:
        edge_width += encoding.width
    params = ga.models.init_residual_network(
        k_network,
        node_width,
        task.num_outputs,
        spec=SPEC,
        width=protocol.width,
        heads=protocol.heads,
        num_layers=protocol.num_layers,
        separate=True,
        edge_features=edge_width or None,
    )
    return {"encoder": encoding.init(k_encoder), "network": params}


def train(task: Task, graphs: list, encoding: Encoding, protocol: Protocol, seed: int) -> dict:
    """One run: the score on the test graphs (nodes) at the best step on the validation ones."""

    def sums(outputs, batch):
        if task.metric == "accuracy":
            return ga.models.softmax_cross_entropy(outputs, batch.targets, where=batch.where)
        return ga.models.mean_absolute_error(outputs, batch.targets, where=batch.where)

    def loss_fn(params, batch, key):
        return sums(predictions(params, batch, encoding, protocol, key), batch)

    @jax.jit
    def score(params, batch):
        outputs = predictions(params, batch, encoding, protocol, None)
        if task.metric == "accuracy":
            return ga.models.accuracy(outputs, batch.targets, where=batch.where)
        return sums(outputs, batch)

    train_ids, val_ids, test_ids = task.folds[seed % len(task.folds)]
    batches, val, test = (
        make_batches(task, graphs, ids, protocol.batch_size)
        for ids in (train_ids, val_ids, test_ids)
    )

    def evaluate(params) -> dict[str, float]:
        scores = {}
        for name, part in (("val", val), ("test", test)):
            pairs = [jax.device_get(score(params, batch)) for batch in part]
            scores[name] = float(sum(s for s, _ in pairs) / sum(c for _, c in pairs))
        return scores

    optimizer = ga.training.make_optimizer(protocol.learning_rate, weight_decay=0.0)
    params = init(jax.random.key(seed), batches[0].graph, task, encoding, protocol)
    state = ga.training.init_train_state(params, optimizer, jax.random.key(seed))
    start = time.perf_counter()
    fitted = ga.training.fit(
        state,
        ga.training.make_train_step(loss_fn, optimizer),
        ga.training.ShuffledBatches(batches, seed),
        num_steps=protocol.steps,
        evaluate=evaluate,
        eval_every=protocol.eval_every,
        early_stopping=ga.training.EarlyStopping(
            "val", "max" if task.metric == "accuracy" else "min", patience=None, ties=True
        ),
    )
    best = next(h for h in fitted.history if h["step"] == fitted.best_step)
    seconds = time.perf_counter() - start
    return {"val": best["val"], "test": best["test"], "train_seconds": seconds}


def run(name: str, task: Task, label: str, encoding: Encoding, protocol: Protocol, workdir: Path):
    """All seeds of one encoding on one task; finished ones are read back."""
    results, graphs, seconds = [], None, 0.0
    for seed in range(protocol.seeds):
        path = workdir / f"{name}-{label}-{seed}.json"
        if path.exists():
            stored = json.loads(path.read_text())
            if stored["protocol"] != asdict(protocol):
                raise ValueError(f"{path} was made with other settings. Fix: another --out.")
            results.append(stored)
            continue
        if graphs is None:
            graphs, seconds = encode(task, encoding)
        result = {
            "task": name,
            "encoding": label,
            "seed": seed,
            "encode_seconds": seconds,
            "protocol": asdict(protocol),
            **train(task, graphs, encoding, protocol, seed),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(result, indent=2))
        results.append(result)
    return results
