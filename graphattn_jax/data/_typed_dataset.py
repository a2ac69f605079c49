"""Data sets that are one graph with typed nodes and edges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from graphattn_jax import _checks
from graphattn_jax.data._dataset import Split
from graphattn_jax.graphs import GraphsTuple, from_edge_list, from_triples


class TypedNodeDataset(NamedTuple):
    """A graph whose edges have relations and whose nodes have types, with classes of some nodes.

    Args:
      name: the name `load` knows the set by.
      graph: a `GraphsTuple` of numpy arrays: `edges` is `[E]` int32, the relation of each edge;
        `nodes` is `[N, D]` float32, or None where nodes have no features. Edges are sorted by
        receiver.
      labels: `[N]` int32, the class, or -1 for nodes that have none.
      num_classes: number of classes.
      node_types: `[N]` int32 in `[0, num_node_types)`.
      num_node_types: number of node types.
      relations: the names of the relations; `graph.edges` counts in this order.
      splits: masks over the nodes; only nodes with a class are in them.
      metric: what results are reported in.

    Example:
      >>> import graphattn_jax as ga
      >>> ga.data.load("wordnet")  # doctest: +SKIP
      TypedNodeDataset('wordnet': 117,659 nodes, 364,552 edges, 256 features, 5 node types,
        26 relations, 45 classes, 10 splits, accuracy)
    """

    name: str
    graph: GraphsTuple
    labels: np.ndarray
    num_classes: int
    node_types: np.ndarray
    num_node_types: int
    relations: tuple[str, ...]
    splits: tuple[Split, ...]
    metric: str

    def typed(self, *, reverse: bool = True) -> GraphsTuple:
        """The graph as typed layers take it, `ga.graphs.from_triples`; nodes keep their numbers.

        Args:
          reverse: add to each relation its reverse. Sets that come with reverses need none.
        """
        return from_triples(
            (self.graph.senders, self.graph.edges, self.graph.receivers),
            nodes=self.graph.nodes,
            relation_names=self.relations,
            node_types=self.node_types,
            reverse=reverse,
        )

    def __repr__(self) -> str:
        num_features = 0 if self.graph.nodes is None else self.graph.nodes.shape[1]
        return (
            f"TypedNodeDataset({self.name!r}: {len(self.labels):,} nodes, "
            f"{len(self.graph.senders):,} edges, {num_features:,} features, "
            f"{self.num_node_types} node type{'s' * (self.num_node_types != 1)}, "
            f"{len(self.relations)} relations, {self.num_classes} classes, "
            f"{len(self.splits)} split{'s' * (len(self.splits) != 1)}, {self.metric})"
        )


def typed_node_dataset(
    name: str,
    *,
    nodes: np.ndarray | None,
    senders: np.ndarray,
    receivers: np.ndarray,
    relation: np.ndarray,
    relations: Sequence[str],
    labels: np.ndarray,
    node_types: np.ndarray,
    splits: Sequence[Split],
    source: object,
) -> TypedNodeDataset:
    """Checks what was read from `source` and sorts the edges by receiver."""
    num_nodes = len(labels)
    _checks.positive(f"number of nodes of {source}", num_nodes)
    for what, ids, size, of in (
        ("senders", senders, num_nodes, "nodes"),
        ("receivers", receivers, num_nodes, "nodes"),
        ("relations", relation, len(relations), "relations"),
    ):
        _checks.ids(f"{what} of {source}", ids, len(senders))
        _checks.ids_in_range(f"{what} of {source}", ids, size, of)
    _checks.ids(f"node types of {source}", node_types, num_nodes)
    _checks.ids_in_range(f"node types of {source}", node_types, num_nodes)
    order = np.lexsort((relation, senders, receivers))
    return TypedNodeDataset(
        name=name,
        graph=from_edge_list(
            senders[order],
            receivers[order],
            num_nodes=num_nodes,
            nodes=nodes,
            edges=relation[order].astype(np.int32),
        ),
        labels=labels.astype(np.int32),
        num_classes=int(labels.max()) + 1,
        node_types=node_types.astype(np.int32),
        num_node_types=int(node_types.max()) + 1,
        relations=tuple(relations),
        splits=tuple(splits),
        metric="accuracy",
    )
