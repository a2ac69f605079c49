"""Static sizes for batches, so that one compilation serves many of them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from graphattn_jax import _checks
from graphattn_jax.graphs._types import GraphsTuple, refuse_bipartite


@dataclasses.dataclass(frozen=True)
class Budget:
    """The sizes of a padded batch, padding included.

    One node and one graph are always padding, so at most `n_node - 1` nodes, `n_edge` edges and
    `n_graph - 1` graphs are real: the meaning of the same names in `jraph.dynamically_batch`.

    Args:
      n_node: rows for nodes, at least 1.
      n_edge: rows for edges, at least 0.
      n_graph: number of graphs, at least 2: one real and one for the padding.

    Raises:
      ValueError: a size that is no integer or too small.

    Example:
      >>> import graphattn_jax as ga
      >>> ga.graphs.Budget(n_node=128, n_edge=512, n_graph=9).fits(127, 512, 8)
      True
    """

    n_node: int
    n_edge: int
    n_graph: int

    def __post_init__(self):
        for name, least in (("n_node", 1), ("n_edge", 0), ("n_graph", 2)):
            value = getattr(self, name)
            if not isinstance(value, (int, np.integer)) or value < least:
                raise ValueError(f"{name} must be an integer of at least {least}, got {value!r}.")

    def fits(self, n_node: int, n_edge: int, n_graph: int) -> bool:
        """Whether that many real nodes, edges and graphs fit."""
        return n_node < self.n_node and n_edge <= self.n_edge and n_graph < self.n_graph

    @classmethod
    def for_graph(cls, graph: GraphsTuple, *, growth: float = 2.0) -> Budget:
        """The smallest bucket of each size that holds `graph`; see `bucket` for `growth`.

        Example:
          >>> import graphattn_jax as ga
          >>> ga.graphs.Budget.for_graph(ga.graphs.from_edge_list([0] * 9, [7] * 9))
          Budget(n_node=16, n_edge=16, n_graph=2)
        """
        n_node, n_edge, n_graph = size(graph)
        return cls(
            n_node=bucket(n_node + 1, growth=growth),
            n_edge=bucket(n_edge, growth=growth),
            n_graph=bucket(n_graph + 1, growth=growth, multiple_of=1),
        )


def check_budget(name: str, budget: Any) -> None:
    """A budget, whose three numbers have names."""
    if not isinstance(budget, Budget):
        raise ValueError(
            f"{name} must be a ga.graphs.Budget, got {_checks.describe(budget)}. "
            "Fix: Budget(n_node=, n_edge=, n_graph=), or estimate_budget(graphs, batch_size)."
        )


def size(graph: GraphsTuple) -> tuple[int, int, int]:
    """Nodes, edges and graphs of a concrete graph."""
    refuse_bipartite(graph, "a budget")
    n_node = np.asarray(graph.n_node)
    return int(n_node.sum()), int(np.asarray(graph.n_edge).sum()), n_node.shape[0]


def bucket(size: int, *, growth: float = 2.0, multiple_of: int = 8) -> int:
    """The smallest rung of a geometric ladder that is not below `size`.

    Sizes rounded up to a ladder compile once per rung instead of once per size. The ladder starts
    at `multiple_of`; each rung is `growth` times the last, rounded up to a multiple of
    `multiple_of`. `growth=2.0` gives powers of two and wastes up to half of the rows;
    `growth=1.25` wastes about a fifth at most and has up to three times as many rungs.

    Args:
      size: what must fit, at least 0.
      growth: ratio of neighbouring rungs, above 1.
      multiple_of: first rung and granularity.

    Returns:
      The rung, an int of at least `size`.

    Raises:
      ValueError: `size` is negative, `growth` is not above 1, or `multiple_of` not positive.

    Example:
      >>> import graphattn_jax as ga
      >>> [ga.graphs.bucket(n) for n in (0, 8, 9, 1000)]
      [8, 8, 16, 1024]
      >>> [ga.graphs.bucket(n, growth=1.25) for n in (90, 97, 1000)]
      [96, 120, 1184]
    """
    _checks.positive("multiple_of", multiple_of)
    if not growth > 1.0:
        raise ValueError(f"growth must be above 1, got {growth!r}.")
    if size < 0:
        raise ValueError(f"size must not be negative, got {size!r}.")
    rung = multiple_of
    while rung < size:
        rung = _round_up(max(rung + 1, math.ceil(rung * growth)), multiple_of)
    return rung


def _round_up(size: int, multiple_of: int) -> int:
    return -(-size // multiple_of) * multiple_of


def estimate_budget(
    graphs: Iterable[GraphsTuple],
    batch_size: int,
    *,
    headroom: float = 1.1,
    multiple_of: int = 8,
) -> Budget:
    """A budget for batches of about `batch_size` graphs of this data set, by its mean sizes.

        n_node  = max(headroom * batch_size * mean nodes, largest nodes) + 1,  rounded up
        n_edge  = max(headroom * batch_size * mean edges, largest edges),      rounded up
        n_graph = batch_size + 1

    The largest graph always fits. `batches_to_budget` closes a batch early when the next graph
    does not fit, so a headroom of 1.1 mostly yields full batches of `batch_size`. The three sizes
    can be given to `jraph.dynamically_batch` as they are.

    Args:
      graphs: the data set, or a sample that contains its largest graph; read once.
      batch_size: real graphs per batch.
      headroom: factor on the mean sizes, at least 1.
      multiple_of: granularity of `n_node` and `n_edge`.

    Returns:
      A `Budget` that fits each of `graphs` alone.

    Raises:
      ValueError: no graphs, `headroom` below 1, or sizes that are not positive.

    Example:
      >>> import graphattn_jax as ga
      >>> pair, path = ga.graphs.from_edge_list([0], [1]), ga.graphs.from_edge_list([0, 1], [1, 2])
      >>> ga.graphs.estimate_budget([pair, path], batch_size=32)
      Budget(n_node=96, n_edge=56, n_graph=33)
    """
    _checks.positive("batch_size", batch_size)
    _checks.positive("multiple_of", multiple_of)
    if not headroom >= 1.0:
        raise ValueError(f"headroom must be at least 1, got {headroom!r}.")
    if isinstance(graphs, GraphsTuple):
        raise ValueError(
            f"graphs must be a list of GraphsTuples, got {type(graphs).__name__}. Fix: unbatch(graphs), or [graph]."
        )
    sizes = np.array([size(graph) for graph in graphs]).reshape(-1, 3)
    total_graphs = int(sizes[:, 2].sum())
    if total_graphs == 0:
        raise ValueError("graphs must hold at least one graph, got none.")
    expected = np.ceil(headroom * batch_size * sizes.sum(axis=0) / total_graphs).astype(int)
    n_node, n_edge, _ = (int(x) for x in np.maximum(expected, sizes.max(axis=0)))
    return Budget(
        n_node=_round_up(n_node + 1, multiple_of),
        n_edge=_round_up(n_edge, multiple_of),
        n_graph=max(batch_size, int(sizes[:, 2].max())) + 1,
    )
