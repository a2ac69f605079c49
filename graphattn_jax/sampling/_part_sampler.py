"""What samplers of parts share: the edges among chosen nodes, and which of these count in the loss."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import jax
import numpy as np

from graphattn_jax import _checks
from graphattn_jax.graphs import Budget, GraphsTuple
from graphattn_jax.sampling._budgets import budget_ladder, check_budgets
from graphattn_jax.sampling._draw import Draw
from graphattn_jax.sampling._in_neighbours import InNeighbours, node_times
from graphattn_jax.sampling._induced import induced_edges
from graphattn_jax.sampling._numbering import Numbering
from graphattn_jax.sampling._sample import Sample, padded_graph, padded_rows, sampled_graph
from graphattn_jax.sampling._sampler import check_place, one_graph, rows_of_seeds

_MEASURED = 8


@dataclass(frozen=True, eq=False, repr=False)
class PartSampler(ABC):
    """Batches of some nodes of one large graph and all edges among them, as `Sampler` gives batches of seeds."""

    graph: GraphsTuple
    _: KW_ONLY
    seeds: Any = None
    targets: Any = None
    budgets: tuple[Budget, ...] | None = None
    block_size: int | None = None
    neighbours: InNeighbours = field(init=False)
    seed_of_node: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self._set("graph", one_graph(self.graph, type(self).__name__))
        if node_times(self.graph) is not None:
            raise ValueError(
                "the nodes of the graph have times, and a part of it has nodes of all times. "
                "Fix: ga.sampling.Sampler(..., disjoint=True), or dataclasses.replace(graph.nodes, time=None)."
            )
        self._set("neighbours", InNeighbours.of(self.graph))
        n = self.neighbours.num_nodes
        seeds = np.arange(n) if self.seeds is None else np.asarray(self.seeds)
        _checks.ids("seeds", seeds)
        _checks.ids_in_range("seeds", seeds, n)
        self._set("seeds", seeds)
        self._set("targets", rows_of_seeds(self.targets, len(seeds)))
        self._set("seed_of_node", np.full(n, -1))
        self.seed_of_node[seeds] = np.arange(len(seeds))
        if (self.seed_of_node >= 0).sum() < len(seeds):
            raise ValueError("seeds must be different nodes. Fix: np.unique(seeds).")
        self._setup()
        if self.budgets is None:
            self._set("budgets", self._measured())
        check_budgets(self.budgets)

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    @abstractmethod
    def _setup(self) -> None:
        """Check and prepare what a kind of sampler has beside this."""

    @abstractmethod
    def __len__(self) -> int:
        """Batches per epoch."""

    @abstractmethod
    def _nodes(self, seed: int | None, epoch: int, index: int) -> np.ndarray:
        """The different nodes of a batch."""

    @abstractmethod
    def _largest(self) -> tuple[int, int]:
        """No batch has more nodes and edges."""

    def _weights(self, draw: Draw) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Of the nodes in the loss, and of the edges."""
        return None, None

    def _draw(self, nodes: np.ndarray) -> Draw:
        found = Numbering(self.neighbours.num_nodes, len(nodes))
        found.add(nodes)
        edges = induced_edges(self.neighbours, found)
        rows = np.arange(len(nodes))
        return Draw(nodes, np.zeros_like(nodes), None, *edges, seeds=rows)

    def _measured(self) -> tuple[Budget, ...]:
        places = np.unique(np.linspace(0, len(self) - 1, _MEASURED).astype(int))
        draws = [self._draw(self._nodes(0, 0, int(index))) for index in places]
        sizes = [(len(draw.node_ids), len(draw.edge_ids)) for draw in draws]
        return budget_ladder(sizes, self._largest(), 1)

    def __call__(self, seed: int | None, epoch: int, index: int) -> Sample:
        """Batch `index` of an epoch.

        Args:
          seed: non-negative integer; None = in order.
          epoch, index: non-negative integers, the index below `len(sampler)`.

        Returns:
          `Sample`, with numpy leaves; all its nodes are rows of `seeds`, and `seed_mask` says which of them are some.

        Raises:
          ValueError: a negative number, an index beyond the epoch, a sample that no budget holds.
        """
        check_place(seed, epoch, index, len(self))
        draw = self._draw(self._nodes(seed, epoch, index))
        part, _ = sampled_graph(self.graph, draw, None)
        assert self.budgets is not None
        graph = padded_graph(part, self.budgets, self.block_size)
        num_nodes, num_edges = len(graph.layout.node_mask), len(graph.senders)
        which = self.seed_of_node[draw.node_ids]
        is_seed = which >= 0

        def rows(x: np.ndarray) -> np.ndarray:
            of_seeds = np.zeros((len(which), *x.shape[1:]), x.dtype)
            of_seeds[is_seed] = x[which[is_seed]]
            return padded_rows(of_seeds, num_nodes)

        weights, edge_weights = self._weights(draw)
        return Sample(
            graph=graph,
            seeds=np.arange(num_nodes, dtype=np.int32),
            seed_mask=padded_rows(is_seed, num_nodes),
            targets=jax.tree.map(rows, self.targets),
            times=None,
            weights=None if weights is None else padded_rows(weights, num_nodes),
            node_ids=padded_rows(draw.node_ids.astype(np.int32), num_nodes, -1),
            edge_ids=padded_rows(draw.edge_ids.astype(np.int32), num_edges, -1),
            hops=padded_rows(draw.hops.astype(np.int32), num_nodes, -1),
            edge_weights=None if edge_weights is None else padded_rows(edge_weights, num_edges),
        )
