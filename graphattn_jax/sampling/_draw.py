"""What a sampling method gives: nodes and edges of the whole graph, and how they hang together."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np

from graphattn_jax.sampling._in_neighbours import InNeighbours

__all__ = ["Draw", "Method"]


class Draw(NamedTuple):
    """A sampled part of a graph, before it becomes one.

    node_ids, hops `[n]`: which nodes, and by how many steps they were found. roots `[n]`: the seed that each node
    belongs to, None where seeds share nodes. edge_ids `[e]`: which edges; senders, receivers `[e]`: their ends, as
    rows of the nodes. seeds: the rows of the seeds, in their order.
    """

    node_ids: np.ndarray
    hops: np.ndarray
    roots: np.ndarray | None
    edge_ids: np.ndarray
    senders: np.ndarray
    receivers: np.ndarray
    seeds: np.ndarray


class Method(Protocol):
    """How neighbours are drawn: a frozen value."""

    @property
    def disjoint(self) -> bool:
        """Whether seeds share no nodes."""
        ...

    @property
    def block_size(self) -> int | None:
        """No seed has more nodes, for global attention among them; None = not known."""
        ...

    def check(self, graph: Any) -> None:
        """What does not fit the graph is an error."""
        ...

    def largest(self, neighbours: InNeighbours, graph: Any, num_seeds: int) -> tuple[int, int]:
        """No draw has more nodes and edges."""
        ...

    def draw(
        self,
        rng: np.random.Generator,
        neighbours: InNeighbours,
        graph: Any,
        seeds: np.ndarray,
        times: np.ndarray | None,
    ) -> Draw:
        """The neighbourhood of `[b]` or `[b, 2]` seeds, known at their `[b]` times."""
        ...
