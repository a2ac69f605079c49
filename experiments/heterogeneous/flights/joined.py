"""One table from several: each flight beside the rows that it refers to, and beside what happened before."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

import graphattn_jax as ga

SMALL = ("airlines", "airports", "planes")
"""Tables whose rows are themselves categories."""
MOST_CATEGORIES = 255
"""That the trees take; rarer ones are one."""


class Joined(NamedTuple):
    """columns `[flights, D]` float32, NaN where nothing is known; which of them are categories."""

    columns: np.ndarray
    is_category: np.ndarray


def join(data: ga.data.TableDataset, *, history: bool) -> Joined:
    """Features of each flight and of all rows that it refers to; with `history` also recent delays around it."""
    graph = data.graph
    nodes, schema, flights = graph.nodes, graph.nodes.schema, len(data.targets)
    numbers, categories = [nodes.features[:flights, : nodes.widths[0]]], []
    parents = {}
    for r, (child, name, parent) in enumerate(schema.relations):
        if child != "flights" or name.startswith("rev_"):
            continue
        mask = graph.edges.relation == r
        of = np.full(flights, -1)
        of[graph.senders[mask]] = graph.receivers[mask]
        parents[name] = of
        kind = schema.type_id(parent)
        rows = np.where((of < 0)[:, None], np.nan, nodes.features[of, : nodes.widths[kind]])
        numbers.append(rows)
        own = [nodes.index] if parent in SMALL else []
        sizes = nodes.vocabularies[kind]
        own += [nodes.categories[:, k] for k in range(len(sizes))]
        categories += [np.where(of < 0, -1, x[of]) for x in own]
    if history:
        numbers += [x[:, None] for x in _recent(data, parents)]
    table = np.column_stack([*numbers, *map(_frequent, categories)]).astype(np.float32)
    return Joined(table, np.arange(table.shape[1]) >= table.shape[1] - len(categories))


def _frequent(ids: np.ndarray) -> np.ndarray:
    """The most frequent ids as small numbers, the others and -1 as NaN."""
    found, inverse, counts = np.unique(ids, return_inverse=True, return_counts=True)
    counts = np.where(found < 0, 0, counts)
    order = np.argsort(-counts, kind="stable")
    rank = np.empty(len(found))
    rank[order] = np.arange(len(found))
    rank[(rank >= MOST_CATEGORIES) | (counts == 0)] = np.nan
    return rank[inverse]


def _recent(data: ga.data.TableDataset, parents: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Of the latest departures and arrivals of the same plane, airline and airports: mean delay, and minutes ago."""
    graph, columns = data.graph, []
    nodes, schema = graph.nodes, graph.nodes.schema
    asked = nodes.time[: len(data.targets)].astype(np.int64)
    for r, (child, name, _) in enumerate(schema.relations):
        if child not in ("departures", "arrivals") or name == "flight":
            continue
        delays = np.asarray(data.tables[child].columns["delay"])
        mask = graph.edges.relation == r
        events, of = graph.senders[mask], graph.receivers[mask]
        when, delay = nodes.time[events].astype(np.int64), delays[nodes.index[events]]
        for last in (1, 10):
            columns += latest(of, when, delay, parents[name], asked, last)
    return columns


def latest(
    of: np.ndarray,
    when: np.ndarray,
    value: np.ndarray,
    ask: np.ndarray,
    asked: np.ndarray,
    last: int,
) -> list[np.ndarray]:
    """The mean of the `last` values of the same parent up to the time of the question, and minutes since the latest."""
    order = np.lexsort((when, of))
    first = min(int(when.min()), int(asked.min()))
    span = max(int(when.max()), int(asked.max())) - first + 1
    keys = of[order].astype(np.int64) * span + when[order] - first
    own = ask.astype(np.int64) * span
    end = np.searchsorted(keys, own + asked - first, "right")
    start = np.maximum(end - last, np.searchsorted(keys, own, "left"))
    sums = np.append(0, np.cumsum(value[order]))
    there = (ask >= 0) & (end > start)
    mean = np.where(there, (sums[end] - sums[start]) / np.maximum(end - start, 1), np.nan)
    ago = np.where(there, (asked - when[order][np.maximum(end - 1, 0)]) / 60, np.nan)
    return [mean, ago]
