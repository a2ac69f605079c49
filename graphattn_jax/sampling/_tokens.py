"""Tokens: so many nodes around each seed, with all edges among them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from graphattn_jax import _checks
from graphattn_jax.sampling._draw import Draw
from graphattn_jax.sampling._in_neighbours import InNeighbours
from graphattn_jax.sampling._induced import induced_edges
from graphattn_jax.sampling._numbering import Numbering
from graphattn_jax.sampling._ragged import distinct, places

__all__ = ["Tokens"]

FILLED = 3
"""The hop of a token that was drawn from all nodes."""


@dataclass(frozen=True)
class Tokens:
    """K nodes for each seed, itself among them: nodes within two hops, and random ones where these are too few.

    Hops go against the edges, to who a node hears from: a graph whose relations have their reverses is walked both
    ways. The K − 1 others are drawn from all different nodes within two hops, each as likely as any other, whatever
    its hop. Between the tokens of a seed are all edges of the graph. Seeds share no nodes; where nodes have times, no
    token is later than the time of its seed. In `Sample.hops` the random ones have the hop 3.

    Args:
      num_tokens: K, at least 2; also the block size of the layout that `Sampler` makes.
      fanouts: how many in-edges of the seed, and of each of its neighbours, are looked at; of a node with more, so many
        are drawn. It bounds what hubs cost.
      fill: whether a seed with fewer than K − 1 nodes within two hops gets random ones of all that are known at its
        time. Without it, and where the graph has no more, its graph is smaller.

    Raises:
      ValueError: sizes that are not positive integers, a single token.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_types(
      ...     {"author": 2, "paper": np.eye(4, dtype=np.float32)},
      ...     {("author", "writes", "paper"): ([0, 1, 1], [0, 1, 2])}, reverse=True)
      >>> sampler = ga.sampling.Sampler(graph, ga.sampling.Tokens(4, fill=False), seeds=[0, 3], batch_size=2)
      >>> sample = sampler(seed=None, epoch=0, index=0)
      >>> sample.graph.n_node[:2].tolist(), sorted(sample.hops[2:5].tolist())
      ([2, 3], [0, 1, 2])

    Source: Dwivedi et al., "Relational Graph Transformer", 2025, arXiv:2505.10960, section 3.1. Their code draws
      neighbours again and again where there are fewer than K, and random nodes, of any time, where there are none.
    """

    num_tokens: int = 100
    fanouts: tuple[int, int] = (256, 64)
    fill: bool = True

    def __post_init__(self) -> None:
        _checks.positive("num_tokens", self.num_tokens)
        if self.num_tokens < 2:
            raise ValueError("num_tokens must be at least 2, the seed and another, got 1.")
        if not isinstance(self.fanouts, (tuple, list)) or len(self.fanouts) != 2:
            raise ValueError(
                f"fanouts must be two numbers, of the seed and of its neighbours, got {self.fanouts!r}."
            )
        _checks.choice("fill", self.fill, (True, False))
        object.__setattr__(self, "fanouts", tuple(self.fanouts))
        for hop, number in enumerate(self.fanouts):
            _checks.positive(f"fanouts[{hop}]", number)

    @property
    def disjoint(self) -> bool:
        """Seeds share no nodes."""
        return True

    @property
    def block_size(self) -> int:
        """No seed has more nodes."""
        return self.num_tokens

    def check(self, graph: Any) -> None:
        """Any graph fits."""

    def largest(self, neighbours: InNeighbours, graph: Any, num_seeds: int) -> tuple[int, int]:
        """No draw has more nodes and edges."""
        size = min(self.num_tokens, neighbours.num_nodes)
        first, last = neighbours.edges_of(np.arange(neighbours.num_nodes))
        return num_seeds * size, num_seeds * int(np.sort(last - first)[-size:].sum())

    def draw(
        self,
        rng: np.random.Generator,
        neighbours: InNeighbours,
        graph: Any,
        seeds: np.ndarray,
        times: np.ndarray | None,
    ) -> Draw:
        """The tokens of `[b]` seeds, known at their `[b]` times."""
        if seeds.ndim != 1:
            raise ValueError(
                f"seeds must be [S] ids of nodes for Tokens, got pairs of shape {seeds.shape}."
            )
        own = np.arange(len(seeds))
        found = [(own, seeds)]
        for fanout in self.fanouts:
            found.append(_heard(rng, neighbours, *found[-1], times, fanout))
        hops = np.repeat(np.arange(3), [len(nodes) for _, nodes in found])
        roots, nodes = (np.concatenate(parts) for parts in zip(*found, strict=True))
        # Of a node that was found twice, the first, which is the nearest.
        near = np.unique(roots * neighbours.num_nodes + nodes, return_index=True)[1]
        near = near[hops[near] > 0]
        near = _some(rng, near, roots[near], np.full(len(seeds), self.num_tokens - 1))
        chosen = np.concatenate([own, near])
        roots, nodes, hops = roots[chosen], nodes[chosen], hops[chosen]
        if self.fill:
            more = _others(rng, neighbours, roots, nodes, times, self.num_tokens)
            roots, nodes = (np.concatenate(x) for x in zip((roots, nodes), more, strict=True))
            hops = np.concatenate([hops, np.full(len(more[0]), FILLED)])
        keys = roots * neighbours.num_nodes + nodes
        chosen = Numbering(neighbours.num_nodes * len(seeds), len(keys))
        chosen.add(keys)  # all different, so that their numbers are their rows
        edges, senders, receivers = induced_edges(neighbours, chosen)
        return Draw(nodes, hops, roots, edges, senders, receivers, own)


def _heard(
    rng: np.random.Generator,
    neighbours: InNeighbours,
    roots: np.ndarray,
    nodes: np.ndarray,
    times: np.ndarray | None,
    most: int,
) -> tuple[np.ndarray, np.ndarray]:
    """(root, node) of the senders of at most so many in-edges of each node that are known by then, each once."""
    runs, owner = neighbours.runs(nodes)
    counts = neighbours.counts(runs, None if times is None else times[roots[owner]])
    total = np.bincount(owner, counts, len(nodes)).astype(np.int64)
    row, place = distinct(rng, total, np.full(len(nodes), most))
    # The known edges of all runs, one behind the other.
    ends, at = np.cumsum(counts), (np.cumsum(total) - total)[row] + place
    run = np.searchsorted(ends, at, side="right")
    edge = neighbours.first_edge[runs[run]] + at - (ends - counts)[run]
    keys = np.unique(roots[row] * neighbours.num_nodes + neighbours.senders[edge])
    return np.divmod(keys, neighbours.num_nodes)


def _others(
    rng: np.random.Generator,
    neighbours: InNeighbours,
    roots: np.ndarray,
    nodes: np.ndarray,
    times: np.ndarray | None,
    num_tokens: int,
) -> tuple[np.ndarray, np.ndarray]:
    """(root, node) of random nodes that are known by then, for roots with fewer tokens."""
    there = np.bincount(roots)
    missing = num_tokens - there
    known = np.full(len(there), neighbours.num_nodes)
    order, when = neighbours.by_time
    if times is not None:
        known = np.searchsorted(when, times, side="right")
    # Of that many, enough are not there yet.
    row, place = distinct(rng, known, np.where(missing > 0, missing + there, 0))
    keys = row * neighbours.num_nodes + order[place]
    keys = keys[~np.isin(keys, roots * neighbours.num_nodes + nodes)]
    return np.divmod(_some(rng, keys, keys // neighbours.num_nodes, missing), neighbours.num_nodes)


def _some(
    rng: np.random.Generator, values: np.ndarray, roots: np.ndarray, wanted: np.ndarray
) -> np.ndarray:
    """Of the values of each root so many, in random order."""
    order = np.lexsort((rng.random(len(values)), roots))
    row, place = places(np.bincount(roots, minlength=len(wanted)))
    return values[order][place < wanted[row]]
