"""Circular skip links: regular graphs that message passing alone cannot tell apart."""

from __future__ import annotations

import numpy as np

from graphattn_jax.data._graph_dataset import GraphDataset, GraphSplit, graph_dataset
from graphattn_jax.graphs import GraphsTuple

_NUM_NODES = 41
_SKIPS = (2, 3, 4, 5, 6, 9, 11, 12, 13, 16)
_COPIES = 15
_FOLDS = 5


def load_csl(*, seed: int = 0) -> GraphDataset:
    """150 regular graphs of 41 nodes in ten classes: does a model see more than degrees?

    Class c has the edges of a ring and its skip links,

        i ~ i ± 1,   i ~ i ± R_c   (mod 41),     R = 2, 3, 4, 5, 6, 9, 11, 12, 13, 16

    with the nodes in a random order, 15 times. Every node has degree 4 and no feature, so that the
    1-dimensional Weisfeiler-Leman test, and message passing with it, stays at chance (10 %), and
    positional encodings reach 100 %. The published file holds graph by graph the same classes in
    another random order of the nodes; nothing needs to be read.

    The usual protocol is 5 stratified folds, 90/30/30 graphs: fold k tests on the k-th three graphs
    of each class, validates on the three after those and trains on the other nine.

    Args:
      seed: of the order of the nodes. An equivariant model does not depend on it.

    Returns:
      A `GraphDataset` with node feature 1 (`[N, 1]` float32), five splits and metric `"accuracy"`.

    Cost: a millisecond.

    Example:
      >>> import graphattn_jax as ga, numpy as np
      >>> data = ga.data.load_csl()
      >>> np.unique(ga.graphs.in_degree(data.graphs)).tolist(), data.labels[::15].tolist()
      ([4], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
      >>> [len(ids) for ids in data.splits[0]]
      [90, 30, 30]

    Source: Murphy et al., "Relational Pooling for Graph Representations", ICML 2019,
      arXiv:1903.02541, section 4.1; folds as in Dwivedi et al., "Benchmarking Graph Neural
      Networks", JMLR 2023, arXiv:2003.00982.
    """
    labels = np.repeat(np.arange(len(_SKIPS)), _COPIES)
    num_graphs = len(labels)
    order = np.random.default_rng(seed).permuted(
        np.tile(np.arange(_NUM_NODES), (num_graphs, 1)), axis=1
    )
    skips = np.asarray(_SKIPS)[labels, None]
    i = np.arange(_NUM_NODES)
    one = np.broadcast_to((i + 1) % _NUM_NODES, (num_graphs, _NUM_NODES))
    far = (i + skips) % _NUM_NODES
    ends = np.take_along_axis(order, np.concatenate([one, far], axis=1), axis=1)
    starts = np.concatenate([order, order], axis=1)
    offsets = _NUM_NODES * np.arange(num_graphs)[:, None]
    senders = (np.concatenate([starts, ends], axis=1) + offsets).astype(np.int32)
    receivers = (np.concatenate([ends, starts], axis=1) + offsets).astype(np.int32)
    return graph_dataset(
        "csl",
        graphs=GraphsTuple(
            nodes=np.ones((num_graphs * _NUM_NODES, 1), np.float32),
            edges=None,
            senders=senders.reshape(-1),
            receivers=receivers.reshape(-1),
            globals=None,
            n_node=np.full(num_graphs, _NUM_NODES, np.int32),
            n_edge=np.full(num_graphs, 4 * _NUM_NODES, np.int32),
        ),
        labels=labels,
        splits=_folds(num_graphs),
        task="classification",
        metric="accuracy",
        source="csl",
    )


def _folds(num_graphs: int) -> list[GraphSplit]:
    part = np.arange(num_graphs) % _COPIES * _FOLDS // _COPIES
    roles = [(part - k) % _FOLDS for k in range(_FOLDS)]  # 0 = test, 1 = val
    return [
        GraphSplit(*(np.flatnonzero(r) for r in (role > 1, role == 1, role == 0))) for role in roles
    ]
