"""Links of a graph in parts to learn from and to test on, with the edges that may carry messages beside each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from graphattn_jax import _checks
from graphattn_jax.graphs import GraphsTuple, TypedEdges, edge_subgraph, schema_of, unpad
from graphattn_jax.links._links import LinkClasses, Links, link_classes

__all__ = ["LinkPart", "LinkSplit", "hide_links", "split_links"]


class LinkPart(NamedTuple):
    """Links to be predicted, and the graph to predict them from, which has none of their edges.

    links: `[M]`, each once. edges: `[M]`, which edge of the given graph each link is: the row of its features.
    """

    graph: GraphsTuple
    links: Links
    edges: np.ndarray


class LinkSplit(NamedTuple):
    """The graph of `val` has all edges of training, that of `test` those of validation too."""

    train: LinkPart
    val: LinkPart
    test: LinkPart


def split_links(
    graph: GraphsTuple,
    fractions: Sequence[float] = (0.8, 0.1, 0.1),
    *,
    seed: int = 0,
    supervision: float = 0.3,
    relations: Sequence[Any] | None = None,
    time: Any = None,
    directed: bool = False,
) -> LinkSplit:
    """Links to learn from, to validate and to test on, each part with a graph that does not give them away.

    Edges that say the same are one link and go together: parallel ones, and those of the reverse relation between the
    same nodes (`writes` and `rev_writes`; in a graph without types, or of a relation between nodes of one type that
    has no other reverse, i → j and j → i). Self-loops are no links; like the edges of other relations they carry
    messages in all parts. In no part does the graph have an edge of its links or of those of a later part.

        messages of train | links of train | links of val | links of test      disjoint, and no link in two of them

    The edges of `val.graph` are the first two of these, those of `test.graph` the first three.

    Args:
      graph: typed or not. Edge features go with their edges.
      fractions: (train, val, test), which sum to 1: of the links of each relation, in random order, or of all, by time.
        Each relation keeps a link in training.
      seed: non-negative integer.
      supervision: the share of the links of training that are to be predicted there; the others carry messages. 0 = all
        carry messages, for `LinkBatches(hide=...)`; 1 = none does, for a decoder without a graph.
      relations: names of those to be split, None = all. One and its reverse are one.
      time: `[E]`, when each edge began; a link is as late as the latest of its edges. The parts then follow each other
        in time, equal times together, and no part has an edge later than the last link before the next part. The links
        of training that are to be predicted are its latest.
      directed: i → j and j → i of one relation are two links, as in a graph of facts.

    Returns:
      `LinkSplit`, with numpy leaves. Links have the direction and relation of the forward edges.

    Raises:
      ValueError: fractions that do not sum to 1, too few links for a part that is to have some, an unknown relation,
        times that are NaN or not `[E]`.

    Cost: O(E log E) on the host.
    Padding: left out.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> ring = np.arange(20)
      >>> graph = ga.graphs.add_reverse_edges(ga.graphs.from_edge_list(ring, (ring + 1) % 20))
      >>> split = ga.links.split_links(graph, seed=0)
      >>> [(len(part.edges), len(part.graph.senders)) for part in split]
      [(5, 22), (2, 32), (2, 36)]
    """
    graph = unpad(graph)
    shares = _check_fractions(fractions)
    _check_share("supervision", supervision)
    wanted = shares * (supervision, 1, 1)
    classes = link_classes(graph, directed)
    eligible = _eligible(graph, classes, relations)
    part = np.zeros(len(classes.edge), np.int64)  # 0 messages, 1 train, 2 val, 3 test
    rng, chosen = seeded(seed), np.flatnonzero(eligible)
    if time is None:
        held = chosen[_held_out(classes.relations[chosen], shares[1] + shares[2], rng)]
        held = held[_spread(classes.relations[held], rng)]
        later = _jumps(len(held), shares[2] / max(shares[1] + shares[2], 1e-12))
        part[held] = np.where(later, 3, 2)
        rest = chosen[part[chosen] == 0]
        part[rest[_held_out(classes.relations[rest], supervision, rng, keep=0)]] = 1
        return _parts(graph, classes, part, eligible, None, wanted)
    moments = _moments(time, len(graph.senders))
    latest = np.zeros(len(classes.edge), np.int64)
    np.maximum.at(latest, classes.of_edge, moments)
    messages = shares[0] * (1 - supervision)
    cuts = _cuts(latest[chosen], np.cumsum([messages, shares[0] - messages, shares[1]]))
    part[chosen] = np.sum(latest[chosen][:, None] > cuts[None], axis=1)
    return _parts(graph, classes, part, eligible, (moments, cuts), wanted)


def hide_links(
    graph: GraphsTuple,
    share: float,
    *,
    seed: int,
    epoch: int = 0,
    relations: Sequence[Any] | None = None,
    directed: bool = False,
) -> LinkPart:
    """A share of the links to be predicted from all other edges; other ones in every epoch.

    What of a graph is a link, and which edges go with it, is as in `split_links`.

    Args:
      graph: typed or not.
      share: of the links of each relation, from 0 to 1.
      seed, epoch: non-negative integers; what is hidden depends on nothing else.
      relations: names of those to hide links of, None = all.
      directed: as in `split_links`.

    Returns:
      `LinkPart`, of as many links in every epoch.

    Raises:
      ValueError: a share outside [0, 1], an unknown relation.

    Cost: O(E log E) on the host.
    Padding: left out.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list(np.arange(10), np.arange(1, 11))
      >>> part = ga.links.hide_links(graph, 0.3, seed=0)
      >>> len(part.edges), len(part.graph.senders)
      (3, 7)
    """
    graph = unpad(graph)
    _check_share("share", share)
    classes = link_classes(graph, directed)
    chosen = np.flatnonzero(_eligible(graph, classes, relations))
    hidden = np.zeros(len(classes.edge), bool)
    rng = seeded(seed, epoch)
    hidden[chosen[_held_out(classes.relations[chosen], share, rng, keep=0)]] = True
    return _part(graph, classes, hidden, ~hidden[classes.of_edge])


def _parts(graph, classes, part, eligible, timed, wanted) -> LinkSplit:
    edge_part = part[classes.of_edge]
    is_link = eligible[classes.of_edge]
    made = []
    for place, name in enumerate(LinkSplit._fields):
        of_part = eligible & (part == place + 1)
        carries = np.where(is_link, edge_part <= place, True)
        if timed is not None:
            # What is no link carries messages up to the last link that does.
            moments, cuts = timed
            carries &= is_link | (moments <= cuts[place])
        if wanted[place] > 0 and not of_part.any():
            raise ValueError(
                f"graph must have enough links for fractions, got none for {name} of {int(eligible.sum())} links. "
                "Fix: a larger fraction, or equal times in fewer links."
            )
        made.append(_part(graph, classes, of_part, carries))
    return LinkSplit(*made)


def _part(graph, classes: LinkClasses, of_part: np.ndarray, carries: np.ndarray) -> LinkPart:
    ids = (classes.heads, classes.relations, classes.tails)
    heads, relations, tails = (x[of_part].astype(np.int32) for x in ids)
    typed = isinstance(graph.edges, TypedEdges)
    links = Links(heads, relations if typed else None, tails)
    return LinkPart(edge_subgraph(graph, carries), links, classes.edge[of_part])


def _eligible(graph: GraphsTuple, classes: LinkClasses, names: Sequence[Any] | None) -> np.ndarray:
    """`[L]`, which are to be predicted: of the relations, and no self-loops."""
    between = classes.heads != classes.tails
    if names is None:
        return between
    if isinstance(names, str) or not isinstance(names, (list, tuple)):
        raise ValueError(
            f"relations must be a list of names, got {_checks.describe(names)}. Fix: [{names!r}]."
        )
    schema = schema_of(graph)
    ids = [schema.relation_id(name) for name in names]
    ids += [schema.reverses[i] for i in ids]
    return between & np.isin(classes.relations, ids)


def _held_out(
    relations: np.ndarray, share: float, rng: np.random.Generator, keep: int = 1
) -> np.ndarray:
    """Ids of a share of the rows of each relation, to within one, and of all rows together; `keep` stay of each."""
    order = _spread(relations, rng)
    counts = np.bincount(relations) if len(relations) else np.zeros(1, int)
    ends = np.cumsum(counts)
    upto = np.floor(share * ends + 0.5).astype(int)
    held = np.minimum(np.diff(upto, prepend=0), np.maximum(counts - keep, 0))
    rank = np.arange(len(order)) - np.repeat(ends - counts, counts)
    return np.sort(order[rank < np.repeat(held, counts)])


def _spread(relations: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """All rows relation by relation, in random order within each."""
    return np.lexsort((rng.random(len(relations)), relations))


def _jumps(count: int, share: float) -> np.ndarray:
    """`[count]` bool, a share of them as evenly as can be."""
    return np.diff(np.floor(share * np.arange(count + 1) + 0.5)) > 0


def _cuts(times: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """The latest time of each of the first parts; -1 for one without links."""
    ordered = np.sort(times)
    last = np.round(shares * len(ordered)).astype(int) - 1
    return np.array([ordered[i] if i >= 0 else -1 for i in last])


def _moments(time: Any, num_edges: int) -> np.ndarray:
    """`[E]`, the place of each time among those that occur."""
    moments = np.asarray(time)
    _checks.shape("time", moments, (num_edges,))
    if moments.dtype.kind not in "iufmM":
        raise ValueError(f"time must hold numbers or dates, got {_checks.describe(moments)}.")
    missing = np.flatnonzero(moments != moments)  # NaN and NaT
    if len(missing):
        raise ValueError(
            f"time must be known for every edge, got none for edge {missing[0]}. "
            "Fix: leave these edges out, or give them the time before all others."
        )
    return np.unique(moments, return_inverse=True)[1]


def _check_fractions(fractions: Sequence[float]) -> np.ndarray:
    shares = np.array(fractions, np.float64)
    if shares.shape != (3,) or not (shares >= 0).all() or abs(shares.sum() - 1) > 1e-6:
        raise ValueError(
            f"fractions must be (train, val, test), none negative, with sum 1; got {fractions!r}."
        )
    return shares


def _check_share(name: str, share: Any) -> None:
    if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share <= 1:
        raise ValueError(f"{name} must be a share from 0 to 1, got {share!r}.")


def seeded(*seeds: int) -> np.random.Generator:
    """Random numbers of a seed, an epoch and a batch."""
    for name, seed in zip(("seed", "epoch", "batch"), seeds):
        if not isinstance(seed, (int, np.integer)) or isinstance(seed, bool) or seed < 0:
            raise ValueError(
                f"{name} must be a non-negative integer, got {_checks.describe(seed)}."
            )
    return np.random.default_rng([int(seed) for seed in seeds])
