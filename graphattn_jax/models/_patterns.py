"""The two graphs of Exphormer and SAN: along whose edges messages pass, and who attends to whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from graphattn_jax import graphs
from graphattn_jax.graphs import Budget, GraphsTuple, to_host
from graphattn_jax.models._inputs import NodeInputs, node_inputs
from graphattn_jax.typing import ArrayLike

__all__ = ["PatternEdges", "Patterned", "prepare_exphormer", "prepare_san"]


class PatternEdges(NamedTuple):
    """What the pairs of a pattern come with; it stands in `pattern.edges`.

    kind: `[E_p]` int32, what kind of pair it is, 0 = an edge of the graph. features: those of the edges of the graph,
    for all pairs (any for the others), or None.
    """

    kind: ArrayLike
    features: Any = None


class Patterned(NamedTuple):
    """Two graphs on the same nodes: messages pass along the edges of `graph`, attention runs on those of `pattern`.

    It takes the place of a graph in a network with `pattern=True`. The pattern has no nodes of its own, and
    `PatternEdges`.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> path = ga.graphs.from_edge_list([0, 1], [1, 0], nodes=np.array([5, 6]))
      >>> both = ga.models.Patterned.batch([ga.models.prepare_san(path)] * 2)
      >>> padded = both.pad(ga.graphs.Budget(n_node=6, n_edge=8, n_graph=3))
      >>> both.pattern.n_edge.tolist(), padded.pattern.n_edge.tolist()
      ([4, 4], [4, 4, 0])
    """

    graph: Any
    pattern: Any

    @staticmethod
    def batch(items: Sequence[Patterned]) -> Patterned:
        """Several as one; see `ga.graphs.batch`."""
        return Patterned(*(graphs.batch(list(stream)) for stream in zip(*items, strict=True)))

    def pad(
        self, budget: Budget, pattern_budget: Budget | None = None, *, block_size: int | None = None
    ) -> Patterned:
        """Both padded and prepared; see `ga.graphs.pad`.

        Args:
          budget: of the graph.
          pattern_budget: of the pattern, with as many nodes and graphs; None = the same.
          block_size: of the graph, as `ga.graphs.prepare`.

        Raises:
          ValueError: budgets that differ in nodes or graphs, or that do not hold what there is.
        """
        other = budget if pattern_budget is None else pattern_budget
        if (other.n_node, other.n_graph) != (budget.n_node, budget.n_graph):
            raise ValueError(
                "pattern_budget must have the nodes and graphs of budget, only its edges may be others, got "
                f"{other} and {budget}."
            )
        graph = graphs.pad(self.graph, budget, block_size=block_size)
        return Patterned(graph, graphs.pad(self.pattern, other))

    def prepare(self, *, block_size: int | None = None) -> Patterned:
        """Both with their layouts; see `ga.graphs.prepare`."""
        graph = graphs.prepare(self.graph, block_size=block_size)
        return Patterned(graph, graphs.prepare(self.pattern))


def prepare_exphormer(
    graph: GraphsTuple, *, degree: int | None = 3, num_virtual: int = 1, seed: int = 0
) -> Patterned:
    """A graph or batch and its attention pattern, as `GPS(attention=Exphormer(...), pattern=True)` takes them.

    Args:
      graph: nodes as `Inputs` takes them, edges `[E, ...]` or None, without padding. Encode it before this.
      degree: of the expander; None = none.
      num_virtual: virtual nodes per graph, 0 for none.
      seed: of the expander.

    Returns:
      `Patterned(graph, pattern)`, the virtual nodes last in each graph. The graph has its own edges and, with virtual
      nodes, nodes `NodeInputs` that say which they are. The pattern has the kinds of `ga.graphs.exphormer_pattern`.

    Raises:
      ValueError: as `ga.graphs.exphormer_pattern`.

    Cost: that of `ga.graphs.exphormer_pattern`.

    Padding: apply before `pad`.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> path = ga.graphs.from_edge_list([0, 1, 1, 2], [1, 0, 2, 1], nodes=np.array([5, 6, 7]))
      >>> graph, pattern = ga.models.prepare_exphormer(path, degree=None)
      >>> graph.nodes.virtual.tolist(), pattern.edges.kind.tolist()
      ([0, 0, 0, 1], [0, 0, 0, 0, 2, 2, 2, 3, 3, 3])

    Source: Shirzad et al., "Exphormer: Sparse Transformers for Graphs", ICML 2023, arXiv:2303.06147.
    """
    graph = to_host(graph, "prepare_exphormer")
    if num_virtual:
        graph = graph._replace(nodes=node_inputs(graph.nodes))
    found = graphs.exphormer_pattern(graph, degree=degree, num_virtual=num_virtual, seed=seed)
    pattern = found.graph._replace(nodes=None, edges=PatternEdges(found.kinds, found.graph.edges))
    if not num_virtual:
        return Patterned(graph, pattern)
    nodes: NodeInputs = found.graph.nodes
    own = np.flatnonzero(found.kinds == 0)
    own = own[np.argsort(found.edge_ids[own], kind="stable")]
    edges: Any = jax.tree.map(lambda rows: rows[own], found.graph.edges)
    graph = graph._replace(
        nodes=nodes._replace(virtual=found.virtual),
        edges=edges,
        senders=found.graph.senders[own],
        receivers=found.graph.receivers[own],
        n_node=found.graph.n_node,
    )
    return Patterned(graph, pattern)


def prepare_san(graph: GraphsTuple) -> Patterned:
    """A graph or batch and all its pairs, as `GPS(attention=SAN(...), pattern=True)` takes them.

    Args:
      graph: nodes as `Inputs` takes them, edges `[E, ...]` or None, without padding.

    Returns:
      `Patterned(graph, pattern)`: the graph as it was, and all its pairs: kind 0 = an edge of the graph, 1 = any other
      pair, whose features are 0.

    Raises:
      ValueError: a padded graph.

    Cost: O(sum(n²)) memory.

    Padding: apply before `pad`.

    Example:
      >>> import graphattn_jax as ga
      >>> graph, pattern = ga.models.prepare_san(ga.graphs.from_edge_list([0, 1], [1, 0]))
      >>> pattern.edges.kind.tolist()
      [1, 0, 0, 1]

    Source: Kreuzer et al., "Rethinking Graph Transformers with Spectral Attention", NeurIPS 2021, arXiv:2106.03893.
    """
    graph = to_host(graph, "prepare_san")
    pairs, edge_ids = graphs.all_pairs(graph, return_edge_ids=True)
    features: Any = jax.tree.map(lambda rows: pair_rows(rows, edge_ids), graph.edges)
    edges = PatternEdges((edge_ids < 0).astype(np.int32), features)
    return Patterned(graph, pairs._replace(nodes=None, edges=edges))


def pair_rows(rows: np.ndarray, edge_ids: np.ndarray) -> np.ndarray:
    """The row of each pair's edge, zeros where `edge_ids` is -1."""
    return np.concatenate([rows, np.zeros_like(rows, shape=(1, *rows.shape[1:]))])[edge_ids]
