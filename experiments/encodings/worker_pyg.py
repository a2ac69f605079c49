"""PyTorch Geometric's side of `peers`; runs in its interpreter, without this library."""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import torch
from torch_geometric.data import Data
from torch_geometric.transforms import AddLaplacianEigenvectorPE, AddRandomWalkPE


def main(encoding: str, path: str) -> None:
    """Median seconds to transform all graphs of a file, one after the other as PyG does."""
    with np.load(path) as stored:
        senders, receivers, n_node, n_edge = (
            stored[name] for name in ("senders", "receivers", "n_node", "n_edge")
        )
    edges = torch.from_numpy(np.stack([senders, receivers])).long()
    node_start = np.cumsum(n_node) - n_node
    graphs = [
        Data(edge_index=part - int(start), num_nodes=int(nodes))
        for part, start, nodes in zip(edges.split(n_edge.tolist(), 1), node_start, n_node)
    ]
    single = len(graphs) == 1
    if encoding == "rwse":
        transform = AddRandomWalkPE(16)
    else:
        # It refuses graphs with no more nodes than vectors: those are left out, to its advantage.
        k = 16 if single else 8
        transform = AddLaplacianEigenvectorPE(k, is_undirected=True)
        graphs = [graph for graph in graphs if graph.num_nodes > k + 1]
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        for graph in graphs:
            transform(graph.clone())
        seconds.append(time.perf_counter() - start)
    print(json.dumps({"median": float(np.median(seconds)), "seconds": seconds}))


if __name__ == "__main__":
    main(*sys.argv[1:3])
