"""Batches of seeds with the part of a large graph that they need."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

from graphattn_jax import _checks
from graphattn_jax.graphs import Budget, GraphsTuple, to_host
from graphattn_jax.sampling._budgets import budget_ladder, check_budgets
from graphattn_jax.sampling._draw import Draw, Method
from graphattn_jax.sampling._in_neighbours import InNeighbours, node_times
from graphattn_jax.sampling._permutation import shuffled
from graphattn_jax.sampling._sample import Sample, padded_graph, padded_rows, sampled_graph

__all__ = ["Sampler"]

_MEASURED = 8


@dataclass(frozen=True, eq=False, repr=False)
class Sampler:
    """Batches of nodes, or of pairs of nodes, of one large graph, each with its sampled neighbourhood.

    `sampler(seed, epoch, index)` is a batch: a pure function of three integers, so that any batch can be made anywhere,
    in any order, and again. An epoch has `len(sampler)` of them and holds each seed exactly once, in an order of its
    own. All have one static size, or one of a few (`budgets`). `ga.training.EpochBatches` iterates.

    Args:
      graph: one graph on the host, without padding. Features may be `numpy.memmap`: only rows of a sample are read.
      method: `Neighbours(...)`, `HGSampling(...)` or `Tokens(...)`.
      seeds: `[S]` ids of nodes, or `[S, 2]` pairs (sender, receiver), such as links to be predicted.
      batch_size: B, seeds per batch.
      targets: labels or whatever else each seed is to come with, a pytree of arrays with S rows.
      times: `[S]` integers, the time at which a seed is asked about: its sample has no node that becomes known later.
        None = the node's own time, of a pair the later one. For graphs with `nodes.time`.
      budgets: static sizes; a sample takes the first that holds it. None = a ladder from what 8 samples need to the
        worst case, of which a run sees one or two. None of them is ever cut to fit: one too large is an error.
      hide_pairs: of seeds that are pairs, whether edges between the two nodes of a pair of the batch, in either
        direction, are left out of the sample: a link is not to be predicted from itself.
      rank, world: of several hosts, each makes batches of its own share of the seeds, all equally many batches.
      block_size: of the layout, see `ga.graphs.prepare`; None = that of the method, which `Tokens` has.

    Raises:
      ValueError: several graphs, ids out of range, rows that do not fit, a graph with times whose seeds share nodes.

    Cost: building sorts the edges, O(E); a batch costs O(what is drawn), and its layout.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> ids = np.arange(100)
      >>> ring = ga.graphs.from_edge_list(ids, np.roll(ids, -1), nodes=np.eye(100, dtype=np.float32))
      >>> sampler = ga.sampling.Sampler(ring, ga.sampling.Neighbours((2, 2)), seeds=ids[:50], batch_size=20)
      >>> sample = sampler(seed=0, epoch=3, index=2)
      >>> len(sampler), int(sample.seed_mask.sum()), sample.seeds[:3].tolist(), sample.graph.nodes.shape
      (3, 10, [0, 1, 2], (64, 100))
    """

    graph: GraphsTuple
    method: Method
    seeds: Any
    batch_size: int
    targets: Any = None
    times: Any = None
    budgets: tuple[Budget, ...] | None = None
    hide_pairs: bool = False
    rank: int = 0
    world: int = 1
    block_size: int | None = None
    neighbours: InNeighbours = field(init=False)

    def __post_init__(self) -> None:
        graph = one_graph(self.graph, "Sampler")
        self._set("graph", graph)
        self.method.check(graph)
        check_share(self.batch_size, self.rank, self.world)
        self._set("neighbours", InNeighbours.of(graph))
        self._set("seeds", _checked_seeds(self.seeds, self.neighbours.num_nodes))
        self._set("targets", rows_of_seeds(self.targets, len(self.seeds)))
        self._set("times", self._checked_times())
        if self.hide_pairs and self.seeds.ndim != 2:
            raise ValueError("hide_pairs is for seeds [S, 2], pairs of nodes, got single nodes.")
        if self.budgets is None:
            self._set("budgets", self._measured())
        check_budgets(self.budgets)

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        return (
            f"Sampler({self.method}: {len(self.seeds):,} seeds of {self.neighbours.num_nodes:,} nodes and "
            f"{len(self.neighbours.edge_ids):,} edges in {len(self):,} batches of {self.batch_size:,})"
        )

    def _checked_times(self) -> np.ndarray | None:
        known = node_times(self.graph)
        if known is None:
            if self.times is not None:
                raise ValueError(
                    "times say what is known at a seed, and the nodes of the graph have none. "
                    "Fix: ga.graphs.from_types(..., node_time=...)."
                )
            return None
        if not self.method.disjoint:
            raise ValueError(
                "the nodes of the graph have times, and seeds of different times may not share nodes. "
                "Fix: disjoint=True, or dataclasses.replace(graph.nodes, time=None) for a sample that looks ahead."
            )
        times = known[self.seeds] if self.times is None else np.asarray(self.times)
        if self.times is None and times.ndim == 2:
            times = times.max(axis=1)
        _checks.ids("times", times, len(self.seeds))
        return times

    def _measured(self) -> tuple[Budget, ...]:
        places = np.unique(np.linspace(0, len(self) - 1, _MEASURED).astype(int))
        draws = [self._draw(0, 0, int(index)) for index in places] if len(self) else []
        sizes = [(len(draw.node_ids), len(draw.edge_ids)) for draw, _, _ in draws]
        num_seeds = self.batch_size * self.seeds[:1].size
        largest = self.method.largest(self.neighbours, self.graph, num_seeds)
        return budget_ladder(sizes, largest, self.batch_size if self.method.disjoint else 1)

    def __len__(self) -> int:
        """Batches per epoch of this host; all hosts have as many."""
        share = -(-len(self.seeds) // self.world)
        return -(-share // self.batch_size)

    def _draw(
        self, seed: int | None, epoch: int, index: int
    ) -> tuple[Draw, np.ndarray, np.ndarray | None]:
        """A draw, which seeds it is of, and their times."""
        places = share_of_batch(
            len(self.seeds), self.batch_size, index, rank=self.rank, world=self.world
        )
        which = places if seed is None else shuffled(seed, epoch, places, len(self.seeds))
        rng = np.random.default_rng([0 if seed is None else seed, epoch, index, self.rank])
        times = None if self.times is None else self.times[which]
        seeds = self.seeds[which]
        draw = self.method.draw(rng, self.neighbours, self.graph, seeds, times)
        return self._without_pairs(draw, seeds) if self.hide_pairs else draw, which, times

    def _without_pairs(self, draw: Draw, pairs: np.ndarray) -> Draw:
        def keys(ends: Any) -> np.ndarray:
            return np.min(ends, axis=0) * self.neighbours.num_nodes + np.max(ends, axis=0)

        ends = draw.node_ids[draw.senders], draw.node_ids[draw.receivers]
        keep = ~np.isin(keys(ends), keys(pairs.T))
        edges = (draw.edge_ids[keep], draw.senders[keep], draw.receivers[keep])
        return draw._replace(edge_ids=edges[0], senders=edges[1], receivers=edges[2])

    def __call__(self, seed: int | None, epoch: int, index: int) -> Sample:
        """Batch `index` of an epoch.

        Args:
          seed: non-negative integer; None = the seeds in their order.
          epoch, index: non-negative integers, the index below `len(sampler)`.

        Returns:
          `Sample`, with numpy leaves.

        Raises:
          ValueError: a negative number, an index beyond the epoch, a sample that no budget holds.
        """
        check_place(seed, epoch, index, len(self))
        draw, which, times = self._draw(seed, epoch, index)
        part, draw = sampled_graph(self.graph, draw, times)
        assert self.budgets is not None
        block_size = self.block_size or self.method.block_size
        graph = padded_graph(part, self.budgets, block_size)
        num_nodes, num_edges, b = len(graph.layout.node_mask), len(graph.senders), self.batch_size
        # Behind the seeds stands the last node, which is padding.
        return Sample(
            graph=graph,
            seeds=padded_rows(draw.seeds.astype(np.int32), b, num_nodes - 1),
            seed_mask=np.arange(b) < len(which),
            targets=jax.tree.map(lambda x: padded_rows(x[which], b), self.targets),
            times=None if times is None else padded_rows(times, b),
            weights=None,
            node_ids=padded_rows(draw.node_ids.astype(np.int32), num_nodes, -1),
            edge_ids=padded_rows(draw.edge_ids.astype(np.int32), num_edges, -1),
            hops=padded_rows(draw.hops.astype(np.int32), num_nodes, -1),
            edge_weights=None,
        )


def one_graph(graph: GraphsTuple, function: str) -> GraphsTuple:
    """One graph on the host."""
    host = to_host(graph, function, allow_sparse=False)
    if len(host.n_node) != 1:
        raise ValueError(
            f"graph must be one graph, got a batch of {len(host.n_node)}. Fix: ga.training.GraphBatches for many."
        )
    return host


def rows_of_seeds(targets: Any, count: int) -> Any:
    """Targets on the host, with a row for each seed."""
    targets = jax.tree.map(np.asarray, targets)
    for path, x in jax.tree_util.tree_leaves_with_path(targets):
        if x.shape[:1] != (count,):
            raise ValueError(
                f"targets{jax.tree_util.keystr(path)} must have a row for each of {count} seeds, got shape {x.shape}. "
                "Fix: labels[seeds] for labels of all nodes."
            )
    return targets


def _checked_seeds(seeds: Any, num_nodes: int) -> np.ndarray:
    seeds = np.asarray(seeds)
    _checks.integers("seeds", seeds)
    if seeds.ndim != 1 and seeds.shape[1:] != (2,):
        raise ValueError(
            f"seeds must be [S] ids of nodes or [S, 2] pairs (sender, receiver), got shape {seeds.shape}."
        )
    _checks.ids_in_range("seeds", seeds.ravel(), num_nodes)
    return seeds.astype(np.int64)


def check_share(batch_size: int, rank: int, world: int) -> None:
    """A batch size, and one of several hosts."""
    _checks.positive("batch_size", batch_size)
    _checks.rank(rank, world)


def check_place(seed: int | None, epoch: int, index: int, length: int) -> None:
    """Three integers that name a batch."""
    numbers = {"epoch": epoch, "index": index} | ({} if seed is None else {"seed": seed})
    for name, value in numbers.items():
        if not isinstance(value, (int, np.integer)) or value < 0:
            raise ValueError(
                f"{name} must be a non-negative integer, got {_checks.describe(value)}."
            )
    if index >= length:
        raise ValueError(
            f"index must be below {length}, the batches of an epoch, got {index}. Fix: epoch + 1, index 0."
        )


def share_of_batch(size: int, batch_size: int, index: int, *, rank: int, world: int) -> np.ndarray:
    """The places in an epoch's order that a batch of a host holds."""
    places = rank + world * (index * batch_size + np.arange(batch_size))
    return places[places < size]
