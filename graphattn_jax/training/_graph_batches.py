"""Batches of graphs put together anew in every epoch, in a handful of static sizes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from graphattn_jax import _checks
from graphattn_jax.graphs import Budget, GraphsTuple, PreparedGraph, pad, take, to_host
from graphattn_jax.training._devices import stack_batches

_DEVIATIONS = (0.5, 2.0, 4.0)
"""Rungs of the ladder in standard deviations of a random batch's size; seven batches of ten fit the first."""


def batch_budgets(
    graphs: GraphsTuple, batch_size: int, *, multiple_of: int = 8
) -> tuple[Budget, ...]:
    """A short ladder of budgets for batches of exactly `batch_size` graphs in random order.

    The sizes of random batches lie close together: budgets half, two and four standard deviations above the mean hold
    nearly all of them with little padding, and one that holds the largest graphs together is the last rung. So an epoch
    compiles at most four times.

    Args:
      graphs: the data set as one batch.
      batch_size: real graphs per batch.
      multiple_of: granularity of nodes and edges.

    Returns:
      Budgets in rising order; the last fits any `batch_size` of the graphs.

    Raises:
      ValueError: no graphs, or a size that is not a positive integer.

    Example:
      >>> import graphattn_jax as ga
      >>> graphs = ga.graphs.batch([ga.graphs.from_edge_list([0], [1])] * 5)
      >>> ga.training.batch_budgets(graphs, 3)
      (Budget(n_node=8, n_edge=8, n_graph=4),)
    """
    _checks.positive("batch_size", batch_size)
    batch_size = int(batch_size)  # what is unsigned has no negative
    n_node, n_edge = (np.asarray(n, np.int64) for n in (graphs.n_node, graphs.n_edge))
    if not len(n_node):
        raise ValueError("graphs must hold at least one graph, got none.")
    count = min(batch_size, len(n_node))

    def rounded(nodes: float, edges: float) -> Budget:
        nodes, edges = (
            -(-int(np.ceil(x)) // multiple_of) * multiple_of for x in (nodes + 1, edges)
        )
        return Budget(nodes, max(edges, multiple_of), batch_size + 1)

    largest = [float(np.sort(sizes)[-count:].sum()) for sizes in (n_node, n_edge)]
    rungs = [
        rounded(
            *(
                min(count * sizes.mean() + z * np.sqrt(count) * sizes.std(), most)
                for sizes, most in zip((n_node, n_edge), largest)
            )
        )
        for z in _DEVIATIONS
    ]
    ladder = dict.fromkeys([*rungs, rounded(*largest)])
    return tuple(ladder)


class GraphBatches:
    """The graphs of a data set in padded, prepared batches, drawn anew in every epoch.

    A batch depends on `seed`, the epoch's number and its place alone: a saved position is two integers. The last batch
    of an epoch holds what is left over. In random order the iterator has no end; in order (`seed=None`, for evaluation)
    `iter` begins anew and ends with the epoch.

    Args:
      graphs: the data set as one batch on the host, with labels as `globals` (see `ga.data.GraphDataset.take`).
      batch_size: graphs per batch.
      seed: non-negative integer; None = in order, for evaluation.
      budgets: from `batch_budgets`, to share compilations with other data; None = those of `graphs`.
      block_size: see `ga.graphs.prepare`; None = no blocks.
      parts: give a stack of this many batches at a time, of one budget, for a step over devices or one that
        accumulates; at the end of an epoch some are empty. None = one batch, without that axis.
      rank, world: of several hosts, each gives its own share of every step, all in one budget.

    Raises:
      ValueError: no graphs, sizes that are not positive, a negative seed, a rank that is not one of `world`.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> graphs = [ga.graphs.from_edge_list([0], [1], globals=np.array([i])) for i in range(3)]
      >>> batches = ga.training.GraphBatches(ga.graphs.batch(graphs), 2, seed=0)
      >>> epoch = [next(batches) for _ in range(len(batches))]
      >>> sorted(np.concatenate([batch.globals[ga.graphs.graph_mask(batch)] for batch in epoch]).tolist())
      [0, 1, 2]
    """

    def __init__(
        self,
        graphs: GraphsTuple,
        batch_size: int,
        *,
        seed: int | None,
        budgets: tuple[Budget, ...] | None = None,
        block_size: int | None = None,
        parts: int | None = None,
        rank: int = 0,
        world: int = 1,
    ):
        is_whole = isinstance(seed, (int, np.integer)) and not isinstance(seed, bool)
        if seed is not None and (not is_whole or seed < 0):
            raise ValueError(
                f"seed must be a non-negative integer or None, got {_checks.describe(seed)}."
            )
        self._graphs = to_host(graphs, "GraphBatches", allow_sparse=False)
        if budgets is None:
            budgets = batch_budgets(self._graphs, batch_size)
        if not isinstance(budgets, (tuple, list)) or not all(
            isinstance(b, Budget) for b in budgets
        ):
            raise ValueError(
                f"budgets must be a tuple of ga.graphs.Budget, got {_checks.describe(budgets)}. "
                "Fix: batch_budgets(graphs, batch_size), or None."
            )
        self._budgets = tuple(budgets)
        # Python numbers: JSON does not hold those of numpy, which a position is saved with.
        self._batch_size, self._block_size = int(batch_size), block_size
        if parts is not None:
            _checks.positive("parts", parts)
        _checks.positive("batch_size", batch_size)
        _checks.rank(rank, world)
        self._parts, self._rank, self._world = parts, rank, world
        self._seed = None if seed is None else int(seed)
        self._start(epoch=0, position=0)

    @property
    def is_endless(self) -> bool:
        """Whether it goes on with the next epoch."""
        return self._seed is not None

    def __len__(self) -> int:
        """Batches per epoch, or stacks of them."""
        return -(-len(self._graphs.n_node) // self._at_once)

    @property
    def _at_once(self) -> int:
        """Graphs of one step, over all hosts."""
        return self._batch_size * (self._parts or 1) * self._world

    def _start(self, epoch: int, position: int) -> None:
        self._epoch, self._position = epoch, position
        count = len(self._graphs.n_node)
        self._order = np.arange(count)
        if self._seed is not None:
            self._order = np.random.default_rng([self._seed, epoch]).permutation(count)

    def __iter__(self) -> Iterator[PreparedGraph]:
        if self._seed is None:
            self._start(epoch=0, position=0)
        return self

    def __next__(self) -> PreparedGraph:
        if self._position == len(self):
            if self._seed is None:
                raise StopIteration
            self._start(self._epoch + 1, position=0)
        start = self._position * self._at_once
        self._position += 1
        places = range(start, start + self._at_once, self._batch_size)
        ids = [self._order[place : place + self._batch_size] for place in places]
        # One budget for all hosts. The last rung says in its error what does not fit.
        n_node, n_edge = self._graphs.n_node, self._graphs.n_edge
        sizes = [(int(n_node[i].sum()), int(n_edge[i].sum()), len(i)) for i in ids]
        fit = (b for b in self._budgets if all(b.fits(*size) for size in sizes))
        budget = next(fit, self._budgets[-1])
        parts = self._parts or 1
        own = ids[self._rank * parts :][:parts]
        padded = [pad(take(self._graphs, i), budget, block_size=self._block_size) for i in own]
        return padded[0] if self._parts is None else stack_batches(padded)

    def epoch(self) -> list[PreparedGraph]:
        """The batches from here to the end of this epoch; all of the next one at its end."""
        if self._position == len(self):
            self._start(self._epoch + 1, position=0)
        return [next(self) for _ in range(len(self) - self._position)]

    def state_dict(self) -> dict[str, Any]:
        """The position, with the arguments that give it its meaning."""
        return self._meaning() | {"epoch": self._epoch, "position": self._position}

    def _meaning(self) -> dict[str, Any]:
        return {
            "seed": self._seed,
            "batch_size": self._batch_size,
            "num_graphs": len(self._graphs.n_node),
            "at_once": self._at_once,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to a saved position of an iterator with the same graphs, batch size and seed.

        Raises:
          ValueError: they differ, so that no position is the same.
        """
        _checks.same_meaning(state, self._meaning())
        self._start(state["epoch"], state["position"])
