"""Softmax attention inside dense blocks in one kernel on a GPU: Pallas with its Triton lowering.

One program computes a tile of receivers of one block and head, with an online softmax over tiles of senders. No array
of pairs is written in the forward pass. In the backward pass one kernel goes by receivers, one by senders; the gradient
of the bias, if there is one, is written for all pairs, and XLA adds up the axes along which the bias was broadcast.
Off the GPU the kernels are interpreted: slow, for tests.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax.ops._block_softmax import Fixed, Operands, composed_attention
from graphattn_jax.ops._dropout_hash import dropout_threshold, random_bits
from graphattn_jax.ops._edge_attention._fused import Kernels
from graphattn_jax.ops._pallas import Axis, axis, dot, launch, load, power_of_two, program, store
from graphattn_jax.typing import Array

__all__ = ["KERNELS"]

MAX_TILE = 64
MIN_TILE = 16  # what Triton's matrix products need along every axis


# --- pieces of the kernels ----------------------------------------------------------------------------------


class _Tiles(NamedTuple):
    """Static: nodes per block and per tile, heads, the rate of dropout."""

    nodes: int
    width: int
    heads: int
    dropout_rate: float

    @property
    def count(self) -> int:
        return -(-self.nodes // self.width)


def _tiles(query: Array, rate: float) -> _Tiles:
    _, nodes, heads, _ = query.shape
    width = min(max(power_of_two(nodes), MIN_TILE), MAX_TILE)
    return _Tiles(nodes, width, heads, rate)


def _launch(kernel, arguments: tuple, out: Any, tiles: _Tiles, num_blocks: int) -> Any:
    grid = (num_blocks * tiles.count, tiles.heads)
    return launch(partial(kernel, tiles=tiles), grid, arguments, out, num_warps=4)


def _place(tiles: _Tiles) -> tuple[Axis, Axis, Axis]:
    """The block, the tile of nodes and the head of this program."""
    block, tile = program(0) // tiles.count, program(0) % tiles.count
    return _scalar(block), _nodes(tile, tiles), _scalar(program(1))


def _scalar(i: Any) -> Axis:
    return Axis(i, jnp.asarray(True))


def _nodes(tile: Any, tiles: _Tiles) -> Axis:
    return axis(tiles.width, tiles.nodes, tile * tiles.width)


def _load(ref: Any, block: Axis, nodes: Axis, head: Axis) -> Array:
    """`[width, C]`, or `[width]` of an array without channels."""
    channels = (axis(max(power_of_two(size), MIN_TILE), size) for size in ref.shape[3:])
    return load(ref, block, nodes, head, *channels)


def _store(ref: Any, x: Array, block: Axis, nodes: Axis, head: Axis) -> None:
    channels = (axis(max(power_of_two(size), MIN_TILE), size) for size in ref.shape[3:])
    store(ref, x, block, nodes, head, *channels)


def _logits(query, key, bias, may: Array, axes: tuple[Axis, ...]) -> Array:
    """`[rows, columns]`, -inf where a pair may not attend; axes are those of the bias."""
    logits = dot(query, key.T)
    if bias is not None:
        places = (
            a if size > 1 else Axis(jnp.zeros_like(a.ids), a.valid)
            for a, size in zip(axes, bias.shape)
        )
        logits = logits + load(bias, *places)
    return jnp.where(may, logits, -jnp.inf)


def _may(mask, block: Axis, rows: Axis, columns: Axis) -> Array:
    """`[rows, columns]`: which pairs may attend."""
    if _of_pairs(mask):
        return load(mask, block, rows, columns) > 0
    return (load(mask, block, rows) > 0)[:, None] & (load(mask, block, columns) > 0)[None]


def _of_pairs(mask) -> bool:
    return len(mask.shape) == 3


def _sums(weights: Array, x: Array, may: Array, mask) -> Array:
    """The product of weights `[i, j]` and rows `[j, C]`. With a mask of pairs, what is not finite in a row is for those
    who may attend to it, and not multiplied by the weight 0 of the others.
    """
    if not _of_pairs(mask):
        return dot(weights, x)
    finite = jnp.abs(x) < jnp.inf  # false for NaN
    wild = jnp.max(jnp.where(finite, 0.0, 1.0), axis=1)
    hears = jnp.max(jnp.where(may, wild[None], 0.0), axis=1) > 0
    return jnp.where(hears[:, None], jnp.nan, dot(weights, jnp.where(finite, x, 0.0)))


def _kept(words, block: Axis, rows: Axis, columns: Axis, head: Axis, tiles: _Tiles) -> Array:
    """The factors of dropout: the hash of the place in `[B, H, n, n]`, as in `ops.dropout`."""
    if words is None:
        return jnp.ones((1, 1), jnp.float32)
    row = (block.ids * tiles.heads + head.ids) * tiles.nodes + rows.ids
    place = row[:, None] * tiles.nodes + columns.ids[None, :]
    bits = random_bits(place.astype(jnp.uint32), words[0], words[1])
    keep = bits >= jnp.uint32(dropout_threshold(tiles.dropout_rate))
    return jnp.where(keep, 1.0 / (1.0 - tiles.dropout_rate), 0.0).astype(jnp.float32)


def _bytes(fixed: Fixed) -> Fixed:
    return fixed._replace(mask=fixed.mask.astype(jnp.int8))


# --- forward ------------------------------------------------------------------------------------------------


def _forward(operands: Operands, fixed: Fixed, rate: float) -> tuple[Array, Array]:
    out = jax.ShapeDtypeStruct(operands.value.shape, jnp.float32)
    logsumexp = jax.ShapeDtypeStruct(out.shape[:3], jnp.float32)
    tiles = _tiles(operands.query, rate)
    arguments = operands, _bytes(fixed)
    return _launch(_forward_kernel, arguments, (out, logsumexp), tiles, out.shape[0])


def _forward_kernel(operands, fixed, out, *, tiles: _Tiles) -> None:
    block, rows, head = _place(tiles)
    query = _load(operands.query, block, rows, head)

    def add_tile(t, carry):
        top, total, weighted = carry
        columns = _nodes(t, tiles)
        key, value = (_load(x, block, columns, head) for x in (operands.key, operands.value))
        may = _may(fixed.mask, block, rows, columns)
        logits = _logits(query, key, operands.bias, may, (block, head, rows, columns))
        new_top = jnp.maximum(top, jnp.max(logits, axis=1))
        finite_top = jnp.where(new_top == -jnp.inf, 0.0, new_top)
        shrink, p = jnp.exp(top - finite_top), jnp.exp(logits - finite_top[:, None])
        applied = p * _kept(fixed.words, block, rows, columns, head, tiles)
        weighted = weighted * shrink[:, None] + _sums(applied, value, may, fixed.mask)
        return new_top, total * shrink + jnp.sum(p, axis=1), weighted

    nothing = jnp.full((tiles.width,), -jnp.inf), jnp.zeros((tiles.width,))
    channels = max(power_of_two(operands.value.shape[3]), MIN_TILE)
    zero = jnp.zeros((tiles.width, channels))
    top, total, weighted = jax.lax.fori_loop(0, tiles.count, add_tile, (*nothing, zero))
    empty = total == 0
    total = jnp.where(empty, 1.0, total)
    _store(out[0], weighted / total[:, None], block, rows, head)
    _store(out[1], jnp.where(empty, jnp.inf, top + jnp.log(total)), block, rows, head)


# --- backward -----------------------------------------------------------------------------------------------


def _backward(
    operands: Operands, fixed: Fixed, rate: float, logsumexp: Array, g: Array, d: Array
) -> Operands:
    query, key, value, bias = operands
    batch, nodes, heads, _ = query.shape
    tiles = _tiles(query, rate)
    arguments = operands, _bytes(fixed), (logsumexp, g, d)

    def like(x):
        return jax.ShapeDtypeStruct(x.shape, jnp.float32)

    pairs = jax.ShapeDtypeStruct((batch, heads, nodes, nodes), jnp.float32)
    of_rows = like(query), None if bias is None else pairs
    d_query, d_bias = _launch(_by_receiver_kernel, arguments, of_rows, tiles, batch)
    of_columns = like(key), like(value)
    d_key, d_value = _launch(_by_sender_kernel, arguments, of_columns, tiles, batch)
    if bias is not None:
        broadcast = tuple(a for a in range(4) if bias.shape[a] < pairs.shape[a])
        d_bias = jnp.sum(d_bias, axis=broadcast, keepdims=True)
    return Operands(d_query, d_key, d_value, d_bias)


def _by_receiver_kernel(operands, fixed, saved, out, *, tiles: _Tiles) -> None:
    block, rows, head = _place(tiles)
    query = _load(operands.query, block, rows, head)
    logsumexp, g, d = (_load(x, block, rows, head) for x in saved)

    def add_tile(t, d_query):
        columns = _nodes(t, tiles)
        key, value = (_load(x, block, columns, head) for x in (operands.key, operands.value))
        may = _may(fixed.mask, block, rows, columns)
        logits = _logits(query, key, operands.bias, may, (block, head, rows, columns))
        kept = _kept(fixed.words, block, rows, columns, head, tiles)
        _, d_logits = _d_logits(logits, kept, value, logsumexp, g, d)
        if operands.bias is not None:
            store(out[1], d_logits, block, head, rows, columns)
        return d_query + _sums(d_logits, key, may, fixed.mask)

    d_query = jax.lax.fori_loop(0, tiles.count, add_tile, jnp.zeros_like(query))
    _store(out[0], d_query, block, rows, head)


def _by_sender_kernel(operands, fixed, saved, out, *, tiles: _Tiles) -> None:
    block, columns, head = _place(tiles)
    key, value = (_load(x, block, columns, head) for x in (operands.key, operands.value))

    def add_tile(t, carry):
        rows = _nodes(t, tiles)
        query = _load(operands.query, block, rows, head)
        logsumexp, g, d = (_load(x, block, rows, head) for x in saved)
        may = _may(fixed.mask, block, rows, columns)
        logits = _logits(query, key, operands.bias, may, (block, head, rows, columns))
        kept = _kept(fixed.words, block, rows, columns, head, tiles)
        p, d_logits = _d_logits(logits, kept, value, logsumexp, g, d)
        weights = ((d_logits, query), (p * kept, g))
        parts = (_sums(w.T, x, may.T, fixed.mask) for w, x in weights)
        return tuple(total + part for total, part in zip(carry, parts))

    zero = jnp.zeros_like(key), jnp.zeros_like(value)
    d_key, d_value = jax.lax.fori_loop(0, tiles.count, add_tile, zero)
    _store(out[0], d_key, block, columns, head)
    _store(out[1], d_value, block, columns, head)


def _d_logits(logits, kept, value, logsumexp, g, d) -> tuple[Array, Array]:
    """The weights before dropout and the gradients of the logits, `[rows, columns]`."""
    absent = logits == -jnp.inf
    p = jnp.where(absent, 0.0, jnp.exp(logits - logsumexp[:, None]))
    d_logits = p * (kept * dot(g, value.T) - d[:, None])
    return p, jnp.where(absent, 0.0, d_logits)


KERNELS = Kernels(_forward, _backward, half=True, composed=composed_attention)
