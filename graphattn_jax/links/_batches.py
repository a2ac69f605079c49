"""Batches of links with their negatives, and the graph to predict them from."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import numpy as np

from graphattn_jax import _checks
from graphattn_jax.graphs import (
    Budget,
    GraphsTuple,
    num_edges,
    num_graphs,
    num_nodes,
    pad,
    prepare,
    unpad,
)
from graphattn_jax.links._index import LinkIndex, ranking_candidates
from graphattn_jax.links._links import Links
from graphattn_jax.links._negatives import corrupt_links
from graphattn_jax.links._split import LinkPart, hide_links, seeded

__all__ = ["LinkBatch", "LinkBatches", "RankingBatch", "ranking_batches"]


class LinkBatch(NamedTuple):
    """What a step of training reads.

    graph: prepared, the edges that carry messages. links: `[B]`. where: `[B]` bool, False for what fills the last
    batch of an epoch. negatives: `[B, K]`, or None without any. negatives_where: `[B, K]` bool, or None.
    """

    graph: Any
    links: Links
    where: Any
    negatives: Links | None = None
    negatives_where: Any = None


class LinkBatches:
    """Batches of links in a new random order each epoch, without end, with new negatives.

    A batch depends on `seed`, the epoch's number and its place alone, so that a saved position is two integers.

    Args:
      part: links and the graph to predict them from, such as `split.train`; or with `hide` a graph.
      batch_size: B, links per batch; None = all of an epoch in one.
      seed: non-negative integer.
      index: what is known, from `index_links`; needed for negatives.
      negatives: K for each link; 0 = none, for a loss over all nodes.
      hide: the share of the links of the graph that an epoch predicts from all others, new ones in every epoch
        (`ga.links.hide_links`); None = the links and the graph of `part`.
      directed: of `hide`, as in `ga.links.split_links`.

    Raises:
      ValueError: no links, sizes that are not positive integers, negatives without an index, a graph without `hide`.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> ring = np.arange(20)
      >>> graph = ga.graphs.add_reverse_edges(ga.graphs.from_edge_list(ring, (ring + 1) % 20))
      >>> index = ga.links.index_links(graph, self_links=False)
      >>> batches = ga.links.LinkBatches(graph, 4, seed=0, index=index, negatives=3, hide=0.5)
      >>> batch = next(batches)
      >>> len(batches), batch.links.heads.shape, batch.negatives.tails.shape, int(batch.graph.layout.edge_mask.sum())
      (3, (4,), (4, 3), 20)
    """

    is_endless = True

    def __init__(
        self,
        part: LinkPart | GraphsTuple,
        batch_size: int | None = None,
        *,
        seed: int,
        index: LinkIndex | None = None,
        negatives: int = 0,
        hide: float | None = None,
        directed: bool = False,
    ):
        seeded(seed)
        if negatives and not isinstance(index, LinkIndex):
            raise ValueError(
                f"negatives={negatives} need an index that says what is known, got {_checks.describe(index)}. "
                "Fix: index=ga.links.index_links(graph)."
            )
        if isinstance(part, LinkPart) != (hide is None):
            raise ValueError(
                "part must be a LinkPart, such as split.train, without hide, and a graph with it; got "
                f"{type(part).__name__} and hide={hide}."
            )
        if isinstance(part, LinkPart):
            self._graph, first = jax.device_put(prepare(part.graph)), part
        else:
            self._graph = unpad(part)
            first = hide_links(self._graph, hide, seed=seed, directed=directed)  # pyright: ignore[reportArgumentType]
        self._seed, self._hide, self._directed = int(seed), hide, directed
        self._index, self._negatives = index, negatives
        self._num_links = len(first.links.heads)
        if not self._num_links:
            raise ValueError("part must have links to predict, got none. Fix: a larger share.")
        if batch_size is not None:
            _checks.positive("batch_size", batch_size)
        self._batch_size = int(batch_size or self._num_links)
        self._links = first.links
        self._start(epoch=0, position=0)

    def _start(self, epoch: int, position: int) -> None:
        self._epoch, self._position = epoch, position
        self._order = seeded(self._seed, epoch).permutation(self._num_links)
        if self._hide is None:
            self._messages = self._graph
            return
        graph = self._graph
        part = hide_links(graph, self._hide, seed=self._seed, epoch=epoch, directed=self._directed)
        budget = Budget(num_nodes(graph) + 1, num_edges(graph), num_graphs(graph) + 1)
        self._messages, self._links = jax.device_put(pad(part.graph, budget)), part.links

    def __iter__(self) -> LinkBatches:
        return self

    def __len__(self) -> int:
        """Batches per epoch."""
        return -(-self._num_links // self._batch_size)

    def __next__(self) -> LinkBatch:
        if self._position == len(self):
            self._start(self._epoch + 1, position=0)
        place = np.arange(self._batch_size) + self._position * self._batch_size
        where = place < self._num_links
        # What fills the last batch is some link again.
        rows = self._order[place % self._num_links]
        links = jax.tree.map(lambda ids: ids[rows], self._links)
        batch = LinkBatch(self._messages, links, where)
        if self._negatives:
            assert self._index is not None
            found = corrupt_links(
                self._index,
                links,
                self._negatives,
                seed=self._seed,
                epoch=self._epoch,
                batch=self._position,
            )
            batch = batch._replace(
                negatives=found.links, negatives_where=found.where & where[:, None]
            )
        self._position += 1
        return batch

    def state_dict(self) -> dict[str, Any]:
        """The position, with the arguments that give it its meaning."""
        return self._meaning() | {"epoch": self._epoch, "position": self._position}

    def _meaning(self) -> dict[str, Any]:
        return {
            "seed": self._seed,
            "batch_size": self._batch_size,
            "num_links": self._num_links,
            "negatives": self._negatives,
            "hide": self._hide,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to a saved position of an iterator with the same links and arguments.

        Raises:
          ValueError: they differ, so that no position is the same.
        """
        _checks.same_meaning(state, self._meaning())
        self._start(state["epoch"], state["position"])


