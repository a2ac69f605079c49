"""Data sets that are links to be predicted."""

from __future__ import annotations

from typing import NamedTuple

from graphattn_jax.graphs import GraphsTuple, schema_of
from graphattn_jax.links import Links


class LinkDataset(NamedTuple):
    """A graph of the links to learn from, with links to validate and to test on that it does not have.

    Args:
      name: the name `load` knows the set by.
      graph: typed, the training links as edges head → tail, each with its reverse; nodes have no features.
      train, val, test: `Links`, with the relations of the schema of the graph.
      node_names: of the N nodes.

    Example:
      >>> import graphattn_jax as ga
      >>> ga.data.load("umls")  # doctest: +SKIP
      LinkDataset('umls': 135 nodes, 46 relations, 5,216 + 652 + 661 links)
    """

    name: str
    graph: GraphsTuple
    train: Links
    val: Links
    test: Links
    node_names: tuple[str, ...]

    def __repr__(self) -> str:
        parts = " + ".join(f"{len(part.heads):,}" for part in (self.train, self.val, self.test))
        relations = len(schema_of(self.graph).relations) // 2
        return (
            f"LinkDataset({self.name!r}: {len(self.node_names):,} nodes, {relations} relations, {parts} "
            "links)"
        )
