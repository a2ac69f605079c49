"""The result type of every loader, and the one rule by which edge lists become graphs."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np

from graphattn_jax import _checks
from graphattn_jax.graphs import GraphsTuple, from_edge_list
from graphattn_jax.ops import SparseFeatures


class Split(NamedTuple):
    """Boolean masks over the nodes of one graph.

    Args:
      train: `[N]` bool, nodes whose labels may be learned from.
      val: `[N]` bool, nodes for model selection.
      test: `[N]` bool, nodes for the reported number.

    Example:
      >>> import graphattn_jax as ga, numpy as np
      >>> split = ga.data.random_splits(np.arange(10) % 2, fractions=(0.5, 0.3, 0.2))[0]
      >>> [int(mask.sum()) for mask in split]
      [5, 3, 2]
    """

    train: np.ndarray
    val: np.ndarray
    test: np.ndarray


class NodeDataset(NamedTuple):
    """A graph, a label per node and the splits to report results on.

    Every undirected edge is present in both directions, once, sorted by receiver; there are no
    self-loops. Features are as published: apply `row_normalize` or `standardize` where the protocol
    does.

    Args:
      name: the name `load` knows the set by.
      graph: a `GraphsTuple` of numpy arrays; `nodes` is `[N, D]` float32 (`ops.SparseFeatures` if asked for), `edges`
        is None.
      labels: `[N]` int32 in `[0, num_classes)`.
      num_classes: number of classes.
      splits: the published splits, or seeded random ones where the protocol is random.
      metric: what results are reported in, `"accuracy"` or `"roc_auc"` (two classes).

    Example:
      >>> import graphattn_jax as ga
      >>> ga.data.load("digits")
      NodeDataset('digits': 1,797 nodes, 19,858 edges, 64 features, 10 classes, 10 splits, accuracy)
    """

    name: str
    graph: GraphsTuple
    labels: np.ndarray
    num_classes: int
    splits: tuple[Split, ...]
    metric: Literal["accuracy", "roc_auc"]

    def __repr__(self) -> str:
        num_nodes, num_features = self.graph.nodes.shape
        return (
            f"NodeDataset({self.name!r}: {num_nodes:,} nodes, {len(self.graph.senders):,} edges, "
            f"{num_features:,} features, {self.num_classes} classes, "
            f"{len(self.splits)} split{'s' * (len(self.splits) != 1)}, {self.metric})"
        )


def node_dataset(
    name: str,
    *,
    nodes: np.ndarray | SparseFeatures,
    edges: np.ndarray,
    labels: np.ndarray,
    splits: tuple[Split, ...],
    metric: Literal["accuracy", "roc_auc"] = "accuracy",
    source: object,
) -> NodeDataset:
    """Checks what was read from `source` and makes the edges `[M, 2]` undirected."""
    _checks.shape(f"features of {source}", nodes, ("N", "D"))
    num_nodes = nodes.shape[0]
    _checks.positive(f"number of nodes of {source}", num_nodes)
    _checks.ids(f"labels of {source}", labels, num_nodes)
    num_classes = int(labels.max()) + 1
    _checks.ids_in_range(f"labels of {source}", labels, num_classes, "classes")
    for split in splits:
        for field, mask in split._asdict().items():
            _checks.mask(f"{field} mask of {source}", mask, num_nodes)
    senders, receivers = undirected(edges, num_nodes, source)
    return NodeDataset(
        name=name,
        graph=from_edge_list(
            senders,
            receivers,
            num_nodes=num_nodes,
            nodes=nodes if isinstance(nodes, SparseFeatures) else np.asarray(nodes, np.float32),
        ),
        labels=labels.astype(np.int32),
        num_classes=num_classes,
        splits=splits,
        metric=metric,
    )


def bag_of_words(matrix: Any, sparse: bool) -> np.ndarray | SparseFeatures:
    """What a loader with the option `sparse` makes of a SciPy matrix."""
    return SparseFeatures.from_scipy(matrix) if sparse else matrix.toarray()


def undirected(edges: np.ndarray, num_nodes: int, source: object) -> tuple[np.ndarray, np.ndarray]:
    """Both directions of every edge, once each, without self-loops, sorted by receiver."""
    _checks.shape(f"edges of {source}", edges, ("M", 2))
    _checks.ids(f"edges of {source}", edges.reshape(-1))
    _checks.ids_in_range(f"edges of {source}", edges.reshape(-1), num_nodes)
    i, j = edges[edges[:, 0] != edges[:, 1]].astype(np.int64).T
    pairs = np.unique(np.concatenate([i * num_nodes + j, j * num_nodes + i]))
    receivers, senders = np.divmod(pairs, num_nodes)
    return senders.astype(np.int32), receivers.astype(np.int32)
