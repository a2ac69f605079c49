"""The tasks that encodings are judged by: graphs without features that say where a node is, and what to predict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import networkx as nx
import numpy as np

import graphattn_jax as ga
from experiments._command import load


@dataclass(frozen=True)
class Protocol:
    """How the network of a task is trained; the same for every encoding.

    `batch_size` counts graphs, None = all training graphs at once. `pool` is how a graph's prediction comes from its
    nodes', None for a task on nodes. `seeds` runs use the task's folds in turn.
    """

    width: int
    num_layers: int
    learning_rate: float
    steps: int
    eval_every: int
    seeds: int
    batch_size: int | None = None
    pool: str | None = "mean"
    layer: ga.nn.Layer = ga.attention.GraphTransformer(heads=4, output=True, separate=True)


class Task(NamedTuple):
    """Graphs with `nodes` `[N, D]`, `edges` `[E, D_e]` or None, and `globals` or node labels as targets.

    folds: (train, val, test) ids of graphs; of nodes for a task on one graph. metric: "accuracy" or "mae".
    """

    graphs: list[ga.graphs.GraphsTuple]
    folds: tuple[tuple[np.ndarray, np.ndarray, np.ndarray], ...]
    num_outputs: int
    metric: str
    labels: np.ndarray | None = None


PROTOCOLS = {
    "csl": Protocol(32, 2, 3e-3, 200, 20, seeds=5),
    "spectrum": Protocol(32, 3, 5e-3, 150, 10, seeds=3),
    "zinc": Protocol(64, 4, 2e-3, 400, 80, seeds=1, batch_size=128, pool="sum"),
    "wordnet": Protocol(32, 2, 1e-2, 40, 10, seeds=1, pool=None),
}


def load_task(name: str) -> Task:
    """The task by name."""
    return {"csl": csl, "spectrum": spectrum, "zinc": zinc, "wordnet": wordnet}[name]()


def _constant(graph: ga.graphs.GraphsTuple) -> np.ndarray:
    return np.ones((ga.graphs.num_nodes(graph), 1), np.float32)


def _of_dataset(data: ga.data.GraphDataset, graphs: ga.graphs.GraphsTuple, metric: str) -> Task:
    """A task from a data set, with `graphs` in the place of its batch."""
    folds = tuple(tuple(split) for split in data.splits)
    labelled = ga.graphs.unbatch(graphs._replace(globals=data.labels))
    return Task(labelled, folds, data.num_outputs, metric)


def csl() -> Task:
    """Circular skip links: ten classes of 4-regular graphs that message passing cannot tell apart (10 % by chance)."""
    data = load("csl")
    return _of_dataset(data, data.graphs._replace(nodes=_constant(data.graphs)), "accuracy")


def spectrum(num_graphs: int = 480, seed: int = 0) -> Task:
    """Regression of what a graph's spectrum says, on random connected graphs of five kinds with 12 to 36 nodes.

    Three targets, each standardised: the spectral gap λ₂ of the normalised Laplacian, the return probability of a walk
    of random length (heat trace at t = 2 per node), and log(number of spanning trees) per node.
    """
    rng = np.random.default_rng(seed)
    graphs = [_random_graph(kind, rng) for kind in np.arange(num_graphs) % 5]
    targets = np.stack([_spectral_targets(ga.graphs.to_dense(graph)) for graph in graphs])
    targets = (targets - targets.mean(0)) / targets.std(0)
    graphs = [
        graph._replace(nodes=_constant(graph), globals=target[None].astype(np.float32))
        for graph, target in zip(graphs, targets, strict=True)
    ]
    folds = []
    for fold in range(3):
        order = np.random.default_rng(fold).permutation(num_graphs)
        folds.append(tuple(np.split(order, [num_graphs * 3 // 5, num_graphs * 4 // 5])))
    return Task(graphs, tuple(folds), 3, "mae")


def _random_graph(kind: int, rng: np.random.Generator) -> ga.graphs.GraphsTuple:
    n, seed = int(rng.integers(12, 37)), int(rng.integers(2**31))
    if kind == 0:
        graph = nx.gnp_random_graph(n, 4 / n, seed)
    elif kind == 1:
        graph = nx.barabasi_albert_graph(n, 2, seed)
    elif kind == 2:
        graph = nx.connected_watts_strogatz_graph(n, 4, 0.2, seed=seed)
    elif kind == 3:
        graph = nx.random_labeled_tree(n, seed=seed)
    else:
        graph = nx.convert_node_labels_to_integers(nx.grid_2d_graph(4, n // 4))
    largest = graph.subgraph(max(nx.connected_components(graph), key=len))
    return ga.graphs.from_networkx(nx.convert_node_labels_to_integers(nx.Graph(largest.edges)))


def _spectral_targets(adjacency: np.ndarray) -> np.ndarray:
    degree = adjacency.sum(1)
    scale = degree**-0.5
    normalised = np.linalg.eigvalsh(np.eye(len(degree)) - scale[:, None] * adjacency * scale)
    trees = np.linalg.slogdet((np.diag(degree) - adjacency)[1:, 1:])[1]
    return np.array([normalised[1], np.exp(-2 * normalised).mean(), trees / len(degree)])


def zinc() -> Task:
    """Penalised solubility of molecules: atom types and bond types, 10,000 molecules to learn from."""
    data = load("zinc")
    graphs = data.graphs
    one_hot = [
        np.eye(int(ids.max()) + 1, dtype=np.float32)[ids.ravel()]
        for ids in (graphs.nodes, graphs.edges)
    ]
    task = _of_dataset(data, graphs._replace(nodes=one_hot[0], edges=one_hot[1]), "mae")
    return task._replace(graphs=[g._replace(globals=g.globals.reshape(1, 1)) for g in task.graphs])


def undirected(graph: ga.graphs.GraphsTuple) -> ga.graphs.GraphsTuple:
    """The structure alone: both directions of every edge once, no features, no self-loops."""
    nodes = ga.graphs.num_nodes(graph)
    graph = ga.graphs.from_edge_list(graph.senders, graph.receivers, num_nodes=nodes)
    return ga.graphs.coalesce(ga.graphs.add_reverse_edges(ga.graphs.remove_self_loops(graph)))


def wordnet() -> Task:
    """45 lexicographer classes of WordNet's synsets from the graph of their relations and the part of speech."""
    data = ga.data.load_wordnet(num_features=None)
    parts_of_speech = np.eye(data.num_node_types, dtype=np.float32)[data.node_types]
    graph = undirected(data.graph)._replace(nodes=parts_of_speech)
    folds = tuple(tuple(np.flatnonzero(mask) for mask in split) for split in data.splits)
    return Task([graph], folds, data.num_classes, "accuracy", data.labels)
