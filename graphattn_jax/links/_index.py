"""What is linked with what, sorted, so that answers and non-answers are counted and found without a search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from graphattn_jax import _checks
from graphattn_jax.graphs import TypedNodes, num_graphs, num_nodes, schema_of, unpad
from graphattn_jax.links._known import Known
from graphattn_jax.links._links import Links, check_links, relation_ids, relations_of

__all__ = ["LinkIndex", "index_links", "is_known", "ranking_candidates"]


@dataclass(frozen=True, eq=False)
class LinkIndex:
    """Known links, and which nodes may stand at either end of a relation; made by `index_links`.

    num_nodes, num_relations: N, R. node: `[N]`, the nodes type by type. place: `[N]`, of each node within its type.
    first, count: `[T]`, where a type begins and how many it has. sources, targets: `[R]`, types of the ends.
    tails, heads, pairs: what is known, asked by (relation, head), (relation, tail) and relation.
    """

    num_nodes: int
    num_relations: int
    node: np.ndarray
    place: np.ndarray
    first: np.ndarray
    count: np.ndarray
    sources: np.ndarray
    targets: np.ndarray
    tails: Known
    heads: Known
    pairs: Known

    def nodes(self, kinds: np.ndarray, place: np.ndarray) -> np.ndarray:
        """The nodes in these places of their types; any node for a place that a type does not have."""
        return self.node[np.clip(self.first[kinds] + place, 0, self.num_nodes - 1)]

    def types(self) -> np.ndarray:
        """`[N]`, of each node."""
        kinds = np.empty(self.num_nodes, np.int64)
        kinds[self.node] = np.repeat(np.arange(len(self.count)), self.count)
        return kinds

    def check(self, name: str, links: Links) -> None:
        """`[M]` links between nodes of the types of their relations.

        Raises:
          ValueError: names the ids that do not fit.
        """
        check_links(name, links, self.num_nodes, self.num_relations, vector=True)
        relations, _ = np.broadcast_arrays(relation_ids(links), links.heads)
        kinds = self.types()
        for end, wanted in (("heads", self.sources), ("tails", self.targets)):
            ids = np.asarray(getattr(links, end))
            wrong = np.flatnonzero(kinds[ids] != wanted[relations])
            if len(wrong):
                bad = wrong[0]
                raise ValueError(
                    f"{name}.{end} must have nodes of type {wanted[relations[bad]]} for relation {relations[bad]}, got "
                    f"node {ids[bad]} of type {kinds[ids[bad]]} at position {bad}."
                )

    def ask(self, links: Links, side: str) -> tuple[Known, np.ndarray, np.ndarray, np.ndarray]:
        """What is known at this end of the links, the questions, the type that answers them, and the answers."""
        relations, *_ = np.broadcast_arrays(relation_ids(links), links.heads, links.tails)
        given, answer = (links.heads, links.tails)[:: 1 if side == "tail" else -1]
        questions = relations.astype(np.int64) * self.num_nodes + given
        known, kinds = (self.tails, self.targets) if side == "tail" else (self.heads, self.sources)
        return known, questions, kinds[relations], self.place[answer]


def index_links(
    nodes: Any, *links: Links, directed: bool = False, self_links: bool = True
) -> LinkIndex:
    """The links that are known: what no negative may be, and what a filtered ranking leaves out.

    Args:
      nodes: the graph, whose edges are known links too; a typed one says which nodes may stand at the ends of a
        relation. Or how many nodes there are, for links without types.
      links: further known links, such as those of all parts of a split.
      directed: as in `split_links`: without it i → j of a relation says that j → i holds as well, where the relation
        has no other reverse. The reverse relation of a link is always known with it.
      self_links: whether a node may be linked with itself; False makes these links known.

    Returns:
      A `LinkIndex`. `index_links(graph._replace(...))` of a graph without edges knows types only.

    Raises:
      ValueError: ids that are not integers or out of range, a batch of several graphs.

    Cost: O(M log M) for M links; with `self_links=False` M grows by N R.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> index = ga.links.index_links(4, ga.links.Links(np.array([0, 1]), None, np.array([1, 2])))
      >>> ga.links.is_known(index, ga.links.Links(np.array([1, 2, 0]), None, np.array([0, 1, 2]))).tolist()
      [True, True, False]
    """
    if isinstance(nodes, (int, np.integer)):
        _checks.positive("nodes", nodes)
        total, kinds, own = int(nodes), np.zeros(nodes, np.int64), []
        sources = targets = reverses = np.zeros(1, np.int64)
    else:
        graph = unpad(nodes)
        if num_graphs(graph) != 1:
            raise ValueError(
                f"nodes must be one graph, got a batch of {num_graphs(graph)}: a link never leads to another graph. "
                "Fix: an index for each of ga.graphs.unbatch(graph)."
            )
        total, relations = num_nodes(graph), relations_of(graph)
        own = [Links(graph.senders, relations.of_edge, graph.receivers)]
        reverses = relations.reverses
        if isinstance(graph.nodes, TypedNodes):
            kinds, schema = np.asarray(graph.nodes.type, np.int64), schema_of(graph)
            sources, targets = np.array(schema.sources), np.array(schema.targets)
        else:
            kinds, sources = np.zeros(total, np.int64), np.zeros(1, np.int64)
            targets = sources
    num_relations = len(reverses)
    for part in links:
        check_links("links", part, total, num_relations, vector=True)
    heads, relation, tails = _all(
        [*own, *links], total, np.flatnonzero(sources == targets) if not self_links else []
    )
    back = reverses[relation]
    mirrored = (back >= 0) & ((back != relation) | (not directed))
    heads, tails = (
        np.append(heads, tails[mirrored]),
        np.append(tails, heads[mirrored]),
    )
    relation = np.append(relation, back[mirrored])
    count = np.bincount(kinds, minlength=max(sources.max(), targets.max()) + 1)
    node = np.argsort(kinds, kind="stable")
    first = np.cumsum(count) - count
    place = np.empty(total, np.int64)
    place[node] = np.arange(total) - first[kinds[node]]
    return LinkIndex(
        num_nodes=total,
        num_relations=num_relations,
        node=node,
        place=place,
        first=first,
        count=count,
        sources=sources,
        targets=targets,
        tails=Known(relation * total + heads, place[tails], total),
        heads=Known(relation * total + tails, place[heads], total),
        pairs=Known(
            relation,
            place[heads] * count[targets[relation]] + place[tails],
            int(np.max(count[sources] * count[targets])),
        ),
    )


def _all(parts: list[Links], num_nodes: int, looped: Any) -> tuple[np.ndarray, ...]:
    """Heads, relations and tails of all links, and those of each node with itself in the relations `looped`."""
    every = np.tile(np.arange(num_nodes), len(looped))
    parts = [*parts, Links(every, np.repeat(np.asarray(looped, np.int64), num_nodes), every)]
    rows = [
        np.broadcast_arrays(*(np.asarray(x) for x in (p.heads, relation_ids(p), p.tails)))
        for p in parts
    ]
    heads, relations, tails = (np.concatenate(x).astype(np.int64) for x in zip(*rows))
    return heads, relations, tails


def is_known(index: LinkIndex, links: Links) -> np.ndarray:
    """Which links are known.

    Args:
      index: from `index_links`.
      links: of any shapes that broadcast.

    Returns:
      bool, of that shape.

    Raises:
      ValueError: ids that are not integers or out of range.

    Cost: O(log M) each.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 1], [1, 2])
      >>> index = ga.links.index_links(graph, directed=True)
      >>> ga.links.is_known(index, ga.links.Links(np.array([0]), None, np.array([0, 1, 2]))).tolist()
      [False, True, False]
    """
    check_links("links", links, index.num_nodes, index.num_relations)
    known, questions, _, answers = index.ask(links, "tail")
    return known.contains(questions, answers)


def ranking_candidates(index: LinkIndex, links: Links, side: str = "tail") -> np.ndarray:
    """With which nodes a link is compared in a filtered ranking of one of its ends.

    These are the nodes of the type that the relation has there, without those that make another known link; the node of
    the link itself is among them.

    Args:
      index: of the links of all parts, from `index_links`.
      links: `[M]`.
      side: "tail" or "head", which end is asked for.

    Returns:
      `[M, N]` bool, for `ga.metrics.ranks(scores, answer, where=...)`.

    Raises:
      ValueError: ids that are not integers or out of range, an unknown side.

    Cost: O(M N).

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 0], [1, 2], num_nodes=4)
      >>> index = ga.links.index_links(graph, self_links=False)
      >>> ga.links.ranking_candidates(index, ga.links.Links(np.array([0]), None, np.array([1]))).tolist()
      [[False, True, False, True]]

    Source: the filtered setting of Bordes et al., "Translating Embeddings for Modeling Multi-relational Data", NeurIPS
      2013, section 4.
    """
    index.check("links", links)
    _checks.choice("side", side, ("tail", "head"))
    known, questions, kinds, answers = index.ask(links, side)
    candidates = index.types()[None] == kinds[:, None]
    row, others = known.answers(questions)
    candidates[row, index.nodes(kinds[row], others)] = False
    candidates[np.arange(len(questions)), index.nodes(kinds, answers)] = True
    return candidates
