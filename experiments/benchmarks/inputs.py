"""The arrays of a case, made once by the driver and read by both sides."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

import graphattn_jax as ga
from experiments.benchmarks.cases import (
    OPERANDS,
    Case,
    GATTraining,
    GPSTraining,
    Operator,
    Preprocessing,
    Sampling,
    SegmentSum,
    TransformerTraining,
    TypedTraining,
    scaled,
)


class Inputs(NamedTuple):
    """Arrays by name, and where they come from."""

    arrays: dict[str, np.ndarray]
    source: str

    def sizes(self) -> dict[str, int]:
        """Of the graph, or the number of molecules."""
        if "smiles" in self.arrays:
            return {"num_molecules": len(self.arrays["smiles"])}
        receivers = self.arrays["receivers"]
        known = self.arrays.get("labels")
        num_nodes = int(receivers.max()) + 1 if known is None else len(known)
        return {"num_nodes": num_nodes, "num_edges": receivers.size}


def make_inputs(case: Case, *, scale: float = 1.0, seed: int = 0) -> Inputs:
    """The inputs of a case; the real graph where there is one at hand and `scale` is 1."""
    rng = np.random.default_rng(seed)
    if isinstance(case, GPSTraining):
        return _molecules(scaled(case, scale), rng)
    if isinstance(case, Preprocessing):
        return _smiles(scaled(case, scale))
    if isinstance(case, SegmentSum):
        return _segments(scaled(case, scale), rng)
    if isinstance(case, TypedTraining):
        return _typed(scaled(case, scale), rng)
    if scale != 1.0:
        return _synthetic(scaled(case, scale), rng, f"synthetic, scale {scale:g}")
    if isinstance(case, GATTraining):
        return _cora() or _synthetic(case, rng, "synthetic, size of Cora")
    if isinstance(case, TransformerTraining | Sampling):
        return _wordnet(case, rng) or _synthetic(case, rng, "synthetic, size of WordNet")
    return _synthetic(case, rng, "synthetic")


def random_graph(
    num_nodes: int, num_edges: int, rng: np.random.Generator, degrees: str = "power law"
) -> tuple[np.ndarray, np.ndarray]:
    """Senders and receivers, sorted by receiver: both directions of each edge once, and self-loops.

    Both ends are drawn at random; in a "power law" in proportion to (rank + 10)^-½, so that degrees have a heavy tail.
    A "hub" is joined to all nodes. Repeated draws are dropped: the graph has slightly fewer than `num_edges` edges.
    """
    popularity = None
    if degrees == "power law":
        popularity = rng.permutation((np.arange(num_nodes) + 10.0) ** -0.5)
        popularity /= popularity.sum()
    size = (max(num_edges - num_nodes, 0) // 2, 2)
    pairs = rng.choice(num_nodes, size, p=popularity)
    if degrees == "hub":
        spokes = min(num_nodes, len(pairs))
        pairs[:spokes] = np.stack([np.zeros(spokes, int), np.arange(spokes)], axis=1)
    return _undirected_with_loops(pairs, num_nodes)


def _undirected_with_loops(pairs: np.ndarray, num_nodes: int) -> tuple[np.ndarray, np.ndarray]:
    i, j = pairs.T.astype(np.int64)
    loops = np.arange(num_nodes)
    codes = np.concatenate([i * num_nodes + j, j * num_nodes + i, loops * num_nodes + loops])
    receivers, senders = np.divmod(np.unique(codes), num_nodes)
    return senders.astype(np.int32), receivers.astype(np.int32)


def _synthetic(case: Case, rng: np.random.Generator, source: str) -> Inputs:
    degrees = case.degrees if isinstance(case, Operator) else "power law"
    senders, receivers = random_graph(case.num_nodes, case.num_edges, rng, degrees)
    arrays = {"senders": senders, "receivers": receivers}
    if isinstance(case, Operator):
        vector = (case.heads, case.channels)
        for name in (*OPERANDS[case.score], "cotangent"):
            shape = vector if name.endswith("vector") else (case.num_nodes, *vector)
            arrays[name] = _normal(rng, shape)
        if case.padding is not None:
            arrays = _padded(arrays, spread=case.padding == "spread")
    else:
        shape = (case.num_nodes, case.num_features)
        words = isinstance(case, GATTraining)
        arrays |= {
            "nodes": _bags_of_words(rng, shape) if words else _normal(rng, shape),
            "labels": rng.integers(case.num_classes, size=case.num_nodes).astype(np.int32),
            "train": np.ones(case.num_nodes, bool),
        }
    return Inputs(arrays, source)


def _typed(case: TypedTraining, rng: np.random.Generator) -> Inputs:
    """Edges relation by relation, with ids within the types of their ends."""
    shape = (case.num_relations, case.num_edges // case.num_relations)
    of_type = case.num_nodes // case.num_types
    nodes = (of_type * case.num_types, case.num_features)
    arrays = {
        "senders": rng.integers(of_type, size=shape).astype(np.int32),
        "receivers": rng.integers(of_type, size=shape).astype(np.int32),
        "nodes": _normal(rng, nodes),
        "labels": rng.integers(case.num_classes, size=nodes[0]).astype(np.int32),
    }
    return Inputs(arrays, "random")


def _normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.standard_normal(shape, np.float32)


def _bags_of_words(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """As full as Cora's, rows scaled to sum to 1."""
    return np.asarray(ga.data.row_normalize(rng.random(shape) < 0.013))


