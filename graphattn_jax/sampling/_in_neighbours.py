"""Who every node hears from: the edges of a large graph by receiver, relation and time."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse

from graphattn_jax.graphs import GraphsTuple, TypedEdges, num_nodes
from graphattn_jax.sampling._ragged import places


@dataclass(frozen=True, eq=False)
class InNeighbours:
    """The edges in runs of one receiver and one relation, the earliest sender first.

    num_nodes: N. first_run `[N + 1]`: where the runs of a node begin. relation `[U]`: of each run. first_edge
    `[U + 1]`: where the edges of a run begin. senders, edge_ids `[E]`: in this order. known `[E]` int64: (run, time of
    the sender) as one number, ascending; None without times. Without relations, run and node are the same. times `[N]`:
    of the nodes, or None.
    """

    num_nodes: int
    num_relations: int
    first_run: np.ndarray | None
    relation: np.ndarray | None
    first_edge: np.ndarray
    senders: np.ndarray
    edge_ids: np.ndarray
    earliest: int = 0
    span: int = 1
    known: np.ndarray | None = None
    times: np.ndarray | None = None

    @classmethod
    def of(cls, graph: GraphsTuple) -> InNeighbours:
        """Of one graph on the host."""
        n, times = num_nodes(graph), node_times(graph)
        order = np.arange(len(graph.senders))
        if times is not None:
            order = np.argsort(times[graph.senders], kind="stable")
        relation, num_relations = None, 1
        if isinstance(graph.edges, TypedEdges):
            relation = np.asarray(graph.edges.relation)
            num_relations = len(graph.nodes.schema.relations)
            order = order[_ordered(relation[order], num_relations)]
        order = order[_ordered(graph.receivers[order], n)]
        receivers = graph.receivers[order]
        if relation is None:
            first_run, run_of_edge = None, receivers
            first_edge = np.searchsorted(receivers, np.arange(n + 1))
        else:
            key = receivers.astype(np.int64) * num_relations + relation[order]
            starts = np.flatnonzero(np.diff(key, prepend=-1))
            relation = relation[order[starts]]
            first_run = np.searchsorted(receivers[starts], np.arange(n + 1))
            first_edge = np.append(starts, len(order))
            run_of_edge = np.repeat(np.arange(len(starts)), np.diff(first_edge))
        senders = graph.senders[order]
        made = cls(n, num_relations, first_run, relation, first_edge, senders, order, times=times)
        if times is None or not len(order):
            return made
        when = times[senders].astype(np.int64)
        earliest, span = int(when.min()), int(when.max() - when.min()) + 1
        known = run_of_edge.astype(np.int64) * span + (when - earliest)
        return dataclasses.replace(made, earliest=earliest, span=span, known=known)

    @cached_property
    def first_edge_of_node(self) -> np.ndarray:
        """`[N + 1]`, where the edges of each node begin."""
        return self.first_edge if self.first_run is None else self.first_edge[self.first_run]

    @cached_property
    def receivers(self) -> np.ndarray:
        """`[E]`, in the order of the senders."""
        return np.repeat(np.arange(self.num_nodes), np.diff(self.first_edge_of_node))

    def runs(self, nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The runs of some nodes, and for each the position of its node among them."""
        if self.first_run is None:
            return nodes, np.arange(len(nodes))
        owner, place = places(self.first_run[nodes + 1] - self.first_run[nodes])
        return self.first_run[nodes][owner] + place, owner

    def relations(self, runs: np.ndarray) -> np.ndarray:
        """The relation of each run."""
        return np.zeros(len(runs), np.int64) if self.relation is None else self.relation[runs]

    def counts(self, runs: np.ndarray, times: np.ndarray | None = None) -> np.ndarray:
        """How many edges of each run there are, or are known at its time: these come first."""
        first = self.first_edge[runs]
        if times is None or self.known is None:
            return self.first_edge[runs + 1] - first
        since = np.clip(times.astype(np.int64) - self.earliest, -1, self.span - 1)
        return np.searchsorted(self.known, runs * self.span + since, side="right") - first

    def edges_of(self, nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where the edges of each node begin and end."""
        runs = (nodes, nodes + 1)
        if self.first_run is not None:
            runs = (self.first_run[nodes], self.first_run[nodes + 1])
        return self.first_edge[runs[0]], self.first_edge[runs[1]]

    @cached_property
    def by_ends(self) -> tuple[np.ndarray, np.ndarray]:
        """(receiver, sender) as one number, ascending, and the ids of these edges."""
        counts = np.diff(self.edges_of(np.arange(self.num_nodes)), axis=0)[0]
        ends = np.repeat(np.arange(self.num_nodes), counts) * self.num_nodes + self.senders
        order = np.argsort(ends, kind="stable")
        return ends[order], self.edge_ids[order]

    @cached_property
    def by_time(self) -> tuple[np.ndarray, np.ndarray]:
        """The nodes, the earliest first, and their times."""
        if self.times is None:
            return np.arange(self.num_nodes), np.zeros(self.num_nodes, np.int64)
        order = np.argsort(self.times, kind="stable")
        return order, self.times[order].astype(np.int64)


def node_times(graph: GraphsTuple) -> np.ndarray | None:
    """`[N]`, when each node becomes known, or None."""
    time = getattr(graph.nodes, "time", None)
    return None if time is None else np.asarray(time)


def _ordered(ids: np.ndarray, size: int) -> np.ndarray:
    """What sorts ids of `[0, size)`, equal ones in their order, in linear time."""
    columns = np.arange(len(ids))
    ones = np.ones(len(ids), np.int8)
    return scipy.sparse.coo_array((ones, (ids, columns)), (size, len(ids))).tocsr().indices
