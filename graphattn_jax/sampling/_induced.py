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
    runs, owner = neighbours.runs(ids)
    counts = neighbours.counts(runs, None if times is None else times[owner])
    row, place = places(counts)
    edge, receivers = neighbours.first_edge[runs][row] + place, owner[row]
    senders = nodes.find(root[receivers] * neighbours.num_nodes + neighbours.senders[edge])
    inside = np.flatnonzero(senders >= 0)
    inside = inside[np.lexsort((neighbours.edge_ids[edge[inside]], root[receivers[inside]]))]
    return neighbours.edge_ids[edge[inside]], senders[inside], receivers[inside]
