"""HGSampling: as many nodes of each type, those that matter to many of the nodes that are there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from graphattn_jax import _checks
from graphattn_jax.graphs import TypedNodes
from graphattn_jax.sampling._draw import Draw
from graphattn_jax.sampling._in_neighbours import InNeighbours
from graphattn_jax.sampling._induced import induced_edges
from graphattn_jax.sampling._numbering import Numbering
from graphattn_jax.sampling._ragged import distinct

__all__ = ["HGSampling"]


@dataclass(frozen=True)
class HGSampling:
    """In each step the same number of new nodes of every type, by importance, and in the end all edges among them.

        B_s = Σ_t Σ_φ 1 / |N_φ(t)|  over the nodes t that are there and hear from s by relation φ
        P(s) = B_s² / Σ_s' B_s'²    among the candidates of the type of s

    drawn without replacement, `size` of each type. Rare types are not crowded out by frequent ones, and the sample is
    denser than one by fan-outs. A node hands its budget on to at most `size` random neighbours of each relation, as in
    the authors' code, which |N_φ(t)| counts.

    Args:
      size: nodes of each type per step.
      steps: how often; nodes lie at most so many hops from the seeds.
      disjoint: as `Neighbours`; `size` is then for each seed.

    Raises:
      ValueError: numbers that are not positive integers.

    Cost: of the edges among the nodes, all in-neighbours of the nodes.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_types({"author": 20, "paper": 50},
      ...     {("author", "writes", "paper"): (np.arange(50) % 20, np.arange(50))}, reverse=True)
      >>> method = ga.sampling.HGSampling(size=4, steps=2)
      >>> sample = ga.sampling.Sampler(graph, method, seeds=np.arange(20, 70), batch_size=8)(seed=0, epoch=0, index=0)
      >>> np.bincount(sample.graph.nodes.type[sample.hops > 0]).tolist()
      [8, 4]

    Source: Hu, Dong, Wang, Sun, "Heterogeneous Graph Transformer", WWW 2020, arXiv:2003.01332, algorithms 1 and 2.
    """

    size: int
    steps: int
    disjoint: bool = False

    def __post_init__(self) -> None:
        _checks.switches(self)
        _checks.positive("size", self.size)
        _checks.positive("steps", self.steps)

    @property
    def block_size(self) -> int | None:
        """Not known."""
        return None

    def check(self, graph: Any) -> None:
        """It takes any graph; one without types has one type."""

    def largest(self, neighbours: InNeighbours, graph: Any, num_seeds: int) -> tuple[int, int]:
        """No draw has more nodes and edges."""
        copies = num_seeds if self.disjoint else 1
        of_step = self.size * int(_types(graph).max(initial=0) + 1) * copies
        nodes = min(num_seeds + self.steps * of_step, copies * neighbours.num_nodes)
        runs, owner = neighbours.runs(np.arange(neighbours.num_nodes))
        degrees = np.bincount(owner, neighbours.counts(runs), neighbours.num_nodes)
        edges = nodes * int(degrees.max(initial=0))
        return nodes, min(edges, copies * len(neighbours.edge_ids))

    def draw(
        self,
        rng: np.random.Generator,
        neighbours: InNeighbours,
        graph: Any,
        seeds: np.ndarray,
        times: np.ndarray | None,
    ) -> Draw:
        """The neighbourhood of `[b]` or `[b, 2]` seeds, known at their `[b]` times."""
        n, types = neighbours.num_nodes, _types(graph)
        roots = np.arange(len(seeds)).repeat(seeds.size // max(len(seeds), 1))
        copies, num_types = (len(seeds) if self.disjoint else 1), int(types.max(initial=0) + 1)
        most = seeds.size + self.steps * self.size * num_types * copies
        found = Numbering(n * copies, most)
        seed_rows = found.add(roots * n + seeds.ravel() if self.disjoint else seeds.ravel())
        candidates, budget = np.zeros(0, np.int64), np.zeros(0)
        sizes, new = [len(found.keys)], found.keys
        for _ in range(self.steps):
            keys, shares = self._shares(rng, neighbours, new, times)
            keys, of_key = np.unique(np.concatenate([candidates, keys]), return_inverse=True)
            budget = np.bincount(of_key, np.concatenate([budget, shares]), len(keys))
            outside = found.find(keys) < 0
            candidates, budget = keys[outside], budget[outside]
            group = candidates // n * num_types + types[candidates % n]
            chosen = _weighted(rng, group, np.square(budget), self.size)
            new = candidates[chosen]
            found.add(new)
            sizes.append(len(found.keys))
            if not len(new):
                break
        root, nodes = np.divmod(found.keys, n)
        edge_ids, senders, receivers = induced_edges(
            neighbours, found, None if times is None else times[root]
        )
        return Draw(
            node_ids=nodes,
            hops=np.repeat(np.arange(len(sizes)), np.diff(sizes, prepend=0)),
            roots=root if self.disjoint else None,
            edge_ids=edge_ids,
            senders=senders,
            receivers=receivers,
            seeds=seed_rows.reshape(seeds.shape),
        )

    def _shares(
        self,
        rng: np.random.Generator,
        neighbours: InNeighbours,
        new: np.ndarray,
        times: np.ndarray | None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """The in-neighbours of new nodes, each as often as it is heard, with what it gets of their budgets."""
        root, nodes = np.divmod(new, neighbours.num_nodes)
        runs, owner = neighbours.runs(nodes)
        counts = neighbours.counts(runs, None if times is None else times[root[owner]])
        row, place = distinct(rng, counts, np.full(len(runs), self.size))
        senders = neighbours.senders[neighbours.first_edge[runs[row]] + place]
        keys = root[owner[row]] * neighbours.num_nodes + senders
        return keys, 1 / np.minimum(counts, self.size)[row]


def _types(graph: Any) -> np.ndarray:
    if isinstance(graph.nodes, TypedNodes):
        return np.asarray(graph.nodes.type)
    return np.zeros(int(graph.n_node.sum()), np.int64)


def _weighted(
    rng: np.random.Generator, group: np.ndarray, weight: np.ndarray, wanted: int
) -> np.ndarray:
    """Ascending positions of `wanted` entries of each group, one after the other with probability ~ weight.

    The first arrivals at these rates (Efraimidis, Spirakis, Information Processing Letters 2006).
    """
    arrival = rng.exponential(size=len(group)) / weight
    order = np.lexsort((arrival, group))
    ordered = group[order]
    rank = np.arange(len(order)) - np.searchsorted(ordered, ordered)
    return np.sort(order[rank < wanted])
