"""Softmax attention in one kernel on a GPU: Pallas with its Triton lowering.

One program computes one receiver: it walks over the tiles of incoming edges with an online softmax, one for each slot
of the tiles, and adds up the slots at the end. A row of keys and one of values is read per edge, all heads of it
together, and nothing per edge is written. The backward pass has no atomic additions either: one kernel over the
receivers (gradients of queries, biases, edge terms, the vector), one over the senders (keys, values); both compute the
weights again from the logsumexp.

The tiles of a hub are shared: a program takes at most `TILES_PER_PROGRAM`, what is left goes to programs of its own,
and a small kernel merges their partial results into the row of the hub.

Off the GPU the kernels are interpreted: slow, for tests.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from graphattn_jax.ops._edge_attention import _fused, _xla
from graphattn_jax.ops._edge_attention._fused import (
    Arguments,
    Ends,
    Fixed,
    Kernels,
    Operands,
    Spec,
    dropout_factors,
    gradients_of_ends,
    gradients_of_logits,
    logits_of_ends,
)
from graphattn_jax.ops._edge_attention._scores import OneWayScore
from graphattn_jax.ops._layout import Tiles, check_layout
from graphattn_jax.ops._pallas import Axis, axis, launch, load, power_of_two, program, store, warps
from graphattn_jax.typing import Array

TILES_PER_PROGRAM = 32
BLOCK_SIZE = 4096  # entries of a block of gathered rows: tile width x heads x channels


def scores(
    query: Array, key: Array, senders: Array, receivers: Array, score: OneWayScore, layout
) -> Array:
    """`[E, H]` logits, by XLA."""
    check_layout("triton", layout, senders)
    return _fused.composed_scores(query, key, senders, receivers, score, layout)


aggregate = _xla.aggregate


def attention(arguments: Arguments) -> tuple[Array, Array]:
    """`(out [N_r, H, C_v], logsumexp [N_r, H])` for every score, with edge terms, a bias, a mask and dropout.

    Sums are in float32; keys and values in half precision are gathered as they are, at half the bytes.
    """
    check_layout("triton", arguments.layout, arguments.senders)
    if any(x.dtype == jnp.float64 for x in arguments[:3]):
        raise NotImplementedError(
            "implementation='triton' computes in float32, got float64. Fix: implementation=None."
        )
    return _fused.fused_attention(Kernels(_forward, _backward, half=True), arguments)


# --- what a program works on -------------------------------------------------------------------------------


class _Sizes(NamedTuple):
    """Static: edges, heads, heads per program, and the warps of a program."""

    edges: int
    heads: int
    block: int
    warps: int

    @property
    def head_programs(self) -> int:
        return -(-self.heads // self.block)


def _sizes(operands: Operands, fixed: Fixed, tiles: Tiles) -> _Sizes:
    heads = operands.value.shape[1]
    channels = max(operands.value.shape[2:] + operands.query.shape[2:])
    per_head = tiles.edge.shape[1] * power_of_two(channels)
    block = power_of_two(heads)
    while block > 1 and block * per_head > BLOCK_SIZE:
        block //= 2
    return _Sizes(len(fixed.senders), heads, block, warps(block * per_head))


class _Work(NamedTuple):
    """What each program does: the tiles from `first` up to `last` of the node `row`.

    The first N programs are those of the N nodes. The others take what is left of hubs: for node i these are the ones
    from N + more[i] up to N + more[i + 1].
    """

    row: Array
    first: Array
    last: Array
    more: Array


def _work(tiles: Tiles) -> _Work:
    start = jnp.asarray(tiles.start)
    first, end = start[:-1], start[1:]
    node = jnp.arange(first.size, dtype=jnp.int32)
    last = jnp.minimum(end, first + TILES_PER_PROGRAM)
    count = jnp.maximum(end - first - 1, 0) // TILES_PER_PROGRAM
    more = jnp.concatenate([jnp.zeros(1, jnp.int32), jnp.cumsum(count, dtype=jnp.int32)])
    if tiles.row.shape[0] < TILES_PER_PROGRAM:
        return _Work(node, first, last, more)
    # As many as can be needed; the ones that are not have no tiles.
    extra = jnp.arange(tiles.row.shape[0] // TILES_PER_PROGRAM, dtype=jnp.int32)
    hub = jnp.searchsorted(more[1:], extra, side="right").astype(jnp.int32)
    hub = jnp.minimum(hub, first.size - 1)
    begin = first[hub] + (extra - more[hub] + 1) * TILES_PER_PROGRAM
    stop = jnp.where(extra < more[-1], jnp.minimum(begin + TILES_PER_PROGRAM, end[hub]), begin)
    return _Work(
        jnp.concatenate([node, hub]),
        jnp.concatenate([first, begin]),
        jnp.concatenate([last, stop]),
        more,
    )


# --- pieces of the kernels ----------------------------------------------------------------------------------


def _one(row: Array) -> Axis:
    return Axis(row[None], jnp.ones((1,), bool))


def _heads(sizes: _Sizes) -> Axis:
    return axis(sizes.block, sizes.heads, program(1) * sizes.block)


def _axes(ref: Any, rows: Axis, heads: Axis) -> tuple[Axis, ...]:
    return rows, heads, *(axis(power_of_two(size), size) for size in ref.shape[2:])


def _load(ref: Any, rows: Axis, heads: Axis) -> Any:
    return None if ref is None else load(ref, *_axes(ref, rows, heads))


def _store(ref: Any, block: Any, rows: Axis, heads: Axis) -> None:
    if ref is not None:
        store(ref, block, *_axes(ref, rows, heads))


def _tile(tiles: Any, where: Any, t: Array, sizes: _Sizes) -> tuple[Axis, Axis]:
    """The neighbours and the edges in the slots of tile t."""
    neighbor, edge = tiles.neighbor[t, :], tiles.edge[t, :]
    valid = edge < sizes.edges
    if where is not None:
        valid = valid & (load(where, Axis(edge, valid)) > 0)
    return Axis(neighbor, valid), Axis(edge, valid)


def _vector(ref: Any, heads: Axis) -> Array | None:
    if ref is None:
        return None
    return load(ref, heads, axis(power_of_two(ref.shape[1]), ref.shape[1]))[None]


def _logits(spec: Spec, ends: Ends, bias: Any, edges: Axis, heads: Axis) -> Array:
    """`[slots, block]`, -inf where there is no edge."""
    logits = logits_of_ends(spec, ends)
    if bias is not None:
        logits = logits + _load(bias, edges, heads)
    return jnp.where(edges.valid[:, None], logits, -jnp.inf)


def _kept(words: Any, spec: Spec, sizes: _Sizes, edges: Axis, heads: Axis) -> Array:
    """The factors of dropout, `[slots, block]`: the hash of the place in `[E, H]`, as in `ops.dropout`."""
    if words is None:
        return jnp.ones((1, 1), jnp.float32)
    return dropout_factors(words, spec, edges.ids[:, None] * sizes.heads + heads.ids[None, :])


# --- forward ------------------------------------------------------------------------------------------------


def _forward(operands: Operands, fixed: Fixed, spec: Spec) -> tuple[Array, Array]:
    tiles = fixed.layout.by_receiver
    num_rows, heads, channels = len(operands.query), *operands.value.shape[1:]
    if not tiles.row.shape[0]:
        return jnp.zeros((num_rows, heads, channels)), jnp.full((num_rows, heads), jnp.inf)
    sizes, work = _sizes(operands, fixed, tiles), _work(tiles)
    programs = work.row.size
    parts = launch(
        partial(_forward_kernel, spec=spec, sizes=sizes),
        (programs, sizes.head_programs),
        (operands, _arrays(fixed), tiles, work),
        (_float32(programs, heads, channels), _float32(programs, heads)),
        num_warps=sizes.warps,
    )
    out, logsumexp = _merge(_merge_softmax, parts, work, sizes)
    return out[:num_rows], logsumexp[:num_rows]


def _forward_kernel(operands, fixed, tiles, work, out, *, spec: Spec, sizes: _Sizes) -> None:
    item, heads = program(0), _heads(sizes)
    query, vector = (
        _load(operands.query, _one(work.row[item]), heads),
        _vector(operands.vector, heads),
    )

    def add_tile(t, carry):
        top, total, weighted = carry
        senders, edges = _tile(tiles, fixed.where, t, sizes)
        key, value = _load(operands.key, senders, heads), _load(operands.value, senders, heads)
        ends = Ends(query, key, _load(operands.edge, edges, heads), vector)
        logits = _logits(spec, ends, operands.bias, edges, heads)
        new_top = jnp.maximum(top, logits)
        finite_top = jnp.where(new_top == -jnp.inf, 0.0, new_top)
        shrink, p = jnp.exp(top - finite_top), jnp.exp(logits - finite_top)
        applied = p * _kept(fixed.words, spec, sizes, edges, heads)
        weighted = weighted * shrink[:, :, None] + applied[:, :, None] * value
        return new_top, total * shrink + p, weighted

    shape = tiles.edge.shape[1], sizes.block
    nothing = jnp.full(shape, -jnp.inf), jnp.zeros(shape)
    zero = jnp.zeros((*shape, power_of_two(operands.value.shape[2])))
    carry = jax.lax.fori_loop(work.first[item], work.last[item], add_tile, (*nothing, zero))
    slot_top, total, weighted = carry
    top = jnp.max(slot_top, axis=0)
    shrink = jnp.exp(slot_top - jnp.where(top == -jnp.inf, 0.0, top)[None])
    total = jnp.sum(total * shrink, axis=0)
    weighted = jnp.sum(weighted * shrink[:, :, None], axis=0)
    _store_softmax(out, top, total, weighted, _one(item), heads)


def _store_softmax(out, top: Array, total: Array, weighted: Array, rows: Axis, heads: Axis) -> None:
    """The output and the logsumexp of a row; 0 and +inf where there is nothing to attend to."""
    empty = total == 0
    total = jnp.where(empty, 1.0, total)
    _store(out[0], (weighted / total[:, None])[None], rows, heads)
    _store(out[1], jnp.where(empty, jnp.inf, top + jnp.log(total))[None], rows, heads)


# --- backward -----------------------------------------------------------------------------------------------


def _backward(
    operands: Operands, fixed: Fixed, spec: Spec, logsumexp: Array, g: Array, d: Array
) -> Operands:
    if not fixed.layout.by_receiver.row.shape[0]:
        return jax.tree.map(jnp.zeros_like, operands)
    saved = (logsumexp, g, d)
    d_query, d_edge, d_bias, d_vector = _by_receiver(operands, fixed, spec, saved)
    d_key, d_value = _by_sender(operands, fixed, spec, saved)
    return Operands(d_query, d_key, d_value, d_edge, d_vector, d_bias)


def _by_receiver(operands: Operands, fixed: Fixed, spec: Spec, saved):
    tiles = fixed.layout.by_receiver
    sizes, work = _sizes(operands, fixed, tiles), _work(tiles)
    programs = work.row.size
    # Edges in no tile are written by no program.
    of_edges = jax.tree.map(jnp.zeros_like, (operands.edge, operands.bias))
    of_row = _float32(programs, *operands.query.shape[1:])
    of_rows = of_row, None if operands.vector is None else of_row
    of_edges, of_rows = launch(
        partial(_by_receiver_kernel, spec=spec, sizes=sizes),
        (programs, sizes.head_programs),
        (of_edges, operands, _arrays(fixed), tiles, work, saved),
        (jax.tree.map(lambda x: _float32(*x.shape), of_edges), of_rows),
        num_warps=sizes.warps,
        aliases={i: i for i in range(len(jax.tree.leaves(of_edges)))},
    )
    d_query, d_vector = of_rows
    if d_vector is not None:
        d_vector = jnp.sum(d_vector, axis=0)
    (d_query,) = _merge(_merge_sum, (d_query,), work, sizes)
    return d_query[: len(operands.query)], *of_edges, d_vector


def _by_receiver_kernel(
    zeros, operands, fixed, tiles, work, saved, out, *, spec: Spec, sizes: _Sizes
) -> None:
    item, heads = program(0), _heads(sizes)
    row, (of_edges, of_rows) = _one(work.row[item]), out
    query, vector = _load(operands.query, row, heads), _vector(operands.vector, heads)
    saved = [_load(x, row, heads) for x in saved]

    def add_tile(t, carry):
        senders, edges = _tile(tiles, fixed.where, t, sizes)
        key, value = _load(operands.key, senders, heads), _load(operands.value, senders, heads)
        ends = Ends(query, key, _load(operands.edge, edges, heads), vector)
        logits = _logits(spec, ends, operands.bias, edges, heads)
        kept = _kept(fixed.words, spec, sizes, edges, heads)
        d_logits = gradients_of_logits(logits, kept, value, *saved)[1]
        d_ends = gradients_of_ends(spec, ends, d_logits)
        _store(of_edges[0], d_ends.edge, edges, heads)
        _store(of_edges[1], d_logits, edges, heads)
        parts = d_ends.query, d_ends.vector
        return jax.tree.map(jnp.add, carry, parts)

    slots = tiles.edge.shape[1]
    zero = jax.tree.map(lambda x: jnp.zeros((slots, *x.shape[1:])), (query, vector))
    sums = jax.lax.fori_loop(work.first[item], work.last[item], add_tile, zero)
    _store_sums(of_rows, sums, _one(item), heads)


def _by_sender(operands: Operands, fixed: Fixed, spec: Spec, saved):
    tiles = fixed.layout.by_sender
    sizes, work = _sizes(operands, fixed, tiles), _work(tiles)
    like = operands.key, operands.value
    parts = launch(
        partial(_by_sender_kernel, spec=spec, sizes=sizes),
        (work.row.size, sizes.head_programs),
        (operands, _arrays(fixed), tiles, work, saved),
        tuple(_float32(work.row.size, *x.shape[1:]) for x in like),
        num_warps=sizes.warps,
    )
    return [x[: len(operands.key)] for x in _merge(_merge_sum, parts, work, sizes)]


def _by_sender_kernel(
    operands, fixed, tiles, work, saved, out, *, spec: Spec, sizes: _Sizes
) -> None:
    item, heads = program(0), _heads(sizes)
    row, vector = _one(work.row[item]), _vector(operands.vector, heads)
    key, value = _load(operands.key, row, heads), _load(operands.value, row, heads)

    def add_tile(t, carry):
        receivers, edges = _tile(tiles, fixed.where, t, sizes)
        query = _load(operands.query, receivers, heads)
        logsumexp, g, d = (_load(x, receivers, heads) for x in saved)
        ends = Ends(query, key, _load(operands.edge, edges, heads), vector)
        logits = _logits(spec, ends, operands.bias, edges, heads)
        kept = _kept(fixed.words, spec, sizes, edges, heads)
        p, d_logits = gradients_of_logits(logits, kept, value, logsumexp, g, d)
        parts = gradients_of_ends(spec, ends, d_logits).key, (p * kept)[:, :, None] * g
        return jax.tree.map(jnp.add, carry, parts)

    slots = tiles.edge.shape[1]
    zero = jax.tree.map(lambda x: jnp.zeros((slots, *x.shape[1:])), (key, value))
    sums = jax.lax.fori_loop(work.first[item], work.last[item], add_tile, zero)
    _store_sums(out, sums, _one(item), heads)


def _store_sums(refs, sums, rows: Axis, heads: Axis) -> None:
    """The sums over the slots, which kept one each."""
    for ref, x in zip(refs, sums):
        if ref is not None:
            _store(ref, jnp.sum(x, axis=0)[None], rows, heads)


# --- the parts of a hub -------------------------------------------------------------------------------------


def _merge(kernel, parts: tuple[Array, ...], work: _Work, sizes: _Sizes) -> tuple[Array, ...]:
    """Merge the results of all programs of a node, in place, into its first N rows."""
    num_extra = work.row.size - (work.more.size - 1)
    if not num_extra:
        return parts
    return launch(
        partial(kernel, sizes=sizes),
        (num_extra, sizes.head_programs),
        (parts, work),
        jax.tree.map(lambda x: _float32(*x.shape), parts),
        num_warps=1,
        aliases={i: i for i in range(len(parts))},
    )


def _hub(work: Any) -> tuple[Axis, Array, Array]:
    """The node whose parts this program merges, and which these are: none unless it stands at the first of them."""
    num_rows, extra = work.more.shape[0] - 1, program(0)
    row = work.row[num_rows + extra]
    mine = (work.more[row] == extra) & (extra < work.more[num_rows])
    first = num_rows + extra
    last = jnp.where(mine, num_rows + work.more[row + 1], first)
    return Axis(row[None], mine[None]), first, last


def _merge_softmax(parts, work, out, *, sizes: _Sizes) -> None:
    heads = _heads(sizes)
    row, first, last = _hub(work)

    def part(rows):
        weighted, logsumexp = _load(out[0], rows, heads)[0], _load(out[1], rows, heads)[0]
        return jnp.where(logsumexp == jnp.inf, -jnp.inf, logsumexp), weighted

    def add(r, carry):
        top, total, weighted = carry
        logsumexp, more = part(_one(r))
        new_top = jnp.maximum(top, logsumexp)
        finite_top = jnp.where(new_top == -jnp.inf, 0.0, new_top)
        shrink, p = jnp.exp(top - finite_top), jnp.exp(logsumexp - finite_top)
        return new_top, total * shrink + p, weighted * shrink[:, None] + more * p[:, None]

    top, weighted = part(row)
    total = jnp.where(top == -jnp.inf, 0.0, 1.0)
    top, total, weighted = jax.lax.fori_loop(first, last, add, (top, total, weighted))
    _store_softmax(out, top, total, weighted, row, heads)


def _merge_sum(parts, work, out, *, sizes: _Sizes) -> None:
    heads = _heads(sizes)
    row, first, last = _hub(work)
    for ref in out:
        total = jax.lax.fori_loop(
            first,
            last,
            lambda r, x, ref=ref: x + _load(ref, _one(r), heads),
            _load(ref, row, heads),
        )
        _store(ref, total, row, heads)


def _float32(*shape: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def _arrays(fixed: Fixed) -> Fixed:
    """What the kernels read of it, the mask as bytes."""
    where = None if fixed.where is None else jnp.asarray(fixed.where).astype(jnp.int8)
    return fixed._replace(senders=None, receivers=None, where=where, layout=None)
