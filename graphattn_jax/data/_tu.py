"""Bioinformatics sets of small graphs with ten published folds."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from graphattn_jax import _checks
from graphattn_jax.data._dataset import undirected
from graphattn_jax.data._fetch import fetch, find_local
from graphattn_jax.data._files import read_text, unreadable
from graphattn_jax.data._graph_dataset import GraphDataset, GraphSplit, graph_dataset
from graphattn_jax.graphs import GraphsTuple

_FOLDER = {"mutag": "MUTAG", "proteins": "PROTEINS", "nci1": "NCI1"}
NAMES = tuple(_FOLDER)


def load_tu(name: str, *, root: str | os.PathLike | None = None) -> GraphDataset:
    """MUTAG, PROTEINS and NCI1 with the ten folds that GIN and others report on.

    Reads `<NAME>/<NAME>.txt` (also `.txt.gz`): the number of graphs; per graph a line `nodes label`,
    then per node a line `tag degree neighbours...`. The folds are the graph ids in
    `<NAME>/10fold_idx/test_idx-<k>.txt`.

    The protocol has no validation set: the mean test accuracy over the folds is taken at the epoch
    where it is best, which is optimistic; compare only numbers made in the same way. So `val` is
    empty, and train is all that is not test. The folds are of equal size: 8 graphs of MUTAG and 3
    of PROTEINS are never tested.

    Args:
      name: `"mutag"` (188 molecules, 7 tags), `"proteins"` (1,113 proteins, 3 tags) or `"nci1"`
        (4,110 molecules, 37 tags); two classes each.
      root: a folder with the files. None = the one named by `GRAPHATTN_DATA`, then the cache, then
        a download.

    Returns:
      A `GraphDataset` with the tags one-hot as `nodes` (`[N, tags]` float32, in ascending order of
      the tags), ten splits and metric `"accuracy"`.

    Raises:
      ValueError: unknown name, or a corrupted file.
      FileNotFoundError: a file is neither in a local folder nor can be downloaded.

    Cost: a second for the largest.

    Example:
      >>> import graphattn_jax as ga
      >>> ga.data.load_tu("mutag")  # doctest: +SKIP
      GraphDataset('mutag': 188 graphs, 3,371 nodes, 7,442 edges, classification, 2 classes, 10 splits,
        accuracy)

    Source: Morris et al., "TUDataset: A collection of benchmark datasets for learning with graphs",
      2020, arXiv:2007.08663; folds as in Xu et al., "How Powerful are Graph Neural Networks?",
      ICLR 2019, arXiv:1810.00826.
    """
    _checks.choice("name", name, NAMES)
    file = f"{_FOLDER[name]}/{_FOLDER[name]}.txt"
    path = find_local(file, f"{file}.gz", root=root) or fetch(file, root=root)
    graphs, labels = _parse(path)
    folds = [
        _integers(fetch(f"{_FOLDER[name]}/10fold_idx/test_idx-{k}.txt", root=root))
        for k in range(1, 11)
    ]
    everything = np.arange(len(labels))
    none = np.zeros(0, np.int64)
    return graph_dataset(
        name,
        graphs=graphs,
        labels=labels,
        splits=[GraphSplit(np.setdiff1d(everything, test), none, test) for test in folds],
        task="classification",
        metric="accuracy",
        source=path.parent / "10fold_idx",  # the graphs have been checked
    )


def _integers(path: Path) -> np.ndarray:
    try:
        return np.array(read_text(path).split()).astype(np.int64)
    except ValueError as error:
        raise unreadable(path, error) from error


def _parse(path: Path) -> tuple[GraphsTuple, np.ndarray]:
    """The graphs with one-hot tags, and labels counted from 0."""
    numbers = _integers(path)
    lengths = _numbers_per_line(read_text(path))
    starts = np.cumsum(lengths) - lengths
    if len(lengths) == 0 or lengths[0] != 1 or not 0 < numbers[0] < len(lengths):
        raise unreadable(path, "the first line must be the number of its graphs")
    num_graphs = int(numbers[0])
    headers = np.zeros(num_graphs, np.int64)
    line = 1
    for i in range(num_graphs):
        if line >= len(starts) or lengths[line] != 2 or numbers[starts[line]] < 0:
            raise unreadable(path, f"graph {i} must begin with a line 'nodes label'")
        headers[i] = line
        line += 1 + int(numbers[starts[line]])
    if line != len(lengths):
        raise unreadable(path, f"{num_graphs} graphs end at line {line} of {len(lengths)}")
    n_node, labels = numbers[starts[headers]], numbers[starts[headers] + 1]

    is_node = np.ones(len(lengths), bool)
    is_node[headers] = is_node[0] = False
    starts, lengths = starts[is_node], lengths[is_node]
    graph_of_node = np.repeat(np.arange(num_graphs), n_node)
    if (lengths < 2).any() or (lengths != 2 + numbers[starts + 1]).any():
        raise unreadable(path, "a node's line must be 'tag degree' and as many neighbours")
    degree = lengths - 2
    node = np.repeat(np.arange(len(starts)), degree)
    of_edge = np.arange(degree.sum()) - np.repeat(np.cumsum(degree) - degree, degree)
    neighbor = numbers[np.repeat(starts, degree) + 2 + of_edge]
    if (neighbor < 0).any() or (neighbor >= n_node[graph_of_node[node]]).any():
        raise unreadable(path, "a neighbour is not a node of its graph")
    neighbor = neighbor + (np.cumsum(n_node) - n_node)[graph_of_node[node]]
    senders, receivers = undirected(np.stack([neighbor, node], axis=1), len(starts), path)
    tags, tag = np.unique(numbers[starts], return_inverse=True)
    graphs = GraphsTuple(
        nodes=np.eye(len(tags), dtype=np.float32)[tag],
        edges=None,
        senders=senders,
        receivers=receivers,
        globals=None,
        n_node=n_node.astype(np.int32),
        n_edge=np.bincount(graph_of_node[receivers], minlength=num_graphs).astype(np.int32),
    )
    return graphs, np.unique(labels, return_inverse=True)[1]


def _numbers_per_line(text: str) -> np.ndarray:
    """How many words each line has, for the lines that have any."""
    characters = np.frombuffer(text.encode(), np.uint8)
    blank = characters <= ord(" ")
    first = ~blank & np.concatenate([[True], blank[:-1]])
    line = np.cumsum(characters == ord("\n"))
    words = np.bincount(line[first])
    return words[words > 0]
