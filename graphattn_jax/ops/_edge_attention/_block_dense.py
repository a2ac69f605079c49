"""Softmax attention as dense blocks of nodes with similar degree, by XLA: no scatter in either direction.

The neighbours of the n nodes of a block are gathered to `[n, width]`, and the softmax is one along an axis. The
backward pass computes the weights again from the logsumexp, by receivers and by senders. Rows of all blocks are put in
order by a gather, and so is what belongs to edges.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax.ops._edge_attention import _xla
from graphattn_jax.ops._edge_attention._call import Call, Fused
from graphattn_jax.ops._edge_attention._fused import (
    Ends,
    Fixed,
    Kernels,
    Operands,
    Spec,
    dropout_factors,
    fused_attention,
    gradients_of_ends,
    gradients_of_logits,
    logits_of_ends,
)
from graphattn_jax.ops._layout import DegreeBlock, DegreeBlocks
from graphattn_jax.ops._pattern import without_layout
from graphattn_jax.ops._segment import take
from graphattn_jax.typing import Array, ArrayLike


class BlockDense:
    """Supports softmax attention, of every score, on edges with degree blocks."""

    name, is_fused = "block_dense", True
    scores, aggregate = staticmethod(_xla.scores), staticmethod(_xla.aggregate)

    def supports(self, call: Call) -> str | None:
        """Softmax attention, with degree blocks."""
        if not call.softmax:
            return "has softmax attention only. Fix: implementation=None."
        layout = call.edges.layout
        if layout is not None and layout.degree_blocks is None:
            return (
                "needs the layout's degree blocks. Fix: ga.graphs.prepare(graph, degree_blocks=True), or "
                "ga.ops.prepare_edges(edges, degree_blocks=True)."
            )
        return without_layout(call.edges)

    def attention(self, arguments: Fused) -> tuple[Array, Array]:
        """`(out [N_r, H, C_v], logsumexp [N_r, H])` for every score, with edge terms, a bias, a mask and dropout."""
        return fused_attention(Kernels(_forward, _backward), arguments)


class _Slots(NamedTuple):
    """The edges in the slots of a block, `[n, w]`, their terms, and what the logits need besides the ends."""

    valid: Array
    edge_terms: Array | None
    bias: Array | None
    kept: Array


def _slots(operands: Operands, fixed: Fixed, spec: Spec, block: DegreeBlock) -> _Slots:
    num_edges, heads = fixed.edges.num_edges, operands.value.shape[1]
    edge = jnp.asarray(block.edge)
    valid, edge = edge < num_edges, jnp.minimum(edge, num_edges - 1)
    if fixed.edges.mask is not None:
        valid = valid & take(jnp.asarray(fixed.edges.mask), edge)
    kept = jnp.ones((1, 1, 1), operands.query.dtype)
    if fixed.words is not None:
        place = edge[:, :, None] * heads + jnp.arange(heads, dtype=jnp.int32)[None, None]
        kept = dropout_factors(fixed.words, spec, place, kept.dtype)
    terms, bias = (None if x is None else take(x, edge) for x in (operands.edge, operands.bias))
    return _Slots(valid, None if terms is None else _in_slots(terms, valid), bias, kept)


def _in_slots(x: Array, valid: Array) -> Array:
    """`[n, w, ...]` with 0 where there is no edge: an empty slot points at node 0, whose row may hold anything."""
    return jnp.where(valid.reshape(*valid.shape, *(1,) * (x.ndim - 2)), x, 0)


def _neighbors(arrays: Sequence[Array], block: DegreeBlock, slots: _Slots) -> list[Array]:
    """The rows of the neighbours in the slots of a block."""
    return [_in_slots(take(x, block.neighbor), slots.valid) for x in arrays]


def _logits(spec: Spec, ends: Ends, slots: _Slots) -> Array:
    """`[n, w, H]`, -inf where there is no edge."""
    logits = logits_of_ends(spec, ends)
    logits = logits if slots.bias is None else logits + slots.bias
    return jnp.where(slots.valid[:, :, None], logits, -jnp.inf)


def _vector(operands: Operands) -> Array | None:
    return None if operands.vector is None else operands.vector[None, None]


def _in_order(parts: Sequence[Array], place: ArrayLike, fill: float = 0.0) -> Array:
    """The rows of all blocks in the order of nodes or edges; `fill` for what is in no block."""
    last = jnp.full((1, *parts[0].shape[1:]), fill, parts[0].dtype)
    return take(jnp.concatenate([*parts, last]), place)


def _forward(operands: Operands, fixed: Fixed, spec: Spec) -> tuple[Array, Array]:
    by_receiver = _blocks(fixed)[0]
    shape, dtype = (len(operands.query), *operands.value.shape[1:]), operands.query.dtype
    if not by_receiver.blocks:
        return jnp.zeros(shape, dtype), jnp.full(shape[:2], jnp.inf, dtype)
    outs, logsumexps = [], []
    for block in by_receiver.blocks:
        slots = _slots(operands, fixed, spec, block)
        query = take(operands.query, block.node)[:, None]
        key, value = _neighbors((operands.key, operands.value), block, slots)
        ends = Ends(query, key, slots.edge_terms, _vector(operands))
        logits = _logits(spec, ends, slots)
        top = jnp.max(logits, axis=1)
        finite_top = jnp.where(jnp.isneginf(top), 0, top)
        p = jnp.exp(logits - finite_top[:, None])
        total = jnp.sum(p, axis=1)
        empty = total == 0
        total = jnp.where(empty, 1, total)
        weighted = jnp.sum((p * slots.kept)[..., None] * value, axis=1)
        outs.append(weighted / total[:, :, None])
        logsumexps.append(jnp.where(empty, jnp.inf, top + jnp.log(total)))
    place = by_receiver.place
    return _in_order(outs, place), _in_order(logsumexps, place, jnp.inf)


def _backward(
    operands: Operands, fixed: Fixed, spec: Spec, logsumexp: Array, g: Array, d: Array
) -> Operands:
    by_receiver, by_sender = _blocks(fixed)
    if not by_receiver.blocks:
        return jax.tree.map(jnp.zeros_like, operands)
    of_rows, of_slots, of_vector = [], [], []
    for block in by_receiver.blocks:
        slots = _slots(operands, fixed, spec, block)
        query = take(operands.query, block.node)[:, None]
        saved = [take(x, block.node)[:, None] for x in (logsumexp, g, d)]
        key, value = _neighbors((operands.key, operands.value), block, slots)
        ends = Ends(query, key, slots.edge_terms, _vector(operands))
        _, d_logits = gradients_of_logits(_logits(spec, ends, slots), slots.kept, value, *saved)
        gradients = gradients_of_ends(spec, ends, d_logits)
        of_rows.append(jnp.sum(gradients.query, axis=1))
        terms = None if gradients.edge is None else _in_slots(gradients.edge, slots.valid)
        of_slots.append((terms, d_logits))
        if gradients.vector is not None:
            of_vector.append(jnp.sum(gradients.vector, axis=(0, 1)))
    of_neighbors = []
    for block in by_sender.blocks:
        slots = _slots(operands, fixed, spec, block)
        key, value = (take(x, block.node)[:, None] for x in (operands.key, operands.value))
        query, *saved = _neighbors((operands.query, logsumexp, g, d), block, slots)
        ends = Ends(query, key, slots.edge_terms, _vector(operands))
        p, d_logits = gradients_of_logits(_logits(spec, ends, slots), slots.kept, value, *saved)
        d_key = jnp.sum(gradients_of_ends(spec, ends, d_logits).key, axis=1)
        of_neighbors.append((d_key, jnp.sum((p * slots.kept)[..., None] * saved[1], axis=1)))

    def of_edges(parts):
        return _in_order([x.reshape(-1, *x.shape[2:]) for x in parts], by_receiver.slot)

    d_edges, d_biases = zip(*of_slots)
    d_key, d_value = (_in_order(parts, by_sender.place) for parts in zip(*of_neighbors))
    return Operands(
        _in_order(of_rows, by_receiver.place),
        d_key,
        d_value,
        None if operands.edge is None else of_edges(d_edges),
        sum(of_vector[1:], of_vector[0]) if of_vector else None,
        None if operands.bias is None else of_edges(d_biases),
    )


def _blocks(fixed: Fixed) -> tuple[DegreeBlocks, DegreeBlocks]:
    layout = fixed.edges.layout
    assert layout is not None and layout.degree_blocks is not None  # `supports` has looked
    return layout.degree_blocks
