"""Data sets of tables, with a number to predict for the rows of one of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from graphattn_jax.data._dataset import Split
from graphattn_jax.graphs import GraphsTuple, Table


class TableDataset(NamedTuple):
    """Tables, the typed graph of their rows, and a target of the rows of the first table.

    Args:
      name: the name `load` knows the set by.
      tables: by name, as `ga.graphs.from_tables` took them: columns, keys, times, encodings.
      graph: their graph. Row i of the first table is node i.
      targets: `[rows of the first table]` float32, NaN where there is none.
      splits: masks over these rows; only rows with a target are in them.
      metric: what results are reported in.
    """

    name: str
    tables: dict[str, Table]
    graph: GraphsTuple
    targets: np.ndarray
    splits: tuple[Split, ...]
    metric: str

    def __repr__(self) -> str:
        nodes = self.graph.nodes
        sizes = ", ".join(f"{n:,} {name}" for name, n in zip(nodes.schema.types, nodes.counts))
        return (
            f"TableDataset({self.name!r}: {sizes}; {len(self.graph.senders):,} edges of {len(nodes.schema.relations)} "
            f"relations, {np.isfinite(self.targets).sum():,} targets, {self.metric})"
        )
