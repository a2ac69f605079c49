"""The cells of rows: a table graph taken apart into one token per value, and who may attend to whom among them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from graphattn_jax import _checks
from graphattn_jax.graphs._masks import (
    edge_graph_ids,
    edge_mask,
    graph_mask,
    node_graph_ids,
    node_mask,
)
from graphattn_jax.graphs._typed import REVERSE, schema_of
from graphattn_jax.graphs._types import GraphsTuple
from graphattn_jax.ops import Blocks, prepare_blocks
from graphattn_jax.typing import ArrayLike

__all__ = ["CellPatterns", "Cells", "cells"]


class CellPatterns(NamedTuple):
    """Who may attend to whom, as `ga.ops.Blocks` of cells, one block per graph.

    column: cells of the same column of the same table. feature: those of the same row, and of the rows that its foreign
    keys point to. neighbour: those of the rows whose foreign keys point to this one. full: all of the graph.
    """

    column: Blocks
    feature: Blocks
    neighbour: Blocks
    full: Blocks


class Cells(NamedTuple):
    """The cells of a graph, row by row.

    row `[M]` int32: the node of each. column `[M]` int32: which column of all tables, type by type, numbers before
    categories. number `[M]` float32, 0 for a category; category `[M]` int32, -1 for a number. patterns: among them.
    """

    row: ArrayLike
    column: ArrayLike
    number: ArrayLike
    category: ArrayLike
    patterns: CellPatterns


def cells(graph: GraphsTuple, size: int) -> Cells:
    """A typed graph of rows as cells, with the four masks of the Relational Transformer.

        column(i, j)    = [ column_i = column_j ]
        feature(i, j)   = [ row_i = row_j ] or [ a foreign key of row_i points to row_j ]
        neighbour(i, j) = [ a foreign key of row_j points to row_i ]

    with i who attends and j whom to, cells of one graph. A foreign key is an edge from its row to the row that it
    names, as `from_tables` makes them; relations whose names begin with `rev_` are the same keys again, and not read.

    Args:
      graph: typed, of one or several graphs, such as the samples of `ga.sampling.Tokens`; padded or not.
      size: cells per graph that there is room for.

    Returns:
      `Cells` of numpy arrays, those of padding left out.

    Raises:
      ValueError: a graph without types, or with more cells in one graph than `size`.

    Cost: O(G size²) time and memory, for the masks.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_types(
      ...     {"order": np.ones((2, 2), np.float32), "user": np.ones((1, 1), np.float32)},
      ...     {("order", "of", "user"): ([0, 1], [0, 0])})
      >>> found = ga.graphs.cells(graph, 5)
      >>> found.row.tolist(), found.column.tolist()
      ([0, 0, 1, 1, 2], [0, 1, 0, 1, 2])
      >>> found.patterns.neighbour.pairs[0].astype(int)[4].tolist()  # the user hears from the cells of both orders
      [1, 1, 1, 1, 0]

    Source: Ranjan et al., "Relational Transformer", ICLR 2026, arXiv:2510.06377, section 3.
    """
    schema = schema_of(graph)
    _checks.positive("size", size)
    nodes, kind = graph.nodes, np.asarray(graph.nodes.type)
    numbers = np.array(nodes.widths)
    categories = np.array([len(sizes) for sizes in nodes.vocabularies] or [0] * len(schema.types))
    per_type = numbers + categories
    first_column = np.cumsum(per_type) - per_type
    rows = np.flatnonzero(np.asarray(node_mask(graph)))
    count = per_type[kind[rows]]
    row = np.repeat(rows, count)
    place = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    is_number = place < numbers[kind[row]]
    number, category = np.zeros(len(row), np.float32), np.full(len(row), -1, np.int32)
    if nodes.features is not None:
        here = row[is_number], place[is_number]
        number[is_number] = np.asarray(nodes.features)[here]
    if nodes.categories is not None:
        which = (place - numbers[kind[row]])[~is_number]
        category[~is_number] = np.asarray(nodes.categories)[row[~is_number], which]
    return Cells(
        row=row.astype(np.int32),
        column=(first_column[kind[row]] + place).astype(np.int32),
        number=number,
        category=category,
        patterns=_patterns(graph, row, first_column[kind[row]] + place, size),
    )


def _patterns(graph: Any, row: np.ndarray, column: np.ndarray, size: int) -> CellPatterns:
    graph_of = np.asarray(node_graph_ids(graph))
    num_graphs = int(np.asarray(graph_mask(graph)).sum())
    largest = np.bincount(graph_of[row], minlength=1).max()
    if largest > size:
        raise ValueError(
            f"size must be at least {largest}, the cells of the largest graph, got {size}. Fix: fewer rows."
        )
    blocks = prepare_blocks(graph_of[row].astype(np.int32), max(num_graphs, 1), size)
    there = blocks.node < len(row)
    of_slot = np.where(there, blocks.node, 0)
    both = there[:, :, None] & there[:, None, :]
    column, row = column[of_slot], row[of_slot]
    points = _keys(graph, row, graph_of)

    def pattern(pairs: np.ndarray) -> Blocks:
        return Blocks(blocks.node, blocks.slot, pairs & both)

    same = row[:, :, None] == row[:, None, :]
    return CellPatterns(
        column=pattern(column[:, :, None] == column[:, None, :]),
        feature=pattern(same | points),
        neighbour=pattern(points.swapaxes(1, 2)),
        full=blocks,
    )


def _keys(graph: Any, row: np.ndarray, graph_of: np.ndarray) -> np.ndarray:
    """`[G, n, n]`: whether a foreign key of the row of the first cell points to that of the second."""
    named = [name for _, name, _ in schema_of(graph).relations]
    is_key = np.array([not name.startswith(REVERSE) for name in named])
    real = np.asarray(edge_mask(graph)) & is_key[np.asarray(graph.edges.relation)]
    first = np.cumsum(graph.n_node) - graph.n_node
    child, parent = (np.asarray(x)[real] for x in (graph.senders, graph.receivers))
    block = np.asarray(edge_graph_ids(graph))[real]
    most = int(np.max(graph.n_node, initial=1))
    table = np.zeros((len(row), most, most), bool)
    table[block, child - first[block], parent - first[block]] = True
    local = np.clip(row - first[: len(row), None], 0, most - 1)
    return table[np.arange(len(row))[:, None, None], local[:, :, None], local[:, None, :]]
