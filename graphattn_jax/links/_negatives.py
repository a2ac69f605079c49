"""Links that are not there: with another node at one end, or anywhere."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from graphattn_jax import _checks
from graphattn_jax.links._index import LinkIndex
from graphattn_jax.links._links import Links
from graphattn_jax.links._split import seeded

__all__ = ["Negatives", "corrupt_links", "random_non_links"]


class Negatives(NamedTuple):
    """links: as many as were asked for. where: which of them are negatives; the others had none to choose from."""

    links: Links
    where: np.ndarray


def corrupt_links(
    index: LinkIndex,
    links: Links,
    count: int,
    *,
    side: str = "both",
    seed: int,
    epoch: int = 0,
    batch: int = 0,
) -> Negatives:
    """Negatives that share a node and the relation with a link: one of its ends is another node.

    The new node is uniform over the nodes of the type that the relation has there that make no known link. This is
    exact, without tries: the index counts the nodes that are left, and finds the one of a drawn rank.

    Args:
      index: what is known and of what types, from `index_links`: of the graph for filtered typed negatives, of a graph
        without edges for typed ones, of a number of nodes and no links for uniform ones.
      links: `[M]`.
      count: K negatives for each.
      side: which end is new: "tail" (as structured negative sampling does it), "head", or "both", by a coin for each
        negative; where one end has no negatives, the other one.
      seed, epoch, batch: non-negative integers; what is drawn depends on nothing else.

    Returns:
      `Negatives` of `[M, K]`. Where there is none, the link itself stands, and `where` is False.

    Raises:
      ValueError: ids that are not integers or out of range, an unknown side, seeds that are not what they should be.

    Cost: O(M K log P) with P known links.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 0], [1, 2], num_nodes=4)
      >>> index = ga.links.index_links(graph, self_links=False)
      >>> links = ga.links.Links(np.array([0]), None, np.array([1]))
      >>> ga.links.corrupt_links(index, links, 3, side="tail", seed=0).links.tails.tolist()
      [[3, 3, 3]]

    Source: Bordes et al., "Translating Embeddings for Modeling Multi-relational Data", NeurIPS 2013, section 2;
      restricted to types as Krompaß, Baier, Tresp, "Type-Constrained Representation Learning in Knowledge Graphs", ISWC
      2015.
    """
    index.check("links", links)
    _checks.positive("count", count)
    _checks.choice("side", side, ("both", "tail", "head"))
    shape = (len(links.heads), count)
    rng = seeded(seed, epoch, batch)
    share, coin = rng.random(shape), rng.random(shape) < 0.5
    new, left = {}, {}
    for end, given in (("tail", links.tails), ("head", links.heads)):
        known, questions, kinds, _ = index.ask(links, end)
        free = (index.count[kinds] - known.count(questions))[:, None]
        rank = np.minimum((share * free).astype(np.int64), np.maximum(free - 1, 0))
        place = known.other(questions[:, None], rank)
        left[end] = np.broadcast_to(free > 0, shape)
        new[end] = np.where(left[end], index.nodes(kinds[:, None], place), given[:, None])
    is_tail = {"tail": np.ones(shape, bool), "head": np.zeros(shape, bool)}.get(side, coin)
    if side == "both":
        is_tail = np.where(left["tail"] & left["head"], coin, left["tail"])
    relations = None
    if links.relations is not None:
        relations = np.broadcast_to(np.asarray(links.relations)[:, None], shape)
    return Negatives(
        Links(
            np.where(is_tail, links.heads[:, None], new["head"]).astype(np.int32),
            relations,
            np.where(is_tail, new["tail"], links.tails[:, None]).astype(np.int32),
        ),
        np.where(is_tail, left["tail"], left["head"]),
    )


def random_non_links(
    index: LinkIndex,
    relations: np.ndarray,
    *,
    seed: int,
    epoch: int = 0,
    batch: int = 0,
) -> Negatives:
    """Negatives between any two nodes: uniform over the pairs of a relation that are not linked.

    Args:
      index: what is known and of what types, from `index_links`.
      relations: `[M]`, of which relation each negative is to be; zeros in a graph without types.
      seed, epoch, batch: non-negative integers; what is drawn depends on nothing else.

    Returns:
      `Negatives` of `[M]`, drawn independently. Where all pairs of a relation are linked, `where` is False and the ends
      are any nodes.

    Raises:
      ValueError: relations out of range, seeds that are not what they should be.

    Cost: O(M log P) with P known links.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([0, 0], [1, 2], num_nodes=3)
      >>> index = ga.links.index_links(graph, self_links=False)
      >>> links, where = ga.links.random_non_links(index, np.zeros(2, int), seed=0)
      >>> sorted(zip(links.heads.tolist(), links.tails.tolist()))
      [(1, 2), (2, 1)]
    """
    _checks.ids("relations", relations)
    _checks.ids_in_range("relations", relations, index.num_relations, "relations")
    relations = np.asarray(relations, np.int64)
    sources, targets = index.sources[relations], index.targets[relations]
    width = index.count[targets]
    free = index.count[sources] * width - index.pairs.count(relations)
    share = seeded(seed, epoch, batch).random(len(relations))
    rank = np.minimum((share * free).astype(np.int64), np.maximum(free - 1, 0))
    there = free > 0
    head, tail = np.divmod(index.pairs.other(relations, rank), np.maximum(width, 1))
    ends = (index.nodes(kinds, place) for kinds, place in ((sources, head), (targets, tail)))
    heads, tails = (x.astype(np.int32) for x in ends)
    return Negatives(Links(heads, relations.astype(np.int32), tails), there)
