"""Seconds and memory of one encoding on one graph, in a process of its own.

python -m experiments.encodings.cost rwse 10000
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import scipy.sparse.csgraph

import graphattn_jax as ga
from experiments.benchmarks.worker import peak, start_peak
from experiments.encodings.encoders import CONNECTED_ONLY, COSTS, ERRORS
from experiments.encodings.tasks import undirected

SIZES = ("100", "1000", "10000", "100000", "1000000")
REAL_GRAPHS = {
    "wordnet": partial(ga.data.load_wordnet, num_features=None),
    "amsterdam-museum": ga.data.load_amsterdam_museum,
}
TIME_LIMIT = 60
"""Seconds for one process; larger graphs are not tried after one that exceeds it."""
MEMORY_LIMIT = 16
"""GiB of memory of one process."""


def small_world(num_nodes: int, seed: int = 0) -> ga.graphs.GraphsTuple:
    """A ring with two neighbours on each side and as many random edges: mean degree 8, connected."""
    rng = np.random.default_rng(seed)
    ids = np.arange(num_nodes)
    ends = [
        (ids + 1) % num_nodes,
        (ids + 2) % num_nodes,
        *rng.integers(num_nodes, size=(2, num_nodes)),
    ]
    senders, receivers = np.tile(ids, 4), np.concatenate(ends)
    distinct = senders != receivers
    graph = ga.graphs.from_edge_list(senders[distinct], receivers[distinct], num_nodes=num_nodes)
    return ga.graphs.coalesce(ga.graphs.add_reverse_edges(graph))


def load_graph(name: str) -> ga.graphs.GraphsTuple:
    """A synthetic graph by its size, or a real one by its name; undirected, without features."""
    if name.isdigit():
        return small_world(int(name))
    return undirected(REAL_GRAPHS[name]().graph)


def measure(encoding: str, graph_name: str) -> dict[str, Any]:
    """First and second call: a jitted encoding compiles in the first."""
    graph = load_graph(graph_name)
    links = ga.graphs.to_scipy_sparse(graph)
    count, _ = scipy.sparse.csgraph.connected_components(links, directed=False)
    if encoding in CONNECTED_ONLY and count > 1:
        raise ValueError(f"{encoding} is for connected graphs, {graph_name} has {count} components")
    compute = COSTS[encoding]
    memory, seconds, result = start_peak(), [], None
    while len(seconds) < 2 and sum(seconds) < TIME_LIMIT / 4:
        start = time.perf_counter()
        result = jax.block_until_ready(compute(graph))
        seconds.append(time.perf_counter() - start)
    used = peak() - memory
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(result)), "the encoding is not finite"
    error = ERRORS[encoding](graph, result) if encoding in ERRORS else None
    return {
        "encoding": encoding,
        "graph": graph_name,
        "num_nodes": ga.graphs.num_nodes(graph),
        "num_edges": ga.graphs.num_edges(graph),
        "seconds": seconds[-1],
        "first_seconds": seconds[0],
        "memory_bytes": used,
        "error": None if error is None else float(error),
    }


def run_process(encoding: str, graph: str, workdir: Path) -> dict[str, Any]:
    """`measure` in a process with limits on time and memory; a stored result is read back."""
    path = workdir / f"cost-{encoding}-{graph}.json"
    if path.exists():
        return json.loads(path.read_text())
    command = [sys.executable, "-m", "experiments.encodings.cost", encoding, graph]
    limited = ["bash", "-c", f'ulimit -v {MEMORY_LIMIT * 2**20}; exec "$@"', "-", *command]
    try:
        done = subprocess.run(limited, capture_output=True, text=True, timeout=TIME_LIMIT)
        failure = done.stderr.strip().rpartition("\n")[2][:200] if done.returncode else None
    except subprocess.TimeoutExpired:
        done, failure = None, f"more than {TIME_LIMIT} s"
    if done is None or failure is not None:
        report = {"encoding": encoding, "graph": graph, "failure": failure or "killed"}
    else:
        report = json.loads(done.stdout.splitlines()[-1])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=2))
    return report


if __name__ == "__main__":
    print(json.dumps(measure(*sys.argv[1:3])))
