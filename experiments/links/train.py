"""Train one network to predict the links of a knowledge graph, and rank both ends of those held out."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import jax

import graphattn_jax as ga
from experiments._command import load
from experiments._model import Model, make_model, size_of
from experiments._run import Job
from experiments.links.configs import ROWS, RunConfig, Size, network

HITS = (1, 3, 10)


class Problem(NamedTuple):
    """A data set, its graph prepared, and both ends of the links of each part to be ranked."""

    data: ga.data.LinkDataset
    messages: ga.graphs.PreparedGraph
    inputs: ga.models.TypedInputs
    queries: dict[str, list[ga.links.RankingBatch]]


class Questions(NamedTuple):
    """A graph and links of which an end is left open."""

    graph: ga.graphs.PreparedGraph
    links: Any


def load_problem(dataset: str) -> Problem:
    """The data. Links of all parts are known to the rankings: the filtered setting."""
    data = load(dataset)
    index = ga.links.index_links(data.graph, data.val, data.test)
    queries = {
        name: ga.links.ranking_batches(getattr(data, name), index, 512) for name in ("val", "test")
    }
    messages = jax.device_put(ga.graphs.prepare(data.graph))
    return Problem(data, messages, ga.models.TypedInputs.of(data.graph), queries)


def _both_ends(batch: Any) -> ga.models.LinkGraph:
    links = batch.links
    if isinstance(batch, ga.links.LinkBatch):
        links = (links._replace(tails=None), links._replace(heads=None))
    return ga.models.LinkGraph(batch.graph, links)


def build(problem: Problem, config: RunConfig) -> Model:
    """The compiled functions of a row and size."""

    def loss(scores: tuple[jax.Array, jax.Array], batch: ga.links.LinkBatch) -> Any:
        answers = (batch.links.tails, batch.links.heads)
        pairs = [
            ga.losses.softmax_cross_entropy(s, answer, where=batch.where)
            for s, answer in zip(scores, answers, strict=True)
        ]
        return tuple(map(sum, zip(*pairs, strict=True)))

    return make_model(
        network(config.row, Size(config.width, config.dropout), problem.inputs),
        loss,
        ga.training.make_optimizer(config.protocol.learning_rate),
        graph_of=_both_ends,
    )


def make_ranking(problem: Problem, model: Model) -> Any:
    """`ranking(part, params)`: MRR and Hits@k of a part, both ends together."""

    @ga.training.make_eval_step
    def step(params: Any, batch: Any) -> dict[str, Any]:
        messages, query = batch
        scores = model.predict(Questions(messages, query.links), params)
        ranks = ga.metrics.ranks(scores, query.answers, where=query.candidates)
        hits = {f"hits@{k}": ga.metrics.hits_at(ranks, k, where=query.where) for k in HITS}
        return {"mrr": ga.metrics.reciprocal_rank(ranks, where=query.where), **hits}

    def ranking(part: str, params: Any) -> dict[str, float]:
        batches = [(problem.messages, query) for query in problem.queries[part]]
        return ga.training.evaluate(step, params, batches)

    return ranking


def train(config: RunConfig, job: Job, problem: Problem, model: Model, ranking: Any) -> dict:
    """One run: the test links at the step that validation chooses."""
    protocol = config.protocol
    batches = ga.links.LinkBatches(
        problem.data.graph,
        protocol.batch_size,
        seed=config.seed,
        hide=ROWS[config.row].hide,
    )
    start = time.perf_counter()
    fitted = job.fit(
        model,
        config.seed,
        batches,
        num_steps=protocol.steps,
        eval_every=protocol.eval_every,
        evaluate=lambda params: {"val_mrr": ranking("val", params)["mrr"]},
        early_stopping=ga.training.EarlyStopping("val_mrr", "max", patience=protocol.steps),
    )
    params = fitted.best_state.params
    return {
        "val": ranking("val", params),
        "test": ranking("test", params),
        "best_step": fitted.best_step,
        "seconds": time.perf_counter() - start,
        "parameters": size_of(model.network),
    }
