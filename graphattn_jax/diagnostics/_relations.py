"""What the attention of typed graphs goes to, by relation and head: as a table, and as a picture."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from graphattn_jax import _checks
from graphattn_jax.graphs import Relation, edge_mask, node_mask, relation_ends, schema_of
from graphattn_jax.ops import Attention

__all__ = ["RelationTable", "metapath_table", "plot_relations", "relation_table"]


class RelationTable(NamedTuple):
    """Attention by relation; print it. Arrays are numpy, NaN where there is nothing to tell.

    relations: R of the graph, or names of metapaths. edges: `[R]`, how many there are. mass: `[R, H]`, what share of
    its attention a node gives to the relation: the mean over those nodes of its type that hear anything; over the
    relations that reach a type it sums to 1 where the weights of a node do. spread: `[R, H]`, the entropy of the
    weights of a node within the relation, over the largest possible: 1 = all alike, 0 = all on one; the mean over
    nodes with two such edges. shares: `[R]`, of a layer that weighs relations how much they count, the mean over the
    nodes that hear them; None for others.
    """

    relations: tuple[Relation | str, ...]
    edges: np.ndarray
    mass: np.ndarray
    spread: np.ndarray
    shares: np.ndarray | None

    def __str__(self) -> str:
        heads = self.mass.shape[1]
        title = ["relation", "edges", *(["share"] if self.shares is not None else [])]
        title += [f"{what} {h}" for what in ("mass", "spread") for h in range(heads)]
        rows = [title]
        for r, relation in enumerate(self.relations):
            numbers = [] if self.shares is None else [self.shares[r]]
            numbers += [*self.mass[r], *self.spread[r]]
            shown = ("-" if np.isnan(x) else f"{x:.3f}" for x in numbers)
            rows.append([arrow(relation), str(self.edges[r]), *shown])
        widths = [max(map(len, column)) for column in zip(*rows)]
        lines = (
            "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])])
            for row in rows
        )
        return "\n".join(lines)


def arrow(relation: Relation | str) -> str:
    """`author writes → paper`."""
    if isinstance(relation, str):
        return relation
    source, name, target = relation
    return f"{source} {name} → {target}"


def relation_table(attention: Attention, graph: Any) -> RelationTable:
    """What a layer attended to, by relation and head.

    With a_e the weights of the edges, and r_iφ those of relations where a layer has any (`ga.nn.Fusion`):

        mass_φ = mean_i Σ_{e of φ to i} r_iφ a_e,      spread_φ = mean_i H( a_e / Σ a ) / log |N_φ(i)|

    Args:
      attention: of a layer of typed graphs: `out.attention`, or one of those of a network.
      graph: that of the layer, typed; on the host.

    Returns:
      `RelationTable`.

    Raises:
      ValueError: no attention, or of another graph; a graph without types.

    Cost: O(E H) on the host, and the weights of a fused kernel.
    Padding: does not count.

    Example:
      >>> import jax, numpy as np, graphattn_jax as ga
      >>> edges = {("page", "links", "page"): ([0, 1, 0], [1, 2, 2]), ("page", "cites", "page"): ([0], [2])}
      >>> graph = ga.graphs.prepare(ga.graphs.from_types({"page": np.eye(3, dtype=np.float32)}, edges))
      >>> layer = ga.message_passing.RGCN(4, schema=ga.graphs.schema_of(graph), fusion=ga.nn.Routing())
      >>> params = layer.init(jax.random.key(0), 3)
      >>> params = params._replace(fusion=params.fusion._replace(vector=np.zeros(64, np.float32)))
      >>> print(ga.diagnostics.relation_table(layer.apply(params, graph).attention, graph))
      relation           edges  share  mass 0  spread 0
      page links → page      3  0.750   0.750     1.000
      page cites → page      1  0.500   0.250         -

    Source: this library's.
    """
    schema, ends = schema_of(graph), relation_ends(graph, "receiver")
    if not isinstance(attention, Attention):
        raise ValueError(
            f"attention must be the ga.ops.Attention of a layer, got {_checks.describe(attention)}. "
            "Fix: out.attention; a layer without one does not attend."
        )
    weights, real = np.asarray(attention.weights, np.float64), np.asarray(edge_mask(graph))
    _checks.shape("attention.weights", weights, (len(real), "H"))
    pair, receivers = (np.asarray(x)[real] for x in (ends.edges.receivers, graph.receivers))
    of_edge, weights = np.asarray(graph.edges.relation)[real], weights[real]
    num_pairs, num_relations = len(ends.node), len(schema.relations)
    relation = np.asarray(ends.relations.ids)
    degree = np.bincount(pair, minlength=num_pairs)
    shares, used = None, weights
    if attention.shares is not None:
        of_pair = np.asarray(attention.shares.weights, np.float64)
        used = weights * of_pair[pair, None]
        shares = _mean(of_pair[degree > 0, None], relation[degree > 0], num_relations)[:, 0]
    hears = np.bincount(receivers, minlength=len(graph.nodes.type)) > 0
    hears &= np.asarray(node_mask(graph))
    listeners = np.bincount(np.asarray(graph.nodes.type)[hears], minlength=len(schema.types))
    count = listeners[list(schema.targets)][:, None]
    mass = _sums(used, of_edge, num_relations) / np.where(count > 0, count, np.nan)
    total = _sums(weights, pair, num_pairs)[pair]
    p = weights / np.where(total > 0, total, 1)
    entropy = _sums(-p * np.log(np.where(p > 0, p, 1)), pair, num_pairs)
    several = degree > 1
    spread = entropy[several] / np.log(degree[several])[:, None]
    return RelationTable(
        relations=schema.relations,
        edges=np.bincount(of_edge, minlength=num_relations),
        mass=mass,
        spread=_mean(spread, relation[several], num_relations),
        shares=shares,
    )


def metapath_table(attention: Attention, names: Sequence[str], graph: Any) -> RelationTable:
    """What a transformer over metapaths looks at, by metapath and head: of `ga.models.SeHGNN`.

        mass_Q = mean over nodes and tokens P of a_PQ,      spread_Q = 0 where all tokens P look at Q alike

    Args:
      attention: weights `[N, H, K, K]`, row = the token that looks: `out.attention[0]` of the network.
      names: of the K tokens, `network.tokens`.
      graph: that of the network; on the host.

    Returns:
      `RelationTable`, for `plot_relations` too: edges are the number of nodes, spread the deviation of a_PQ over P.

    Raises:
      ValueError: attention of other tokens or nodes.

    Cost: O(N H K²) on the host.
    Padding: does not count.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> graph = ga.graphs.from_edge_list([], [], nodes=np.ones((2, 1), np.float32))
      >>> weights = np.full((2, 1, 2, 2), 0.5)
      >>> attention = ga.ops.Attention(lambda: ga.ops.Weights(weights, weights, weights))
      >>> print(ga.diagnostics.metapath_table(attention, ("own", "authors"), graph))
      relation  edges  mass 0  spread 0
      own           2   0.500     0.000
      authors       2   0.500     0.000

    Source: this library's.
    """
    weights, real = np.asarray(attention.weights, np.float64), np.asarray(node_mask(graph))
    _checks.shape("attention.weights", weights, (len(real), "H", len(names), len(names)))
    weights = weights[real]
    nodes = np.full(len(names), len(weights))
    mass, spread = weights.mean(axis=(0, 2)).T, weights.std(axis=2).mean(axis=0).T
    return RelationTable(tuple(names), nodes, mass, spread, None)


def plot_relations(tables: RelationTable | Sequence[RelationTable], *, ax: Any = None) -> Any:
    """A heat map of the mass by relation and head; of several layers side by side.

    Args:
      tables: of `relation_table`, one, or one for each layer of a network.
      ax: a matplotlib `Axes` to draw into; None = a new figure.

    Returns:
      The `Axes`; `.figure.savefig("relations.png")` keeps it.

    Raises:
      ImportError: without matplotlib.
      ValueError: no tables, or of different relations.

    Example:
      >>> import numpy as np, graphattn_jax as ga
      >>> relations = (("page", "links", "page"), ("page", "cites", "page"))
      >>> mass = np.array([[0.75, 0.5], [0.25, 0.5]])
      >>> table = ga.diagnostics.RelationTable(relations, np.array([3, 1]), mass, mass, None)
      >>> ax = ga.diagnostics.plot_relations([table, table])
      >>> [label.get_text() for label in ax.get_yticklabels()]
      ['page links → page', 'page cites → page']
    """
    tables = [tables] if isinstance(tables, RelationTable) else list(tables)
    if not tables or any(table.relations != tables[0].relations for table in tables):
        raise ValueError(
            f"tables must be at least one RelationTable, all of the same relations, got {len(tables)}."
        )
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "plot_relations needs matplotlib. Fix: pip install matplotlib."
        ) from error
    mass = np.concatenate([table.mass for table in tables], axis=1)
    rows, columns = mass.shape
    if ax is None:
        size = (3.5 + 0.5 * columns, 1.2 + 0.32 * rows)
        ax = plt.subplots(figsize=size, layout="constrained")[1]
    image = ax.imshow(mass, vmin=0, vmax=max(1e-9, np.nanmax(mass, initial=0)), aspect="auto")
    ax.set_yticks(range(rows), [arrow(relation) for relation in tables[0].relations])
    heads = [range(table.mass.shape[1]) for table in tables]
    ax.set_xticks(range(columns), [str(h) for layer in heads for h in layer])
    starts = np.cumsum([0, *map(len, heads)])
    for layer, (start, stop) in enumerate(itertools.pairwise(starts)):
        if len(tables) > 1:
            middle = (start + stop - 1) / 2
            ax.text(middle, -0.7, f"layer {layer}", ha="center", va="bottom")
        if layer:
            ax.axvline(start - 0.5, color="white", linewidth=2)
    ax.set_xlabel("head")
    ax.figure.colorbar(image, ax=ax, label="share of the attention")
    if rows * columns <= 200:
        half = 0.5 * np.nanmax(mass, initial=0)
        for r, c in zip(*np.nonzero(~np.isnan(mass)), strict=True):
            color = "black" if mass[r, c] > half else "white"
            ax.text(c, r, f"{mass[r, c]:.2f}", ha="center", va="center", color=color, fontsize=7)
    return ax


def _sums(x: np.ndarray, ids: np.ndarray, size: int) -> np.ndarray:
    out = np.zeros((size, x.shape[1]))
    np.add.at(out, ids, x)
    return out


def _mean(x: np.ndarray, ids: np.ndarray, size: int) -> np.ndarray:
    """By ids, NaN for none."""
    count = np.bincount(ids, minlength=size)[:, None]
    return _sums(x, ids, size) / np.where(count > 0, count, np.nan)
