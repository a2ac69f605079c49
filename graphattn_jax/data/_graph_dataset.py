"""Data sets of many graphs: one batch, a label per graph, and splits by graph ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from graphattn_jax import _checks
from graphattn_jax.data._dataset import Split
from graphattn_jax.graphs import GraphsTuple, num_graphs, num_nodes, take

Task = Literal["classification", "regression", "multilabel"]
GraphMetric = Literal["accuracy", "roc_auc", "mae", "rmse"]


class GraphSplit(NamedTuple):
    """Ids of graphs: integers, not masks.

    Args:
      train: `[K]` int32, graphs whose labels may be learned from.
      val: `[L]` int32, graphs for model selection; empty where the protocol has none.
      test: `[M]` int32, graphs for the reported number.

    Example:
      >>> import graphattn_jax as ga
      >>> ga.data.load_csl().splits[0].test[:6].tolist()
      [0, 1, 2, 15, 16, 17]
      >>> import numpy as np
      >>> masks, *_ = ga.data.random_splits(np.zeros(10, int), fractions=(0.8, 0.1, 0.1))
      >>> [len(ids) for ids in ga.data.GraphSplit.from_masks(masks)]
      [8, 1, 1]
    """

    train: np.ndarray
    val: np.ndarray
    test: np.ndarray

    @classmethod
    def from_masks(cls, masks: Split) -> GraphSplit:
        """The ids of a split by masks, such as of `random_splits`."""
        return cls(*(np.flatnonzero(mask).astype(np.int32) for mask in masks))


class GraphDataset(NamedTuple):
    """Many graphs as one batch, with a label per graph.

    One batch instead of a list of graphs keeps 41,000 molecules in a dozen arrays. `take` gives the
    graphs of a split, with their labels as `globals`, so that batching and padding carry them:

        train = data.take(data.splits[0].train)
        budget = ga.graphs.estimate_budget(ga.graphs.unbatch(train), batch_size=32)
        batches = ga.graphs.batches_to_budget(ga.graphs.unbatch(train), budget)

    Args:
      name: the name `load` knows the set by.
      graphs: a `GraphsTuple` of G graphs with numpy leaves and no `globals`. Edges are there in
        both directions.
      labels: what to predict. `[G]` int32 classes (`"classification"`); `[G]` or `[G, T]` float32
        (`"regression"`); `[G, T]` float32 of 0, 1 and NaN for missing (`"multilabel"`).
      splits: the published splits, or the ones that the loader defines.
      task: `"classification"`, `"regression"` or `"multilabel"`.
      metric: what results are reported in.
      num_outputs: columns that a model has to predict: classes, or tasks.
      smiles: the molecules as text, one per graph; None where graphs are not molecules.

    Example:
      >>> import graphattn_jax as ga
      >>> data = ga.data.load_csl()
      >>> data
      GraphDataset('csl': 150 graphs, 6,150 nodes, 24,600 edges, classification, 10 classes, 5 splits,
        accuracy)
      >>> test = data.take(data.splits[0].test)
      >>> test.n_node.shape, test.globals[:4].tolist()
      ((30,), [0, 0, 0, 1])
    """

    name: str
    graphs: GraphsTuple
    labels: np.ndarray
    splits: tuple[GraphSplit, ...]
    task: Task
    metric: GraphMetric
    num_outputs: int
    smiles: tuple[str, ...] | None = None

    def take(self, graph_ids: Any) -> GraphsTuple:
        """The batch of the graphs `graph_ids`, in this order, with their labels as `globals`."""
        graphs = take(self.graphs, graph_ids)
        return graphs._replace(globals=self.labels[graph_ids])

    def __repr__(self) -> str:
        outputs = "classes" if self.task == "classification" else "tasks"
        outputs = outputs if self.num_outputs != 1 else "task"
        return (
            f"GraphDataset({self.name!r}: {num_graphs(self.graphs):,} graphs, "
            f"{num_nodes(self.graphs):,} nodes, {len(self.graphs.senders):,} edges, {self.task}, "
            f"{self.num_outputs} {outputs}, {len(self.splits)} "
            f"split{'s' * (len(self.splits) != 1)}, {self.metric})"
        )


def graph_dataset(
    name: str,
    *,
    graphs: GraphsTuple,
    labels: np.ndarray,
    splits: Sequence[GraphSplit],
    task: Task,
    metric: GraphMetric,
    source: object,
    smiles: Sequence[str] | None = None,
) -> GraphDataset:
    """Checks what was read from `source` and gives labels and ids their dtypes."""
    size = num_graphs(graphs)
    if task == "classification":
        _checks.ids(f"labels of {source}", labels, size)
        _checks.ids_in_range(f"labels of {source}", labels, max(size, 1), "graphs")
        num_outputs = int(labels.max(initial=-1)) + 1
        labels = labels.astype(np.int32)
    else:
        labels = np.asarray(labels, np.float32)
        _checks.shape(f"labels of {source}", labels, (size, "T")[: max(labels.ndim, 1)])
        num_outputs = 1 if labels.ndim == 1 else labels.shape[1]
    return GraphDataset(
        name=name,
        graphs=graphs,
        labels=labels,
        splits=tuple(_checked(split, size, source) for split in splits),
        task=task,
        metric=metric,
        num_outputs=num_outputs,
        smiles=None if smiles is None else tuple(smiles),
    )


def _checked(split: GraphSplit, size: int, source: object) -> GraphSplit:
    for field, ids in split._asdict().items():
        _checks.ids(f"{field} ids of {source}", ids)
        _checks.ids_in_range(f"{field} ids of {source}", ids, size, "graphs")
    together = np.concatenate(split)
    if len(np.unique(together)) != len(together):
        raise ValueError(f"a split of {source} has a graph twice. Fix: provide the published file.")
    return GraphSplit(*(ids.astype(np.int32) for ids in split))
