"""Patterns, and `ops.edge_attention` with all that it knows as one flat result."""

from typing import Any, NamedTuple

from graphattn_jax import ops


def plain(senders, receivers, num_senders, *, where=None, num_receivers=None):
    """A pattern without a layout."""
    return ops.Edges(senders, receivers, num_senders, num_receivers, mask=where)


def prepared(
    senders, receivers, *, num_senders, where=None, num_receivers=None, static=False, degree_blocks=False
):  # fmt: skip
    """A pattern with its layout."""
    edges = plain(senders, receivers, num_senders, where=where, num_receivers=num_receivers)
    return ops.prepare_edges(edges, static=static, degree_blocks=degree_blocks)


class Result(NamedTuple):
    out: Any
    weights: Any
    applied: Any
    logits: Any
    residual: Any


def attend(query, key, value, edges, **options) -> Result:
    out, attention = ops.edge_attention(query, key, value, edges, **options)
    return Result(out, attention.weights, attention.applied, attention.logits, attention.residual)
