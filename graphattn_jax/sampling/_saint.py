"""GraphSAINT: random parts of a graph, with the weights that make what is computed on them unbiased."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphattn_jax import _checks
from graphattn_jax.sampling._draw import Draw
from graphattn_jax.sampling._part_sampler import PartSampler
from graphattn_jax.sampling._saint_methods import SaintEdges, SaintNodes, SaintWalks

__all__ = ["SaintSampler"]

_METHODS = (SaintNodes, SaintEdges, SaintWalks)


@dataclass(frozen=True, eq=False, repr=False)
class SaintSampler(PartSampler):
    """Random nodes with the edges among them, and weights against what is drawn more often.

        loss = Σ_v l_v / λ_v,   λ_v = |V| p_v        x'_v = Σ_u a_vu x_u / α_vu,   α_vu = p_vu / p_v

    with p_v, p_vu the chances that a node, an edge is in a sample. Both sums then have the expectation of those over
    the whole graph, the second for a node that is there. The chances are counted in samples that are drawn first. In a
    `Sample`, `weights` are 1/λ, with the seeds for V, so that `jnp.sum(weights * losses)` is a mean loss by itself,
    with count 1; `edge_weights` are 1/α, for layers that take weights of edges, such as `GCN`.

    Args:
      graph: one graph on the host, without padding, nodes without times.
      method: `SaintNodes(...)`, `SaintEdges(...)` or `SaintWalks(...)`.
      seeds: the nodes that count in the loss, different ones; None = all.
      targets: a pytree of arrays with a row for each seed.
      batches: batches that count as an epoch; None = as many as have as many nodes as the graph, on average.
      counted: samples drawn to count the chances. What is in none of them gets the weight of what is in one.
      budgets, block_size: as `Sampler`.

    Raises:
      ValueError: another method, numbers that are not positive integers, seeds that come twice, a graph with times.

    Cost: building draws `counted` samples; a batch costs the in-edges of its nodes, and its layout.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> ring = ga.graphs.from_edge_list(np.arange(50), (np.arange(50) + 1) % 50, nodes=np.eye(50, dtype=np.float32))
      >>> sampler = ga.sampling.SaintSampler(ring, ga.sampling.SaintWalks(roots=4, length=3), counted=100)
      >>> sample = sampler(seed=0, epoch=0, index=0)
      >>> int((sample.node_ids >= 0).sum()) <= 16, bool((sample.edge_weights[sample.edge_ids >= 0] >= 1).all())
      (True, True)

    Source: Zeng et al., "GraphSAINT: Graph Sampling Based Inductive Learning Method", ICLR 2020, arXiv:1907.04931,
      sections 3.2 and 3.3, algorithm 2.
    """

    method: SaintNodes | SaintEdges | SaintWalks
    batches: int | None = None
    counted: int = 200
    chances: np.ndarray = field(init=False)
    node_counts: np.ndarray = field(init=False)
    edge_counts: np.ndarray = field(init=False)

    def _setup(self) -> None:
        _checks.positive("counted", self.counted)
        if not isinstance(self.method, _METHODS):
            raise ValueError(
                "method must be SaintNodes, SaintEdges or SaintWalks, such as SaintWalks(roots=1000, length=2), got "
                f"{_checks.describe(self.method)}."
            )
        self._set("chances", self.method.chances(self.neighbours))
        nodes, edges = np.zeros(len(self.seed_of_node)), np.zeros(len(self.neighbours.edge_ids))
        drawn = 0
        for i in range(self.counted):
            draw = self._draw(self._drawn([i]))
            nodes[draw.node_ids] += 1
            edges[draw.edge_ids] += 1
            drawn += len(draw.node_ids)
        self._set("node_counts", np.maximum(nodes, 1))
        self._set("edge_counts", np.maximum(edges, 1))
        if self.batches is None:
            self._set("batches", max(round(len(nodes) * self.counted / max(drawn, 1)), 1))
        _checks.positive("batches", self.batches)

    def __repr__(self) -> str:
        return (
            f"SaintSampler({self.method}: {len(self):,} samples of {self.neighbours.num_nodes:,} nodes and "
            f"{len(self.neighbours.edge_ids):,} edges)"
        )

    def __len__(self) -> int:
        """Batches that count as an epoch."""
        assert self.batches is not None
        return self.batches

    def _drawn(self, numbers: list[int]) -> np.ndarray:
        rng = np.random.default_rng(numbers)
        return np.unique(self.method.draw(rng, self.neighbours, self.chances))

    def _nodes(self, seed: int | None, epoch: int, index: int) -> np.ndarray:
        return self._drawn([0 if seed is None else seed, epoch, index])

    def _largest(self) -> tuple[int, int]:
        nodes = min(self.method.most, self.neighbours.num_nodes)
        degrees = np.sort(np.diff(self.neighbours.first_edge_of_node))[::-1]
        return nodes, int(degrees[:nodes].sum())

    def _weights(self, draw: Draw) -> tuple[Any, Any]:
        count = self.node_counts[draw.node_ids]
        weights = self.counted / count / max(len(self.seeds), 1)
        is_seed = self.seed_of_node[draw.node_ids] >= 0
        edge_weights = count[draw.receivers] / self.edge_counts[draw.edge_ids]
        return np.where(is_seed, weights, 0).astype(np.float32), edge_weights.astype(np.float32)