def _padded(arrays: dict[str, np.ndarray], spread: bool) -> dict[str, np.ndarray]:
    """With nodes of zeros behind the others, and self-loops of the first of these, or spread over all of them."""
    num_nodes, num_edges = len(arrays["value"]), len(arrays["senders"])
    new_nodes, new_edges = num_nodes // 8 + 1, num_edges // 4
    loops = num_nodes + np.arange(new_edges) * new_nodes // new_edges * spread
    padded = {
        name: np.concatenate([x, np.zeros((new_nodes, *x.shape[1:]), x.dtype)])
        for name, x in arrays.items()
    }
    for name in ("senders", "receivers"):
        padded[name] = np.concatenate([arrays[name], loops.astype(np.int32)])
    padded["edge_mask"] = np.arange(num_edges + new_edges) < num_edges
    return padded


def _segments(case: SegmentSum, rng: np.random.Generator) -> Inputs:
    arrays = {
        "receivers": rng.integers(case.num_segments, size=case.num_rows).astype(np.int32),
        "values": _normal(rng, (case.num_rows, case.width)),
    }
    return Inputs(arrays, "random order")


def _cora() -> Inputs | None:
    try:
        data = ga.data.load("cora")
    except (FileNotFoundError, ImportError):
        return None
    graph = ga.graphs.add_self_loops(data.graph)
    arrays = {
        "senders": graph.senders,
        "receivers": graph.receivers,
        "nodes": np.asarray(ga.data.row_normalize(graph.nodes)),
        "labels": data.labels,
        "train": data.splits[0].train,
    }
    return Inputs(arrays, "Cora")


def _wordnet(case: TransformerTraining | Sampling, rng: np.random.Generator) -> Inputs | None:
    path = Path(os.environ.get("GRAPHATTN_DATA") or ".") / "typed" / "wordnet" / "wordnet30.npz"
    if not path.is_file():
        return None
    with np.load(path) as stored:
        pairs, labels = stored["edges"], stored["labels"].astype(np.int32)
    senders, receivers = _undirected_with_loops(pairs, len(labels))
    arrays = {
        "senders": senders,
        "receivers": receivers,
        "nodes": _normal(rng, (len(labels), case.num_features)),
        "labels": labels,
        "train": np.ones(len(labels), bool),
    }
    return Inputs(arrays, "WordNet 3.0, random features")


def _molecules(case: GPSTraining, rng: np.random.Generator) -> Inputs:
    """Training molecules of ZINC as one edge list, or random trees of their size with two more edges each."""
    source = "ZINC"
    try:
        data = ga.data.load("zinc")
        graphs = ga.graphs.take(data.graphs, data.splits[0].train[: case.num_graphs])
        atoms, bonds = graphs.nodes.reshape(-1), graphs.edges.reshape(-1)
        targets = data.labels[data.splits[0].train[: case.num_graphs]].reshape(-1)
    except (FileNotFoundError, ImportError):
        source = "random trees of the size of molecules"
        graphs = ga.graphs.batch(
            [_tree(int(rng.integers(14, 33)), rng) for _ in range(case.num_graphs)]
        )
        atoms = rng.integers(case.atoms, size=ga.graphs.num_nodes(graphs))
        bonds = rng.integers(case.bonds, size=ga.graphs.num_edges(graphs))
        targets = _normal(rng, (case.num_graphs,))
    arrays = {
        "atoms": atoms.astype(np.int32) % case.atoms,
        "bonds": bonds.astype(np.int32) % case.bonds,
        "senders": graphs.senders,
        "receivers": graphs.receivers,
        "n_node": np.asarray(graphs.n_node),
        "n_edge": np.asarray(graphs.n_edge),
        "walks": ga.encodings.rwse(graphs, case.walks),
        "targets": np.asarray(targets, np.float32),
    }
    return Inputs(arrays, source)


def _smiles(case: Preprocessing) -> Inputs:
    """Molecules of HIV that today's RDKit reads without exceptions, or those that come with it, again and again."""
    try:
        smiles, source = ga.data.load("hiv").smiles, "HIV"
    except FileNotFoundError:
        smiles, source = ga.data.load("freewilson").smiles, "the series that comes with rdkit"
    smiles = smiles[: case.num_graphs + case.num_graphs // 10]
    rows = ga.chem.from_smiles_list(smiles, on_error="skip").rows
    return Inputs({"smiles": np.resize(np.array(smiles)[rows], case.num_graphs)}, source)


def _tree(num_nodes: int, rng: np.random.Generator) -> ga.graphs.GraphsTuple:
    child = np.arange(1, num_nodes)
    parent = np.maximum(child - rng.integers(1, 4, size=len(child)), 0)
    senders = np.concatenate([child, rng.integers(num_nodes, size=2)])
    receivers = np.concatenate([parent, rng.integers(num_nodes, size=2)])
    graph = ga.graphs.from_edge_list(senders, receivers, num_nodes=num_nodes)
    return ga.graphs.coalesce(ga.graphs.add_reverse_edges(ga.graphs.remove_self_loops(graph)))