class RankingBatch(NamedTuple):
    """Links with one end left open, and what stands there.

    links: `[B]`, tails or heads None. answers: `[B]`. candidates: `[B, N]` bool, what the answer is compared with.
    where: `[B]` bool, False for what fills the last batch.
    """

    links: Links
    answers: np.ndarray
    candidates: np.ndarray
    where: np.ndarray


def ranking_batches(links: Links, index: LinkIndex, batch_size: int) -> list[RankingBatch]:
    """Both ends of links to be ranked among all nodes, in batches of equal size.

    Args:
      links: `[M]`, of validation or test.
      index: the links of all parts, from `index_links`: other true answers are no candidates.
      batch_size: B.

    Returns:
      `RankingBatch` per batch, first with tails left open, then with heads.

    Raises:
      ValueError: ids that do not fit the index, a size that is not a positive integer.

    Cost: 2 M N bytes on the host.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> index = ga.links.index_links(ga.graphs.from_edge_list([0, 0], [1, 2]))
      >>> links = ga.links.Links(np.array([0]), None, np.array([1]))
      >>> [batch.candidates.tolist() for batch in ga.links.ranking_batches(links, index, 1)]
      [[[True, True, False]], [[True, True, True]]]
    """
    index.check("links", links)
    _checks.positive("batch_size", batch_size)
    made, number = [], len(links.heads)
    for side in ("tail", "head"):
        field = side + "s"
        for start in range(0, number, batch_size):
            place = np.arange(start, start + batch_size)
            rows = jax.tree.map(lambda ids, place=place: ids[place % number], links)
            made.append(
                RankingBatch(
                    rows._replace(**{field: None}),
                    getattr(rows, field),
                    ranking_candidates(index, rows, side),
                    place < number,
                )
            )
    return made
