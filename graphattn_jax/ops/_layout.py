"""Neighbour tiles: the edge list regrouped so that sparse attention needs no scatter of rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from graphattn_jax.typing import Array, ArrayLike

__all__ = ["DegreeBlock", "DegreeBlocks", "EdgeLayout", "Tiles", "edge_layout"]


class Tiles(NamedTuple):
    """The edges of each row, cut into tiles of fixed width.

        row       [T]     int32, ascending: the node that the tile belongs to
        neighbor  [T, W]  int32: the node at the other end of each slot; 0 for an empty slot
        edge      [T, W]  int32: the edge id of each slot; E for an empty slot
        start     [N + 1] int32: the tiles of node i are those from start[i] up to start[i + 1]

    A node of degree d owns ceil(d / W) tiles; only its last one has empty slots, at the end. Tiles that only fill up a
    static size T are empty ones, behind start[N].
    """

    row: ArrayLike
    neighbor: ArrayLike
    edge: ArrayLike
    start: ArrayLike

    @property
    def walk(self) -> tuple[Array, Array, Array]:
        """What a kernel that walks from row to row reads: neighbor, edge and start."""
        neighbor, edge, start = (jnp.asarray(x) for x in (self.neighbor, self.edge, self.start))
        return neighbor, edge, start


class DegreeBlock(NamedTuple):
    """All nodes with w / 2 < degree <= w, for a power of two w.

    node     [n]    int32
    neighbor [n, w] int32: the node at the other end of each slot; 0 for an empty slot
    edge     [n, w] int32: the edge id of each slot; E for an empty slot
    """

    node: ArrayLike
    neighbor: ArrayLike
    edge: ArrayLike


class DegreeBlocks(NamedTuple):
    """The edges of each row as blocks without sums across rows, for "block_dense".

    blocks: one per power of two, narrow ones first.
    place: `[N]` int32, where each node is among the rows of all blocks; their number for a node without edges.
    slot: `[E]` int32, where each edge is among the slots of all blocks; their number for an edge left out.
    """

    blocks: tuple[DegreeBlock, ...]
    place: ArrayLike
    slot: ArrayLike


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class EdgeLayout:
    """What the fast implementations know about one edge list; a pytree of int32 arrays with static shapes.

    by_receiver: tiles of the incoming edges of every receiver (CSR order).
    by_sender: tiles of the outgoing edges of every sender (CSC order), for the backward pass.
    sizes: (E, N_s, N_r), static: what its ids are ids of. A pattern of other sizes refuses this layout.
    degree_blocks: the same by receiver and by sender in blocks of similar degree, or None.
    """

    by_receiver: Tiles
    by_sender: Tiles
    sizes: tuple[int, int, int] = field(metadata={"static": True})
    degree_blocks: tuple[DegreeBlocks, DegreeBlocks] | None = None

    @property
    def T(self) -> EdgeLayout:
        """The layout of the same edges in the other direction."""
        blocks = self.degree_blocks and (self.degree_blocks[1], self.degree_blocks[0])
        num_edges, num_senders, num_receivers = self.sizes
        sizes = (num_edges, num_receivers, num_senders)
        return EdgeLayout(self.by_sender, self.by_receiver, sizes, blocks)


def edge_layout(
    senders: np.ndarray,
    receivers: np.ndarray,
    real: np.ndarray,
    num_nodes: tuple[int, int],
    *,
    static: bool,
    degree_blocks: bool,
) -> EdgeLayout:
    """The layout of the edges with ids `real`, between (N_s, N_r) nodes, which `prepare_edges` has checked."""
    if degree_blocks and static:
        raise ValueError(
            "degree_blocks=True has no static sizes: they follow from the degrees. Fix: static=False (a graph without "
            "padding), or leave degree_blocks out."
        )
    num_senders, num_receivers = num_nodes
    return EdgeLayout(
        by_receiver=_tiles(receivers, senders, real, num_receivers, static),
        by_sender=_tiles(senders, receivers, real, num_senders, static),
        sizes=(len(senders), num_senders, num_receivers),
        degree_blocks=(
            _degree_blocks(receivers, senders, real, num_receivers),
            _degree_blocks(senders, receivers, real, num_senders),
        )
        if degree_blocks
        else None,
    )


def _degree_blocks(rows, neighbors, real, num_rows: int) -> DegreeBlocks:
    """Group the edges `real` by `rows`, and the rows by the power of two that holds their degree."""
    num_edges = len(rows)
    order = real[np.lexsort((neighbors[real], rows[real]))]
    degree = np.bincount(rows[real], minlength=num_rows)
    start = np.cumsum(degree) - degree
    width_of = np.where(degree > 0, 2 ** np.ceil(np.log2(np.maximum(degree, 1))).astype(int), 0)
    blocks, place, slot = [], np.zeros(num_rows, int), np.zeros(num_edges, int)
    num_placed, num_slots = 0, 0
    for width in np.unique(width_of[width_of > 0]):
        node = np.flatnonzero(width_of == width)
        filled = np.arange(width) < degree[node][:, None]
        at = np.where(filled, start[node][:, None] + np.arange(width), 0)
        edge = np.where(filled, order[at], num_edges)
        place[node] = num_placed + np.arange(len(node))
        slot[edge[filled]] = num_slots + np.flatnonzero(filled)
        blocks.append(
            DegreeBlock(
                node=node.astype(np.int32),
                neighbor=np.where(filled, neighbors[order[at]], 0).astype(np.int32),
                edge=edge.astype(np.int32),
            )
        )
        num_placed, num_slots = num_placed + len(node), num_slots + edge.size
    place[degree == 0] = num_placed
    slot[np.setdiff1d(np.arange(num_edges), real)] = num_slots
    return DegreeBlocks(tuple(blocks), place.astype(np.int32), slot.astype(np.int32))


def _tiles(rows, neighbors, real, num_rows: int, static: bool) -> Tiles:
    """Group the edges `real` by `rows`."""
    num_edges = len(rows)
    order = real[np.lexsort((neighbors[real], rows[real]))]
    degree = np.bincount(rows[real], minlength=num_rows)
    width = static_width(num_edges, num_rows) if static else tile_width(degree)
    start = np.concatenate([[0], np.cumsum(degree)])
    tiles_of_row = -(-degree // width)
    num_tiles = int(tiles_of_row.sum())
    row = np.repeat(np.arange(num_rows), tiles_of_row)
    first_tile = np.concatenate([[0], np.cumsum(tiles_of_row)])
    index_in_row = np.arange(num_tiles) - first_tile[row]
    slot = (start[row] + index_in_row * width)[:, None] + np.arange(width)
    filled = slot < start[row + 1][:, None]
    edge = order[np.where(filled, slot, 0)] if len(order) else np.zeros(slot.shape, int)
    if static:
        fill = num_edges // width + num_rows - num_tiles
        row = np.concatenate([row, np.full(fill, num_rows - 1)])
        edge, filled = (
            np.concatenate([a, np.zeros((fill, width), a.dtype)]) for a in (edge, filled)
        )
    neighbor = np.where(filled, neighbors[edge], 0) if num_edges else np.zeros(edge.shape, int)
    return Tiles(
        row=row.astype(np.int32),
        neighbor=neighbor.astype(np.int32),
        edge=np.where(filled, edge, num_edges).astype(np.int32),
        start=first_tile.astype(np.int32),
    )


def tile_width(degree: np.ndarray) -> int:
    """8, 16 or 32, whichever makes the tiles of these degrees cheapest.

    Wider tiles waste slots on small rows, narrower ones leave more partial sums: a tile costs its width and about three
    slots more. On uniform and power-law graphs and with a hub, of mean degree 1.5 to 45, this was within 12 % of the
    best of 2, 4, 8, 16 and 32; 2 and 4 were up to 1.8 times slower, and 8 % faster at best.
    """
    return min(8, 16, 32, key=lambda width: int(np.sum(-(-degree // width))) * (width + 3))


def static_width(num_edges: int, num_rows: int) -> int:
    """For batches of one shape, whose degrees may differ: the power of two below the mean degree, from 2 to 16."""
    mean_degree = num_edges / max(num_rows, 1)
    return int(np.clip(2 ** np.floor(np.log2(max(mean_degree, 1.0))), 2, 16))
