"""A stream of graphs as padded batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from graphattn_jax.graphs._batch import batch
from graphattn_jax.graphs._budget import Budget, check_budget, size
from graphattn_jax.graphs._pad import does_not_fit, pad
from graphattn_jax.graphs._types import GraphsTuple, PreparedGraph


def batches_to_budget(
    graphs: Iterable[GraphsTuple], budget: Budget, *, block_size: int | None = None
) -> Iterator[PreparedGraph]:
    """Pack a stream of graphs, in order, into padded batches of one static size.

    A batch is closed when the next graph does not fit. No graph is dropped, so the last batch may
    hold few. As `jraph.dynamically_batch`, with batches of this library.

    Args:
      graphs: graphs without padding; read lazily. A graph that is itself a batch stays whole.
      budget: the size of every batch, such as from `estimate_budget`.
      block_size: as `prepare`.

    Returns:
      An iterator of `PreparedGraph`s, all of the budget's sizes, so that they share a compilation.

    Raises:
      ValueError: a graph that alone exceeds the budget; the message has its index. What `batch` and `pad` refuse.

    Example:
      >>> import graphattn_jax as ga
      >>> pair = ga.graphs.from_edge_list([0], [1])
      >>> budget = ga.graphs.Budget(n_node=5, n_edge=8, n_graph=9)
      >>> batches = list(ga.graphs.batches_to_budget([pair] * 5, budget))
      >>> [int(ga.graphs.graph_mask(batch).sum()) for batch in batches]
      [2, 2, 1]
    """
    check_budget("budget", budget)
    waiting: list[GraphsTuple] = []
    filled = np.zeros(3, int)
    for i, graph in enumerate(graphs):
        own = size(graph)
        if not budget.fits(*own):
            raise ValueError(does_not_fit(f"graph {i}", own, budget))
        if waiting and not budget.fits(*(filled + own)):
            yield pad(batch(waiting), budget, block_size=block_size)
            waiting, filled = [], np.zeros(3, int)
        waiting.append(graph)
        filled = filled + own
    if waiting:
        yield pad(batch(waiting), budget, block_size=block_size)
