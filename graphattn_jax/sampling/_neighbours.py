"""Neighbour sampling: some in-neighbours of the seeds, some of theirs, and so on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphattn_jax import _checks
from graphattn_jax.graphs import schema_of
from graphattn_jax.sampling._draw import Draw
from graphattn_jax.sampling._in_neighbours import InNeighbours
from graphattn_jax.sampling._numbering import Numbering
from graphattn_jax.sampling._ragged import distinct, with_replacement

__all__ = ["Neighbours"]

FanOut = int | None | tuple[tuple[Any, int | None], ...]
_ALL = np.iinfo(np.int32).max


@dataclass(frozen=True)
class Neighbours:
    """At most so many in-neighbours of each node: of the seeds in the first hop, of the nodes found there in the next.

    A node is asked for its neighbours once, when it is first found, and only edges that were drawn are in the sample.
    With fan-outs of at least the largest degree it is the whole neighbourhood, and a network of as many layers as there
    are hops gives the seeds the values that it has on the whole graph. (`GCN` reads degrees of senders too, which one
    hop more has.)

    Args:
      fanouts: one per hop: a number, or None = all neighbours. Of a typed graph either one for each relation, or pairs
        `(relation, number)`, also given as a dict; relations that are left out are not followed.
      replace: each neighbour drawn from all of them, so that an edge may come several times, as in the paper.
      disjoint: seeds share no nodes: each has a graph of its own. Otherwise a node that several seeds find is there
        once.
      recent: the latest neighbours in place of random ones, of a graph with times.

    Raises:
      ValueError: no hops, numbers that are not positive integers, replacement where nothing is random.

    Example:
      >>> import graphattn_jax as ga
      >>> ga.sampling.Neighbours((15, 10))
      Neighbours(fanouts=(15, 10), replace=False, disjoint=False, recent=False)

    Source: Hamilton, Ying, Leskovec, "Inductive Representation Learning on Large Graphs", NeurIPS 2017,
      arXiv:1706.02216, algorithm 2.
    """

    fanouts: tuple[FanOut, ...]
    replace: bool = False
    disjoint: bool = False
    recent: bool = False

    def __post_init__(self) -> None:
        _checks.switches(self)
        if not isinstance(self.fanouts, (tuple, list)) or not self.fanouts:
            raise ValueError(
                "fanouts must be a tuple with a number per hop, such as (15, 10), got "
                f"{_checks.describe(self.fanouts)}."
            )
        fanouts = tuple(
            tuple(fanout.items()) if isinstance(fanout, Mapping) else fanout
            for fanout in self.fanouts
        )
        object.__setattr__(self, "fanouts", fanouts)
        for hop, fanout in enumerate(fanouts):
            for name, number in fanout if isinstance(fanout, tuple) else [("", fanout)]:
                of = f"of {name!r} " if name else ""
                if number is not None:
                    _checks.positive(f"fanouts[{hop}] {of}".rstrip(), number)
                elif self.replace:
                    raise ValueError(
                        f"fanouts[{hop}] must be a number with replace=True, for all neighbours are not drawn, "
                        "got None."
                    )
        if self.replace and self.recent:
            raise ValueError(
                "recent=True takes the latest neighbours, and replace=True random ones."
            )

    @property
    def block_size(self) -> int | None:
        """Not known."""
        return None

    def check(self, graph: Any) -> None:
        """Relations that the graph does not have are an error."""
        self._per_relation(graph)

    def _per_relation(self, graph: Any) -> np.ndarray:
        """`[hops, R]`, the fan-out of each relation."""
        named = [fanout for fanout in self.fanouts if isinstance(fanout, tuple)]
        typed = hasattr(graph.edges, "relation")
        if named and not typed:
            raise ValueError(
                "fanouts must be numbers for a graph without types, got some by relation. "
                "Fix: ga.graphs.from_types(...), or fanouts=(15, 10)."
            )
        num_relations = len(schema_of(graph).relations) if typed else 1
        table = np.zeros((len(self.fanouts), num_relations), np.int64)
        for hop, fanout in enumerate(self.fanouts):
            if not isinstance(fanout, tuple):
                table[hop] = _number(fanout)
                continue
            for name, number in fanout:
                relation = tuple(name) if isinstance(name, list) else name
                table[hop, schema_of(graph).relation_id(relation)] = _number(number)
        return table

    def largest(self, neighbours: InNeighbours, graph: Any, num_seeds: int) -> tuple[int, int]:
        """No draw has more nodes and edges."""
        runs, owner = neighbours.runs(np.arange(neighbours.num_nodes))
        counts = neighbours.counts(runs)
        copies = num_seeds if self.disjoint else 1
        nodes, edges, frontier = num_seeds, 0, num_seeds
        most_nodes, most_edges = copies * neighbours.num_nodes, copies * len(neighbours.edge_ids)
        for fanout in self._per_relation(graph):
            wanted = fanout[neighbours.relations(runs)]
            taken = np.where(counts > 0, wanted, 0) if self.replace else np.minimum(wanted, counts)
            most = int(np.bincount(owner, taken).max(initial=0))
            edges += frontier * most
            frontier = min(frontier * most, most_nodes)
            nodes += frontier
        if not self.replace:
            edges = min(edges, most_edges)
        return min(nodes, most_nodes), edges

    def draw(
        self,
        rng: np.random.Generator,
        neighbours: InNeighbours,
        graph: Any,
        seeds: np.ndarray,
        times: np.ndarray | None,
    ) -> Draw:
        """The neighbourhood of `[b]` or `[b, 2]` seeds, known at their `[b]` times."""
        n, of_hop = neighbours.num_nodes, self._per_relation(graph)
        roots = np.arange(len(seeds)).repeat(seeds.size // max(len(seeds), 1))
        most = seeds.size * int(np.prod(np.minimum(of_hop.max(axis=1), 64)))
        found = Numbering(n * len(seeds) if self.disjoint else n, most)

        def add(roots: np.ndarray, nodes: np.ndarray) -> np.ndarray:
            return found.add(roots * n + nodes if self.disjoint else nodes)

        seed_rows = add(roots, seeds.ravel())
        sizes, edges = [len(found.keys)], []
        start = 0
        for fanout in of_hop:
            root, frontier = np.divmod(found.keys[start:], n)
            runs, owner = neighbours.runs(frontier)
            counts = neighbours.counts(runs, None if times is None else times[root[owner]])
            wanted = fanout[neighbours.relations(runs)]
            if self.replace:
                row, place = with_replacement(rng, counts, wanted)
            elif self.recent:
                row, place = distinct(rng, np.minimum(counts, wanted), wanted)
                place += np.maximum(counts - wanted, 0)[row]
            else:
                row, place = distinct(rng, counts, wanted)
            edge = neighbours.first_edge[runs[row]] + place
            receivers = start + owner[row]
            senders = add(root[owner[row]], neighbours.senders[edge])
            edges.append((neighbours.edge_ids[edge], senders, receivers))
            start = sizes[-1]
            sizes.append(len(found.keys))
            if start == sizes[-1]:
                break
        root, nodes = np.divmod(found.keys, n)
        return Draw(
            node_ids=nodes,
            hops=np.repeat(np.arange(len(sizes)), np.diff(sizes, prepend=0)),
            roots=root if self.disjoint else None,
            edge_ids=np.concatenate([ids for ids, _, _ in edges]),
            senders=np.concatenate([ids for _, ids, _ in edges]),
            receivers=np.concatenate([ids for _, _, ids in edges]),
            seeds=seed_rows.reshape(seeds.shape),
        )


def _number(fanout: int | None) -> int:
    return _ALL if fanout is None else fanout
