"""How GraphSAINT draws the nodes of a sample."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from graphattn_jax import _checks
from graphattn_jax.sampling._in_neighbours import InNeighbours

__all__ = ["SaintEdges", "SaintNodes", "SaintWalks"]


@dataclass(frozen=True)
class SaintNodes:
    """Nodes, those more often that are heard more:  P(u) ∝ Σ_v Â_vu²  with Â = A + I over its row sums.

    Args:
      size: draws, with replacement.

    Raises:
      ValueError: a size that is not a positive integer.

    Example:
      >>> import graphattn_jax as ga
      >>> ga.sampling.SaintNodes(6000)
      SaintNodes(size=6000)

    Source: Zeng et al., ICLR 2020, arXiv:1907.04931, section 3.3 and algorithm 2, `NODE`. The paper has no loops:
      without them a node that nobody hears would never be drawn.
    """

    size: int

    def __post_init__(self) -> None:
        _checks.positive("size", self.size)

    @property
    def most(self) -> int:
        """No sample has more nodes."""
        return self.size

    def chances(self, neighbours: InNeighbours) -> np.ndarray:
        """`[N]` cumulative."""
        share = 1 / np.square(1.0 + np.diff(neighbours.first_edge_of_node))
        heard = np.bincount(neighbours.senders, share[neighbours.receivers], len(share))
        return np.cumsum(heard + share)

    def draw(
        self, rng: np.random.Generator, neighbours: InNeighbours, chances: np.ndarray
    ) -> np.ndarray:
        """Nodes of a sample, also repeated."""
        return _weighted(rng, chances, self.size)


@dataclass(frozen=True)
class SaintEdges:
    """Both ends of edges, those more often whose ends have few:  P(u → v) ∝ 1/(1 + d_u) + 1/(1 + d_v).

    A node without edges is in no sample.

    Args:
      size: edges drawn, with replacement.

    Raises:
      ValueError: a size that is not a positive integer.

    Example:
      >>> import graphattn_jax as ga
      >>> ga.sampling.SaintEdges(4000)
      SaintEdges(size=4000)

    Source: Zeng et al., ICLR 2020, arXiv:1907.04931, theorem 3.2 and algorithm 2, `EDGE`. The paper divides by the
      degrees of an undirected graph; of a directed one the degree d here may be 0.
    """

    size: int

    def __post_init__(self) -> None:
        _checks.positive("size", self.size)

    @property
    def most(self) -> int:
        """No sample has more nodes."""
        return 2 * self.size

    def chances(self, neighbours: InNeighbours) -> np.ndarray:
        """`[E]` cumulative."""
        share = 1 / (1.0 + np.diff(neighbours.first_edge_of_node))
        return np.cumsum(share[neighbours.senders] + share[neighbours.receivers])

    def draw(
        self, rng: np.random.Generator, neighbours: InNeighbours, chances: np.ndarray
    ) -> np.ndarray:
        """Nodes of a sample, also repeated."""
        if not len(chances):
            return np.zeros(0, np.int64)
        edges = _weighted(rng, chances, self.size)
        return np.concatenate([neighbours.senders[edges], neighbours.receivers[edges]])


@dataclass(frozen=True)
class SaintWalks:
    """The nodes of random walks, against the edges: from each node to one that it hears from.

    Args:
      roots: where walks begin, drawn from all nodes, with replacement.
      length: steps of each walk; one ends early where nobody is heard.

    Raises:
      ValueError: numbers that are not positive integers.

    Example:
      >>> import graphattn_jax as ga
      >>> ga.sampling.SaintWalks(roots=3000, length=2)
      SaintWalks(roots=3000, length=2)

    Source: Zeng et al., ICLR 2020, arXiv:1907.04931, section 3.3 and algorithm 2, `RW`.
    """

    roots: int
    length: int

    def __post_init__(self) -> None:
        _checks.positive("roots", self.roots)
        _checks.positive("length", self.length)

    @property
    def most(self) -> int:
        """No sample has more nodes."""
        return self.roots * (self.length + 1)

    def chances(self, neighbours: InNeighbours) -> np.ndarray:
        """Nothing: all roots are equally likely."""
        return np.zeros(0)

    def draw(
        self, rng: np.random.Generator, neighbours: InNeighbours, chances: np.ndarray
    ) -> np.ndarray:
        """Nodes of a sample, also repeated."""
        first = neighbours.first_edge_of_node
        here = rng.integers(neighbours.num_nodes, size=self.roots)
        walked = [here]
        for _ in range(self.length):
            count = first[here + 1] - first[here]
            here, count = here[count > 0], count[count > 0]
            step = (rng.random(len(here)) * count).astype(np.int64)
            here = neighbours.senders[first[here] + step]
            walked.append(here)
        return np.concatenate(walked)


def _weighted(rng: np.random.Generator, cumulative: np.ndarray, count: int) -> np.ndarray:
    drawn = np.searchsorted(cumulative, rng.random(count) * cumulative[-1], side="right")
    return np.minimum(drawn, len(cumulative) - 1)
