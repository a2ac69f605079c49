"""Our side of `peers`: `python -m experiments.encodings.worker_ours rwse|laplacian FILE`."""

from __future__ import annotations

import json
import sys
import time

import numpy as np

import graphattn_jax as ga

REPEATS = 5


def main(encoding: str, path: str) -> None:
    """Median seconds to encode all graphs of a file."""
    with np.load(path) as stored:
        graph = ga.graphs.GraphsTuple(nodes=None, edges=None, globals=None, **stored)
    small = len(graph.n_node) > 1
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        if encoding == "rwse":
            ga.encodings.rwse(graph, 16)
        else:
            ga.encodings.laplacian_eigenvectors(graph, 8 if small else 16)
        seconds.append(time.perf_counter() - start)
    print(json.dumps({"median": float(np.median(seconds)), "seconds": seconds}))


if __name__ == "__main__":
    main(*sys.argv[1:3])
