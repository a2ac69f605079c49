"""Neighbour tiles: the edge list regrouped so that sparse attention needs no scatter of rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from graphattn_jax.ops._sorted_edges import SortedEdges
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
    by_receiver: SortedEdges,
    by_sender: SortedEdges,
    num_edges: int,
    *,
    static: bool,
    degree_blocks: bool,
) -> EdgeLayout:
    """The layout of an edge list with `num_edges` edges, of those that are sorted."""
    if degree_blocks and static:
        raise ValueError(
            "degree_blocks=True has no static sizes: they follow from the degrees. Fix: static=False (a graph without "
            "padding), or leave degree_blocks out."
        )
    ends = by_receiver, by_sender
    receivers, senders = (_tiles(end, num_edges, static) for end in ends)
    return EdgeLayout(
        by_receiver=receivers,
        by_sender=senders,
        sizes=(num_edges, len(by_sender.degree), len(by_receiver.degree)),
        degree_blocks=(_degree_blocks(by_receiver, num_edges), _degree_blocks(by_sender, num_edges))
        if degree_blocks
        else None,
    )


def _degree_blocks(edges: SortedEdges, num_edges: int) -> DegreeBlocks:
    """Group the rows by the power of two that holds their degree."""
    degree, num_rows = edges.degree, len(edges.degree)
    width_of = np.where(degree > 0, 2 ** np.ceil(np.log2(np.maximum(degree, 1))).astype(int), 0)
    blocks, place, slot = [], np.zeros(num_rows, int), np.full(num_edges, -1)
    num_placed, num_slots = 0, 0
    for width in np.unique(width_of[width_of > 0]):
        node = np.flatnonzero(width_of == width)
        filled = np.arange(width) < degree[node][:, None]
        at = np.where(filled, edges.start[node][:, None] + np.arange(width), 0)
        edge = np.where(filled, edges.edge[at], num_edges)
        place[node] = num_placed + np.arange(len(node))
        slot[edge[filled]] = num_slots + np.flatnonzero(filled)
        blocks.append(
            DegreeBlock(
                node=node.astype(np.int32),
                neighbor=np.where(filled, edges.neighbor[at], 0).astype(np.int32),
                edge=edge.astype(np.int32),
            )
        )
        num_placed, num_slots = num_placed + len(node), num_slots + edge.size
    place[degree == 0] = num_placed
    slot[slot < 0] = num_slots
    return DegreeBlocks(tuple(blocks), place.astype(np.int32), slot.astype(np.int32))


def _tiles(edges: SortedEdges, num_edges: int, static: bool) -> Tiles:
    """Cut the edges of each row into tiles."""
    degree, num_rows = edges.degree, len(edges.degree)
    width = static_width(num_edges, num_rows) if static else tile_width(degree)
    tiles_of_row = -(-degree // width)
    start = np.concatenate([[0], np.cumsum(tiles_of_row)]).astype(np.int32)
    num_filled = num_tiles = int(start[-1])
    if static:
        num_tiles = num_edges // width + num_rows
    row = np.full(num_tiles, num_rows - 1, np.int32)
    row[:num_filled] = np.repeat(np.arange(num_rows, dtype=np.int32), tiles_of_row)
    index_in_row = np.arange(num_filled, dtype=np.int32) - start[row[:num_filled]]
    left = np.zeros(num_tiles, np.int32)
    left[:num_filled] = degree[row[:num_filled]] - index_in_row * width
    filled = np.arange(width) < left[:, None]
    neighbor = np.zeros(filled.shape, np.int32)
    neighbor[filled] = edges.neighbor
    edge = np.full(filled.shape, num_edges, np.int32)
    edge[filled] = edges.edge
    return Tiles(row, neighbor, edge, start)


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
