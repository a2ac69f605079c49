"""Per-pair encodings: which pairs, and reading their values out of dense blocks."""

from __future__ import annotations

import numpy as np

from graphattn_jax import _checks
from graphattn_jax.encodings.host._components import Components
from graphattn_jax.graphs import GraphsTuple, edge_mask, num_nodes, to_host


def read_pairs(
    graph: GraphsTuple, pattern: GraphsTuple | None, function: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`(senders, receivers, real)` of the pairs to encode: those of `pattern`, None = the graph's own edges.

    A pattern has the nodes of the graph: `ga.graphs.all_pairs(graph)`, `ga.graphs.add_self_loops(graph)`.

    Raises:
      ValueError: a pattern on other nodes.
    """
    chosen = to_host(graph if pattern is None else pattern, function, allow_padded=True)
    nodes = num_nodes(to_host(graph, function, allow_padded=True))
    if num_nodes(chosen) != nodes:
        raise ValueError(
            f"{function}: pattern must have the nodes of graph, got {num_nodes(chosen)} and {nodes} nodes. Fix: make "
            "the pattern from this graph, for example with graphs.all_pairs; encode first, add virtual nodes and "
            "padding after."
        )
    for name in ("senders", "receivers"):
        _checks.ids_in_range(f"pattern.{name}", getattr(chosen, name), nodes)
    return chosen.senders, chosen.receivers, np.asarray(edge_mask(chosen))


class PairReader:
    """Collects values of pairs from dense blocks as they are computed.

    reader = PairReader(parts, senders, receivers, real, fill)
    for nodes in stacks(...): reader.read(nodes, blocks)      # blocks [B, n, n, ...]: [b, receiver, sender]
    reader.values                                            # [E, ...]
    """

    def __init__(
        self,
        parts: Components,
        senders: np.ndarray,
        receivers: np.ndarray,
        real: np.ndarray,
        values: np.ndarray,
    ) -> None:
        """`values` `[E, ...]`: what pairs across components and padding keep."""
        self.values = values
        self._parts, self.senders, self.receivers = parts, senders, receivers
        inside = np.flatnonzero(real & (parts.label[senders] == parts.label[receivers]))
        label = parts.label[receivers[inside]]
        order = np.argsort(label, kind="stable")
        self._pairs = inside[order]
        count = len(parts.sizes)
        self._start = np.concatenate([[0], np.cumsum(np.bincount(label, minlength=count))])

    def pairs_of(self, label: int) -> np.ndarray:
        """Ids of the pairs inside one component."""
        return self._pairs[self._start[label] : self._start[label + 1]]

    def locate(
        self, nodes: np.ndarray
    ) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Ids of the pairs inside the components `nodes` `[B, n]`, and their places `[b, receiver, sender]`."""
        labels = self._parts.label[nodes[:, 0]]
        count = self._start[labels + 1] - self._start[labels]
        block = np.repeat(np.arange(len(labels)), count)
        within = np.arange(len(block)) - np.repeat(np.cumsum(count) - count, count)
        pairs = self._pairs[self._start[labels][block] + within]
        rank = self._parts.rank
        return pairs, (block, rank[self.receivers[pairs]], rank[self.senders[pairs]])

    def read(self, nodes: np.ndarray, blocks: np.ndarray) -> None:
        """Take the values of all pairs inside the components whose node ids are `nodes` `[B, n]`."""
        pairs, places = self.locate(nodes)
        self.values[pairs] = blocks[places]
