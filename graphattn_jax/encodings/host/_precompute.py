"""Encodings of a whole data set, once: in parallel, cached by content, attached to the graphs."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from contextlib import contextmanager
from functools import partial
from typing import Any, overload

import jax
import numpy as np

from graphattn_jax import _checks
from graphattn_jax._cache import remembered
from graphattn_jax.encodings.host._fingerprint import fingerprint
from graphattn_jax.encodings.host._threads import thread_pool
from graphattn_jax.graphs import (
    GraphsTuple,
    batch,
    num_edges,
    num_graphs,
    num_nodes,
    to_host,
    unbatch,
)

CHUNK_NODES = 2**15
"""Graphs are computed in chunks of about this many nodes: large enough to stack, small enough to share out."""

NodeEncoding = Callable[[GraphsTuple], Any]
PairEncoding = Callable[..., Any]


@overload
def precompute(
    graphs: GraphsTuple,
    nodes: Mapping[str, NodeEncoding] | None = None,
    *,
    pairs: Mapping[str, PairEncoding] | None = None,
    pattern: Callable[[GraphsTuple], GraphsTuple] | None = None,
    cache: str | os.PathLike | None = None,
    threads: int | None = None,
    progress: bool = True,
) -> GraphsTuple: ...
@overload
def precompute(
    graphs: Sequence[GraphsTuple],
    nodes: Mapping[str, NodeEncoding] | None = None,
    *,
    pairs: Mapping[str, PairEncoding] | None = None,
    pattern: Callable[[GraphsTuple], GraphsTuple] | None = None,
    cache: str | os.PathLike | None = None,
    threads: int | None = None,
    progress: bool = True,
) -> list[GraphsTuple]: ...
def precompute(
    graphs: GraphsTuple | Sequence[GraphsTuple],
    nodes: Mapping[str, NodeEncoding] | None = None,
    *,
    pairs: Mapping[str, PairEncoding] | None = None,
    pattern: Callable[[GraphsTuple], GraphsTuple] | None = None,
    cache: str | os.PathLike | None = None,
    threads: int | None = None,
    progress: bool = True,
) -> GraphsTuple | list[GraphsTuple]:
    """Compute a set of encodings for every graph and attach them to the features.

    Node features become a dict: `"features"`, what they were (None stays None), beside one entry per node encoding.
    With `pairs`, edge features become a dict in the same way. An encoding of several arrays stays as its function gives
    it, `LaplacianEigenvectors` for example. `batch`, `pad`, `unbatch` and `jax.jit` carry such graphs like any others.

    Encodings always see the original graph. The pattern is applied after the node encodings, and pair encodings get
    both: `encoding(graph, pattern=pattern_graph)`. Add virtual nodes and padding to the result.

    Args:
      graphs: a list of graphs, or one graph or batch without padding.
      nodes: name to function of a graph that gives arrays with N rows: `partial(ga.encodings.rwse, k=16)`.
      pairs: name to function `f(graph, *, pattern)` that gives arrays with one row per edge of the pattern.
      pattern: which pairs attend, as a function of the graph, `ga.graphs.all_pairs` say; the result has its edges.
        None = the graph's own edges. It must keep the nodes.
      cache: a folder for results, or None. Files are named by what went in: the graphs of a chunk, the function with
        its options, and all that its code reads: helpers, module constants, what is in its closure. What has changed is
        computed anew; a damaged file is reported, and computed anew. Installed packages count by their version; files
        that a function reads do not count.
      threads: how many chunks at a time; None = one per core.
      progress: show a bar, where rich is installed and there is more than one chunk.

    Returns:
      As `graphs`: a list, or one graph, in the given order; numpy leaves.

    Raises:
      ValueError: a padded graph, a pattern that changes the nodes, an encoding with a wrong number of rows, a function
        that the cache cannot name (it reads a lock, or a module as a whole), a name that is taken.

    Cost: that of the encodings; beyond them O(N + E).

    Padding: apply before `pad`, which gives padding nodes and edges zeros.

    Example:
      >>> from functools import partial
      >>> import graphattn_jax as ga
      >>> square = ga.graphs.from_edge_list([0, 1, 2, 3], [1, 2, 3, 0])
      >>> graphs = [ga.graphs.add_reverse_edges(square)] * 3
      >>> encoded = ga.encodings.precompute(graphs, {"walks": partial(ga.encodings.rwse, k=4)})
      >>> encoded[0].nodes["walks"][0].tolist()
      [0.0, 0.5, 0.0, 0.5]
    """
    nodes, pairs = dict(nodes or {}), dict(pairs or {})
    for kind, encodings in (("nodes", nodes), ("pairs", pairs)):
        if "features" in encodings:
            raise ValueError(
                f"{kind} must not contain 'features': that entry holds what was there."
            )
    if pattern is not None and not pairs:
        raise ValueError(
            "pattern is for pair encodings, and pairs is empty. Fix: apply the pattern to the result of precompute."
        )
    if threads is not None:
        _checks.positive("threads", threads)
    compute = _compute
    if cache is not None:
        compute = _cached(cache, (*nodes.values(), *pairs.values()))
    work = partial(_encode, nodes=nodes, pairs=pairs, pattern=pattern, compute=compute)
    whole = isinstance(graphs, GraphsTuple)
    if whole and num_graphs(graphs) <= 1:
        return work(to_host(graphs, "precompute"))
    parts = unbatch(to_host(graphs, "precompute")) if whole else graphs
    encoded = _run(work, list(_chunks(parts)), threads, progress)
    encoded = [graph for chunk in encoded for graph in unbatch(chunk)]
    return batch(encoded) if whole else encoded


def _chunks(graphs: Sequence[GraphsTuple]) -> Iterator[GraphsTuple]:
    """Batches of consecutive graphs of about CHUNK_NODES nodes each."""
    chunk, size = [], 0
    for graph in graphs:
        chunk.append(to_host(graph, "precompute"))
        size += num_nodes(graph)
        if size >= CHUNK_NODES:
            yield batch(chunk)
            chunk, size = [], 0
    if chunk:
        yield batch(chunk)


def _run(
    work: Callable[[GraphsTuple], GraphsTuple], chunks: list, threads: int | None, progress: bool
):
    """`work` on every chunk, several at a time."""
    results: list = [None] * len(chunks)
    with thread_pool(threads) as pool, _bar(progress, len(chunks)) as advance:
        futures = {pool.submit(work, chunk): index for index, chunk in enumerate(chunks)}
        try:
            for future in as_completed(futures):
                results[futures[future]] = future.result()
                advance()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return results


@contextmanager
def _bar(progress: bool, total: int) -> Iterator[Callable[[], None]]:
    """A progress bar over chunks, where rich is there and there is something to wait for."""
    if not progress or total < 2 or importlib.util.find_spec("rich") is None:
        yield lambda: None
        return
    from rich.progress import Progress

    with Progress() as bar:
        task = bar.add_task("encodings", total=total)
        yield lambda: bar.advance(task)


def _encode(graph: GraphsTuple, *, nodes, pairs, pattern, compute) -> GraphsTuple:
    """One batch with its encodings attached."""
    encoded = {name: compute(f, {"graph": graph}) for name, f in nodes.items()}
    _check_rows("nodes", encoded, num_nodes(graph))
    result = graph._replace(nodes={"features": graph.nodes, **encoded}) if nodes else graph
    if not pairs:
        return result
    chosen = graph if pattern is None else to_host(pattern(graph), "precompute's pattern")
    if not np.array_equal(chosen.n_node, graph.n_node):
        raise ValueError(
            "pattern must keep the nodes of each graph, and it changed their numbers. Fix: add virtual nodes to the "
            "result of precompute."
        )
    encoded = {name: compute(f, {"graph": graph, "pattern": chosen}) for name, f in pairs.items()}
    _check_rows("pairs", encoded, num_edges(chosen))
    return result._replace(
        senders=chosen.senders,
        receivers=chosen.receivers,
        n_edge=chosen.n_edge,
        edges={"features": chosen.edges, **encoded},
    )


def _check_rows(kind: str, encoded: dict[str, Any], rows: int) -> None:
    for name, leaf in ((name, x) for name, tree in encoded.items() for x in jax.tree.leaves(tree)):
        if leaf.ndim == 0 or leaf.shape[0] != rows:
            raise ValueError(
                f"{kind}[{name!r}] must give arrays with {rows} rows, got {_checks.describe(leaf)}."
            )


def _compute(function: Callable[..., Any], arguments: dict[str, GraphsTuple]) -> Any:
    """The encoding with numpy leaves."""
    graph = arguments.pop("graph")
    return jax.tree.map(np.asarray, function(graph, **arguments))


def _cached(folder: str | os.PathLike, functions: Iterable[Callable[..., Any]]) -> Callable:
    """`_compute` of these functions, remembered on disk by the content of its arguments."""
    remember = remembered(_compute_named, folder, ignore=("function",))
    names = {id(function): fingerprint(function) for function in functions}

    def compute(function, arguments):
        return remember(function, arguments, names[id(function)])

    return compute


def _compute_named(function, arguments, name):
    return _compute(function, arguments)
