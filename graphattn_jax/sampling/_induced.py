"""All edges among chosen nodes."""

from __future__ import annotations

import numpy as np

from graphattn_jax.sampling._in_neighbours import InNeighbours
from graphattn_jax.sampling._numbering import Numbering
from graphattn_jax.sampling._ragged import places

__all__ = ["induced_edges"]


def induced_edges(
    neighbours: InNeighbours, nodes: Numbering, times: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ids, senders and receivers of the edges among nodes, in the order of the ids.

    The keys are nodes, or root · N + node where seeds share none; then only edges within one root count. `times`, one
    for each node, leaves out what is known later.
    """
    root, ids = np.divmod(nodes.keys, neighbours.num_nodes)
    first, last = neighbours.edges_of(ids)
    is_hub = last - first > np.bincount(root)[root]
    parts = (
        _among_in_edges(neighbours, nodes, np.flatnonzero(~is_hub), times),
        _by_pairs(neighbours, nodes, np.flatnonzero(is_hub), times),
    )
    edges, senders, receivers = (np.concatenate(x) for x in zip(*parts, strict=True))
    order = np.lexsort((edges, root[receivers]))
    return edges[order], senders[order], receivers[order]


def _among_in_edges(
    neighbours: InNeighbours, nodes: Numbering, receivers: np.ndarray, times: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """By the senders of all in-edges: those that are chosen too."""
    root, ids = np.divmod(nodes.keys[receivers], neighbours.num_nodes)
    runs, owner = neighbours.runs(ids)
    counts = neighbours.counts(runs, None if times is None else times[receivers][owner])
    row, place = places(counts)
    edge, receiver = neighbours.first_edge[runs][row] + place, owner[row]
    senders = nodes.find(root[receiver] * neighbours.num_nodes + neighbours.senders[edge])
    inside = np.flatnonzero(senders >= 0)
    return neighbours.edge_ids[edge[inside]], senders[inside], receivers[receiver[inside]]


def _by_pairs(
    neighbours: InNeighbours, nodes: Numbering, receivers: np.ndarray, times: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For hubs, with more in-edges than there are chosen nodes: by looking for an edge from each of these."""
    root, ids = np.divmod(nodes.keys, neighbours.num_nodes)
    count, by_root = np.bincount(root), np.argsort(root, kind="stable")
    row, place = places(count[root[receivers]])
    sender = by_root[(np.cumsum(count) - count)[root[receivers]][row] + place]
    receiver = receivers[row]
    if times is not None and neighbours.times is not None:
        known = neighbours.times[ids[sender]] <= times[receiver]
        sender, receiver = sender[known], receiver[known]
    ends, edge_ids = neighbours.by_ends
    wanted = ids[receiver] * neighbours.num_nodes + ids[sender]
    low, high = (np.searchsorted(ends, wanted, side=side) for side in ("left", "right"))
    row, place = places(high - low)
    return edge_ids[low[row] + place], sender[row], receiver[row]
