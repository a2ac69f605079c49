"""What the attention layers of typed graphs have in common."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from graphattn_jax import graphs, ops
from graphattn_jax.attention._pipeline import AttentionLayer
from graphattn_jax.graphs import PreparedGraph, pattern
from graphattn_jax.ops import take
from graphattn_jax.typing import Array


def check_scores(layer: AttentionLayer, *scores: type) -> None:
    """A layer that has these scores only."""
    if type(layer.score) not in scores:
        names = ", ".join(f"{score.__name__}()" for score in scores)
        raise ValueError(
            f"score of {type(layer).__name__} must be one of {names}, got {layer.score!r}."
        )


def attend(
    layer: AttentionLayer,
    graph: Any,
    query: Array,
    key: Array,
    value: Array,
    kernel: ops.Score,
    dropout: ops.Dropout | None,
) -> ops.EdgeAttention:
    """Attention of nodes, query `[N, H, C]`, to the pairs (node, relation) that they hear, key and value `[U, H, C]`.

    In one kernel where weights follow from the logits of a receiver. What relates an edge to its reverse does so by the
    nodes, and pairs an edge with one of the reverse relation.
    """
    ends = graphs.relation_ends(graph)
    if not (layer.score.is_symmetrized or layer.normalizer.is_constraint):
        return layer.attend(query, key, value, ends.edges, kernel, dropout)
    logits = layer.scores(query, key, ends.edges, kernel)
    return attend_from_logits(layer, graph, logits, value, dropout)


def attend_within(
    layer: AttentionLayer,
    graph: Any,
    query: Array,
    key: Array,
    value: Array,
    kernel: ops.Score,
    dropout: ops.Dropout | None,
) -> ops.EdgeAttention:
    """The same of pairs (receiver, relation), each normalised by itself."""
    edges = graphs.relation_ends(graph, "receiver").edges
    if not (layer.score.is_symmetrized or layer.normalizer.is_constraint):
        return layer.attend(query, key, value, edges, kernel, dropout)
    logits = layer.scores(query, key, edges, kernel)
    return attend_from_logits(layer, graph, logits, value, dropout, within=True)


def attend_from_logits(
    layer: AttentionLayer,
    graph: Any,
    logits: Array,
    value: Array,
    dropout: ops.Dropout | None,
    *,
    within: bool = False,
) -> ops.EdgeAttention:
    """The same from logits `[E, H]`; with `within`, of pairs (receiver, relation), each normalised by itself."""
    edges = graphs.relation_ends(graph, "receiver" if within else "sender").edges
    if layer.score.is_symmetrized:
        reverse = jnp.asarray(_partners(layer, graph))
        both = 0.5 * (logits + take(logits, jnp.maximum(reverse, 0)))
        logits = jnp.where(reverse[:, None] < 0, logits, both)
    if not layer.normalizer.is_constraint:
        return layer.attend_from_logits(logits, value, edges, dropout)
    reverse = _partners(layer, graph)
    square = _among_pairs(edges, jnp.asarray(reverse)) if within else pattern(graph)
    nothing = jnp.zeros((square.num_senders, logits.shape[1], 1), logits.dtype)
    attention = layer.attend_from_logits(logits, nothing, square, dropout).attention
    return ops.EdgeAttention(ops.edge_aggregate(attention.applied, value, edges), attention)


def _among_pairs(edges: ops.Edges, reverse: Array) -> ops.Edges:
    """Edges to the pairs (i, φ), with the same nodes on both sides: j → i of φ comes from the pair (j, φ̄) of the
    reverse relation, where the edge back ends. One without an edge back has no constraint, and comes from anywhere.
    """
    receivers = jnp.asarray(edges.receivers)
    back = take(receivers, jnp.maximum(reverse, 0))
    senders = jnp.where(reverse < 0, receivers, back)
    return ops.Edges(senders, receivers, edges.num_rows, mask=edges.mask, reverse=reverse)


def _partners(layer: Any, graph: Any) -> Any:
    """`[E]`, the edge of the reverse relation, which only a layout knows."""
    if not isinstance(graph, PreparedGraph):
        raise ValueError(
            f"this {type(layer).__name__} relates edges to those of the reverse relation, and needs their layout. "
            "Fix: graph = ga.graphs.prepare(graph)."
        )
    return graph.layout.reverse
