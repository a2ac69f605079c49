"""Cluster-GCN: batches of a few parts of a partitioned graph."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import numpy as np
import scipy.sparse

from graphattn_jax import _checks
from graphattn_jax.graphs import GraphsTuple
from graphattn_jax.sampling._part_sampler import PartSampler
from graphattn_jax.sampling._permutation import shuffled
from graphattn_jax.sampling._ragged import places
from graphattn_jax.sampling._sampler import check_share, one_graph, share_of_batch

__all__ = ["ClusterSampler", "partition"]


def partition(graph: GraphsTuple, num_parts: int, *, seed: int = 0) -> np.ndarray:
    """Parts of about equal size with few edges between them, by METIS.

    Args:
      graph: one graph without padding; direction and parallel edges do not matter.
      num_parts: P.
      seed: of METIS.

    Returns:
      `[N]` int32 in `[0, P)`, the part of each node. A part may be empty where P is near N.

    Raises:
      ValueError: more parts than nodes, several graphs.
      ImportError: without pymetis.

    Cost: about 2 s for 1 M edges.

    Example:
      >>> import graphattn_jax as ga
      >>> two = ga.graphs.from_edge_list([0, 1, 2, 3, 4, 5, 0], [1, 2, 0, 4, 5, 3, 3])
      >>> part = ga.sampling.partition(two, 2)  # doctest: +SKIP
      >>> part[:3] == part[0], part[3:] == part[3], part[0] == part[3]  # doctest: +SKIP
      (array([ True,  True,  True]), array([ True,  True,  True]), False)
    """
    _checks.positive("num_parts", num_parts)
    graph = one_graph(graph, "partition")
    n = int(graph.n_node[0])
    if num_parts > n:
        raise ValueError(f"num_parts must be at most {n}, the number of nodes, got {num_parts}.")
    try:
        import pymetis
    except ImportError as error:
        raise ImportError(
            "ga.sampling.partition needs pymetis. Fix: pip install '.[sampling]', or give ClusterSampler parts of your "
            "own."
        ) from error
    ones = np.ones(len(graph.senders), np.int8)
    matrix = scipy.sparse.coo_array((ones, (graph.senders, graph.receivers)), (n, n)).tocsr()
    matrix = (matrix + matrix.T).tocsr()  # METIS takes undirected graphs without loops
    matrix.setdiag(0)
    matrix.eliminate_zeros()
    adjacency = pymetis.CSRAdjacency(matrix.indptr, matrix.indices)
    _, parts = pymetis.part_graph(num_parts, adjacency, options=pymetis.Options(seed=seed))
    return np.asarray(parts, np.int32)


@dataclass(frozen=True, eq=False, repr=False)
class ClusterSampler(PartSampler):
    """Batches of some parts of a partitioned graph, with all edges within and between them.

    An epoch has every part once, in an order and in company of its own. Edges to other parts are left out, so
    neighbourhoods are not whole; that the parts of a batch change from epoch to epoch evens it out. What a layer
    normalises by, such as degrees, it counts in the batch.

    Args:
      graph: one graph on the host, without padding, nodes without times.
      parts: `[N]` integers, the part of each node: of `ga.sampling.partition`, or any other. -1 = in no part.
      batch_size: parts per batch.
      seeds: the nodes that count in the loss, different ones; None = all.
      targets: a pytree of arrays with a row for each seed.
      budgets, block_size: as `Sampler`.
      rank, world: as `Sampler`; hosts share parts.

    Raises:
      ValueError: parts that do not fit the nodes, seeds that come twice, a graph with times.

    Cost: a batch costs the in-edges of its nodes, and its layout.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> ring = ga.graphs.from_edge_list(np.arange(12), (np.arange(12) + 1) % 12, nodes=np.eye(12, dtype=np.float32))
      >>> sampler = ga.sampling.ClusterSampler(ring, parts=np.arange(12) // 3, batch_size=2)
      >>> sample = sampler(seed=None, epoch=0, index=0)
      >>> sample.node_ids[:7].tolist(), sample.edge_ids[:6].tolist()
      ([0, 1, 2, 3, 4, 5, -1], [0, 1, 2, 3, 4, -1])

    Source: Chiang et al., "Cluster-GCN", KDD 2019, arXiv:1905.07953, section 3.2 (stochastic multiple partitions).
    """

    parts: Any
    batch_size: int
    _: KW_ONLY
    rank: int = 0
    world: int = 1
    sizes: np.ndarray = field(init=False)
    nodes_by_part: np.ndarray = field(init=False)

    def _setup(self) -> None:
        check_share(self.batch_size, self.rank, self.world)
        parts = np.asarray(self.parts)
        _checks.ids("parts", parts, self.neighbours.num_nodes)
        if not (parts >= 0).any():
            raise ValueError("parts must have at least one node in a part, got none.")
        if (parts < -1).any():
            raise ValueError(f"parts must be at least -1, got {parts.min()}.")
        order = np.argsort(parts, kind="stable")
        self._set("parts", parts)
        self._set("sizes", np.bincount(parts[parts >= 0]))
        self._set("nodes_by_part", order[(parts < 0).sum() :])

    def __repr__(self) -> str:
        return (
            f"ClusterSampler({len(self.sizes):,} parts of {self.neighbours.num_nodes:,} nodes and "
            f"{len(self.neighbours.edge_ids):,} edges in {len(self):,} batches of {self.batch_size:,})"
        )

    def __len__(self) -> int:
        """Batches per epoch of this host; all hosts have as many."""
        return -(-len(self.sizes) // (self.world * self.batch_size))

    def _nodes(self, seed: int | None, epoch: int, index: int) -> np.ndarray:
        count = len(self.sizes)
        chosen = share_of_batch(count, self.batch_size, index, rank=self.rank, world=self.world)
        if seed is not None:
            chosen = np.sort(shuffled(seed, epoch, chosen, count))
        first = np.cumsum(self.sizes) - self.sizes
        row, place = places(self.sizes[chosen])
        return self.nodes_by_part[first[chosen][row] + place]

    def _largest(self) -> tuple[int, int]:
        inside = self.parts[self.graph.receivers]
        edges = np.bincount(inside[inside >= 0], minlength=1)
        largest = (np.sort(x)[-self.batch_size :].sum() for x in (self.sizes, edges))
        nodes, edges = (int(x) for x in largest)
        return nodes, edges
