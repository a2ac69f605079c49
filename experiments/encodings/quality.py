"""Train one network per encoding on a task; everything but the encoding is the same."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import graphattn_jax as ga
from experiments._model import Model, make_mean, make_model
from experiments._run import Job
from experiments.encodings.encoders import ENCODINGS, Encoding
from experiments.encodings.tasks import Protocol, Task


@dataclass(frozen=True)
class RunConfig:
    """One training run: seed i uses fold i."""

    task: str
    encoding: str
    seed: int
    protocol: Protocol

    @property
    def name(self) -> str:
        return f"{self.task}-{self.encoding}-{self.seed}"


@dataclass(frozen=True, repr=False)
class EncodedNetwork(ga.models.Network):
    """A residual network that reads an encoding beside the features.

    Graphs come as `encode` makes them. `pool` is how a graph's prediction comes from its nodes', None for predictions
    of nodes.
    """

    encoding: str
    network: ga.models.ResidualNetwork
    pool: str | None

    @property
    def encoder(self) -> Encoding:
        return ENCODINGS[self.encoding]

    def init(self, key):
        k_encoder, k_network = jax.random.split(key)
        params, _ = self.network.init(k_network)
        return {"encoder": self.encoder.init(k_encoder), "network": params}, None

    def apply(self, params, state, graph, *, training=False, key=None):
        encoder, of_pairs = self.encoder, self.encoder.pairs is not None
        inputs = (graph.edges if of_pairs else graph.nodes)["encoding"]
        plain = graph._replace(nodes=graph.nodes["features"], edges=edge_features(graph))
        encoded = encoder.apply(params["encoder"], inputs, plain, key if training else None)
        if of_pairs:
            plain = plain._replace(edges=_beside(plain.edges, encoded))
        else:
            plain = plain._replace(nodes=_beside(plain.nodes, encoded))
        out = self.network.apply(params["network"], None, plain, training=training, key=key)
        if self.pool is None:
            return out
        pooled = ga.models.pool(plain._replace(nodes=out.prediction), self.pool)
        return out._replace(prediction=pooled)


def edge_features(graph: Any) -> Any:
    """Without the encoding."""
    return graph.edges["features"] if isinstance(graph.edges, dict) else graph.edges


def _beside(features, encoded):
    return encoded if features is None else jnp.concatenate([features, encoded], axis=1)


def make_network(config: RunConfig, graph: Any, num_outputs: int) -> EncodedNetwork:
    """For graphs like this one, as `encode` makes it."""
    protocol, encoding, edges = config.protocol, ENCODINGS[config.encoding], edge_features(graph)
    nodes_width = graph.nodes["features"].shape[1]
    edges_width = 0 if edges is None else edges.shape[1]
    if encoding.pairs is None:
        nodes_width += encoding.width
    else:
        edges_width += encoding.width
    network = ga.models.ResidualNetwork(
        nodes_width,
        num_outputs,
        protocol.layer,
        width=protocol.width,
        num_layers=protocol.num_layers,
        dropout=0.0,
        edge_features=edges_width or None,
    )
    return EncodedNetwork(config.encoding, network, protocol.pool)


# --- data ---------------------------------------------------------------------------------------------------


class Batch(NamedTuple):
    """On the device; `where` says which graphs or nodes count."""

    graph: ga.graphs.PreparedGraph
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
    """Columns of mean 0 and variance 1 over all nodes; eigenvectors stay orthonormal."""
    if not isinstance(graphs[0].nodes["encoding"], np.ndarray):
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
        return [jax.device_put(Batch(ga.graphs.prepare(graph), task.labels, where))]
    # That of all graphs, so that folds share a compilation.
    budget = ga.graphs.estimate_budget(graphs, batch_size or len(ids))
    batches = (
        Batch(graph._replace(globals=None), graph.globals, ga.graphs.graph_mask(graph))
        for graph in ga.graphs.batches_to_budget([graphs[i] for i in ids], budget)
    )
    return [jax.device_put(batch) for batch in batches]


# --- training -----------------------------------------------------------------------------------------------


class Row(NamedTuple):
    """What the seeds of an encoding share: graphs and a model, and the mean of its score over batches."""

    graphs: list[ga.graphs.GraphsTuple]
    encode_seconds: float
    model: Model
    score: Callable[..., float]


def build_row(config: RunConfig, task: Task) -> Row:
    """Encode the graphs of a task, and make the network for them."""
    graphs, seconds = encode(task, ENCODINGS[config.encoding])
    classes = task.metric == "accuracy"
    loss = ga.losses.softmax_cross_entropy if classes else ga.metrics.mean_absolute_error
    metric = ga.metrics.accuracy if classes else ga.metrics.mean_absolute_error
    model = make_model(
        make_network(config, graphs[0], task.num_outputs),
        lambda outputs, batch: loss(outputs, batch.targets, where=batch.where),
        ga.training.make_optimizer(config.protocol.learning_rate, weight_decay=0.0),
        graph_of=lambda batch: batch.graph,
    )
    score = make_mean(
        model, lambda outputs, batch: metric(outputs, batch.targets, where=batch.where)
    )
    return Row(graphs, seconds, model, score)


def train(config: RunConfig, job: Job, task: Task, row: Row) -> dict[str, Any]:
    """One run: the score on the test graphs (nodes) at the best step on the validation ones."""
    protocol = config.protocol
    batches, val, test = (
        make_batches(task, row.graphs, ids, protocol.batch_size)
        for ids in task.folds[config.seed % len(task.folds)]
    )
    fitted = job.fit(
        row.model,
        config.seed,
        ga.training.ShuffledBatches(batches, config.seed),
        num_steps=protocol.steps,
        evaluate=lambda params: {"val": row.score(val, params), "test": row.score(test, params)},
        eval_every=protocol.eval_every,
        early_stopping=ga.training.EarlyStopping(
            "val", "max" if task.metric == "accuracy" else "min", patience=None, ties=True
        ),
    )
    best = next(h for h in fitted.history if h["step"] == fitted.best_step)
    return {"encode_seconds": row.encode_seconds, "val": best["val"], "test": best["test"]}
