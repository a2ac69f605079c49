"""Softmax attention in one kernel on a GPU: Pallas with its Triton lowering.

One program computes one receiver: it walks over the slots of its tiles, a few at a time, with an online softmax for
each of these, and adds them up at the end. A row of keys and one of values is read per edge, all heads of it together,
and nothing per edge is written. The backward pass has no atomic additions either: one kernel over the receivers
(gradients of queries, biases, edge terms, the vector), one over the senders (keys, values); both compute the weights
again from the logsumexp.

The slots of a hub are shared: all slots are cut into chunks of `CHUNK`, the program of a receiver stops at the end of
the first whole chunk, what is left of a hub goes to one program per chunk, and a small kernel merges their partial
results into the row of the hub.

Off the GPU the kernels are interpreted: slow, for tests.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

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
from graphattn_jax.ops._layout import Tiles
from graphattn_jax.ops._pallas import (
    Axis,
    axis,
    launch,
    load,
    missing,
    power_of_two,
    program,
    store,
)
from graphattn_jax.ops._pattern import without_layout
from graphattn_jax.typing import Array

# Of keys and values together, measured on an H200:
ENTRIES = 512  # that a warp gathers at a time
MAX_SLOTS = 8
CHUNK = 64  # slots
MAX_ROW = 2048  # entries of an edge; the heads of wider ones are shared by several programs


class Triton:
    """Supports softmax attention, of every score, on edges with a layout, in float32 and half precision."""

    name, is_fused = "triton", True
    scores, aggregate = staticmethod(_xla.scores), staticmethod(_xla.aggregate)

    def supports(self, call: Call) -> str | None:
        """Softmax attention, with a layout, not in float64."""
        if not call.softmax:
            return "has softmax attention only. Fix: implementation=None."
        return without_layout(call.edges) or missing(call.arrays)

    def attention(self, arguments: Fused) -> tuple[Array, Array]:
        """`(out [N_r, H, C_v], logsumexp [N_r, H])` for every score, with edge terms, a bias, a mask and dropout.

        Sums are in float32; keys and values in half precision are gathered as they are, at half the bytes.
        """
        return fused_attention(Kernels(_forward, _backward, half=True), arguments)


# --- what a program works on -------------------------------------------------------------------------------


class _Sizes(NamedTuple):
    """Static: rows, edges, heads; slots of a step, steps of tiles and chunks; chunks; heads and warps of a program."""

    rows: int
    edges: int
    heads: int
    slots: int
    steps_of_tile: int
    steps_of_chunk: int
    chunks: int
    block: int
    warps: int

    @property
    def head_programs(self) -> int:
        return -(-self.heads // self.block)

    @property
    def grid(self) -> tuple[int, int]:
        """A program per row, then one per chunk."""
        return self.rows + self.chunks, self.head_programs

    def results(self, *shapes: tuple[int, ...]) -> _Results:
        """Places for what is computed for each row, `[rows, *shape]`, and of each chunk."""
        rows, chunks = (tuple(_float32(n, *s) for s in shapes) for n in (self.rows, self.chunks))
        return _Results(rows, chunks if self.chunks else None)


class _Results(NamedTuple):
    """Of rows, and of the chunks of hubs, or None where there are none."""

    rows: Any
    chunks: Any


def _sizes(operands: Operands, fixed: Fixed, tiles: Tiles) -> _Sizes:
    heads = operands.value.shape[1]
    per_head = sum(power_of_two(c) for x in (operands.key, operands.value) for c in x.shape[2:])
    num_tiles, width = tiles.edge.shape
    block = power_of_two(heads)
    while block > 1 and block * per_head > MAX_ROW:
        block //= 2
    slots, warps = _slots_and_warps(block * per_head, width)
    steps, steps_of_chunk = num_tiles * width // slots, max(CHUNK // slots, 1)
    return _Sizes(
        rows=tiles.start.shape[0] - 1,
        edges=fixed.edges.num_edges,
        heads=heads,
        slots=slots,
        steps_of_tile=width // slots,
        steps_of_chunk=steps_of_chunk,
        # The first chunk always belongs to the programs of the rows.
        chunks=max(-(-steps // steps_of_chunk) - 1, 0),
        block=block,
        warps=warps,
    )


def _slots_and_warps(row: int, width: int) -> tuple[int, int]:
    """Of a program that gathers `row` entries per edge, from tiles of this width; powers of two."""
    slots = min(max(power_of_two(ENTRIES // row + 1) // 2, 2), MAX_SLOTS, width)
    return slots, min(max(power_of_two(slots * row) // ENTRIES, 1), 8)


class _Work(NamedTuple):
    """Of a program: its row, the steps from `first` up to `last`, and where its results go, among rows or chunks."""

    row: Axis
    first: Array
    last: Array
    place: _Results


def _work(tiles: Any, sizes: _Sizes) -> _Work:
    item = program(0)
    if not sizes.chunks:
        return _Work(_one(item), *_steps(tiles, item, sizes), _Results(_one(item), None))
    chunk = jnp.maximum(item - sizes.rows, 0)
    hub, begin, whole, end = _hub(tiles, chunk, sizes)
    of_row, of_chunk = item < sizes.rows, (item >= sizes.rows) & (begin >= whole)
    row = jnp.where(of_row, item, hub)
    start, end = _steps(tiles, row, sizes)
    first = jnp.where(of_row, start, begin)
    last = jnp.where(of_row, _end_of_whole_chunk(start, sizes), begin + sizes.steps_of_chunk)
    last = jnp.where(of_row | of_chunk, jnp.minimum(last, end), first)
    return _Work(_one(row), first, last, _Results(_one(row, of_row), _one(chunk, of_chunk)))


def _steps(tiles: Any, row: Array, sizes: _Sizes) -> tuple[Array, Array]:
    """Where the steps of a row begin and end."""
    return tiles.start[row] * sizes.steps_of_tile, tiles.start[row + 1] * sizes.steps_of_tile


def _end_of_whole_chunk(first: Array, sizes: _Sizes) -> Array:
    steps = sizes.steps_of_chunk
    return (first + 2 * steps - 1) // steps * steps


def _hub(tiles: Any, chunk: Array, sizes: _Sizes) -> tuple[Array, Array, Array, Array]:
    """The row that a chunk begins in; where that is, where the part of the row's own program ends, and the row."""
    begin = (chunk + 1) * sizes.steps_of_chunk
    row = tiles.row[begin // sizes.steps_of_tile]
    start, end = _steps(tiles, row, sizes)
    return row, begin, _end_of_whole_chunk(start, sizes), end


# --- pieces of the kernels ----------------------------------------------------------------------------------


def _one(row: Array, valid: Any = True) -> Axis:
    return Axis(row[None], jnp.asarray(valid)[None])


def _heads(sizes: _Sizes) -> Axis:
    return axis(sizes.block, sizes.heads, program(1) * sizes.block)


def _axes(ref: Any, rows: Axis, heads: Axis) -> tuple[Axis, ...]:
    return rows, heads, *(axis(power_of_two(size), size) for size in ref.shape[2:])


def _load(ref: Any, rows: Axis, heads: Axis) -> Any:
    return None if ref is None else load(ref, *_axes(ref, rows, heads))


def _store(ref: Any, block: Any, rows: Axis, heads: Axis) -> None:
    if ref is not None:
        store(ref, block, *_axes(ref, rows, heads))


def _store_results(out: _Results, blocks: Any, place: _Results, heads: Axis) -> None:
    for refs, at in zip(out, place):
        for ref, block in zip(refs or (), blocks):
            _store(ref, block[None], at, heads)


def _slots(tiles: Any, where: Any, step: Array, sizes: _Sizes) -> tuple[Axis, Axis]:
    """The neighbours and the edges in the slots of a step."""
    at = axis(sizes.slots, tiles.edge.shape[0], step * sizes.slots)
    neighbor, edge = load(tiles.neighbor, at), load(tiles.edge, at)
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
    tiles = fixed.edges.tiles
    num_rows, heads, channels = len(operands.query), *operands.value.shape[1:]
    if not tiles.row.shape[0]:
        return jnp.zeros((num_rows, heads, channels)), jnp.full((num_rows, heads), jnp.inf)
    sizes = _sizes(operands, fixed, tiles)
    results = launch(
        partial(_forward_kernel, spec=spec, sizes=sizes),
        sizes.grid,
        (operands, _arrays(fixed), _flat(tiles)),
        sizes.results((heads, channels), (heads,)),
        num_warps=sizes.warps,
    )
    out, logsumexp = _merge(_merge_softmax, results, tiles, sizes)
    return out, logsumexp


def _forward_kernel(operands, fixed, tiles, out, *, spec: Spec, sizes: _Sizes) -> None:
    work, heads = _work(tiles, sizes), _heads(sizes)
    query, vector = _load(operands.query, work.row, heads), _vector(operands.vector, heads)

    def add(step, carry):
        top, total, weighted = carry
        senders, edges = _slots(tiles, fixed.where, step, sizes)
        key, value = _load(operands.key, senders, heads), _load(operands.value, senders, heads)
        ends = Ends(query, key, _load(operands.edge, edges, heads), vector)
        logits = _logits(spec, ends, operands.bias, edges, heads)
        new_top = jnp.maximum(top, logits)
        finite_top = jnp.where(new_top == -jnp.inf, 0.0, new_top)
        shrink, p = jnp.exp(top - finite_top), jnp.exp(logits - finite_top)
        applied = p * _kept(fixed.words, spec, sizes, edges, heads)
        weighted = weighted * shrink[:, :, None] + applied[:, :, None] * value
        return new_top, total * shrink + p, weighted

    shape = sizes.slots, sizes.block
    nothing = jnp.full(shape, -jnp.inf), jnp.zeros(shape)
    zero = jnp.zeros((*shape, power_of_two(operands.value.shape[2])))
    carry = jax.lax.fori_loop(work.first, work.last, add, (*nothing, zero))
    slot_top, total, weighted = carry
    top = jnp.max(slot_top, axis=0)
    shrink = jnp.exp(slot_top - jnp.where(top == -jnp.inf, 0.0, top)[None])
    total = jnp.sum(total * shrink, axis=0)
    weighted = jnp.sum(weighted * shrink[:, :, None], axis=0)
    _store_results(out, _softmax(top, total, weighted), work.place, heads)


def _softmax(top: Array, total: Array, weighted: Array) -> tuple[Array, Array]:
    """The output and the logsumexp of a row; 0 and +inf where there is nothing to attend to."""
    empty = total == 0
    total = jnp.where(empty, 1.0, total)
    return weighted / total[:, None], jnp.where(empty, jnp.inf, top + jnp.log(total))


# --- backward -----------------------------------------------------------------------------------------------


def _backward(
    operands: Operands, fixed: Fixed, spec: Spec, logsumexp: Array, g: Array, d: Array
) -> Operands:
    if not fixed.edges.tiles.row.shape[0]:
        return jax.tree.map(jnp.zeros_like, operands)
    saved = (logsumexp, g, d)
    d_query, d_edge, d_bias, d_vector = _by_receiver(operands, fixed, spec, saved)
    d_key, d_value = _by_sender(operands, fixed, spec, saved)
    return Operands(d_query, d_key, d_value, d_edge, d_vector, d_bias)


def _by_receiver(operands: Operands, fixed: Fixed, spec: Spec, saved):
    tiles = fixed.edges.tiles
    sizes = _sizes(operands, fixed, tiles)
    # Edges in no tile are written by no program.
    of_edges = jax.tree.map(jnp.zeros_like, (operands.edge, operands.bias))
    shape, has_vector = operands.query.shape[1:], operands.vector is not None
    of_edges, results = launch(
        partial(_by_receiver_kernel, spec=spec, sizes=sizes),
        sizes.grid,
        (of_edges, operands, _arrays(fixed), _flat(tiles), saved),
        (
            jax.tree.map(lambda x: _float32(*x.shape), of_edges),
            sizes.results(*([shape, shape] if has_vector else [shape])),
        ),
        num_warps=sizes.warps,
        aliases={i: i for i in range(len(jax.tree.leaves(of_edges)))},
    )
    d_query, *d_vector = _merge(_merge_sum, results, tiles, sizes)
    return d_query, *of_edges, jnp.sum(d_vector[0], axis=0) if has_vector else None


def _by_receiver_kernel(
    zeros, operands, fixed, tiles, saved, out, *, spec: Spec, sizes: _Sizes
) -> None:
    work, heads, (of_edges, results) = _work(tiles, sizes), _heads(sizes), out
    query, vector = _load(operands.query, work.row, heads), _vector(operands.vector, heads)
    saved = [_load(x, work.row, heads) for x in saved]

    def add(step, carry):
        senders, edges = _slots(tiles, fixed.where, step, sizes)
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

    zero = jax.tree.map(lambda x: jnp.zeros((sizes.slots, *x.shape[1:])), (query, vector))
    sums = jax.lax.fori_loop(work.first, work.last, add, zero)
    _store_results(results, _over_slots(sums), work.place, heads)


def _by_sender(operands: Operands, fixed: Fixed, spec: Spec, saved):
    tiles = fixed.edges.T.tiles
    sizes = _sizes(operands, fixed, tiles)
    results = launch(
        partial(_by_sender_kernel, spec=spec, sizes=sizes),
        sizes.grid,
        (operands, _arrays(fixed), _flat(tiles), saved),
        sizes.results(operands.key.shape[1:], operands.value.shape[1:]),
        num_warps=sizes.warps,
    )
    return _merge(_merge_sum, results, tiles, sizes)


def _by_sender_kernel(operands, fixed, tiles, saved, out, *, spec: Spec, sizes: _Sizes) -> None:
    work, heads = _work(tiles, sizes), _heads(sizes)
    vector = _vector(operands.vector, heads)
    key, value = (_load(x, work.row, heads) for x in (operands.key, operands.value))

    def add(step, carry):
        receivers, edges = _slots(tiles, fixed.where, step, sizes)
        query = _load(operands.query, receivers, heads)
        logsumexp, g, d = (_load(x, receivers, heads) for x in saved)
        ends = Ends(query, key, _load(operands.edge, edges, heads), vector)
        logits = _logits(spec, ends, operands.bias, edges, heads)
        kept = _kept(fixed.words, spec, sizes, edges, heads)
        p, d_logits = gradients_of_logits(logits, kept, value, logsumexp, g, d)
        parts = gradients_of_ends(spec, ends, d_logits).key, (p * kept)[:, :, None] * g
        return jax.tree.map(jnp.add, carry, parts)

    zero = jax.tree.map(lambda x: jnp.zeros((sizes.slots, *x.shape[1:])), (key, value))
    sums = jax.lax.fori_loop(work.first, work.last, add, zero)
    _store_results(out, _over_slots(sums), work.place, heads)


def _over_slots(sums: Any) -> list[Array]:
    """Each slot kept one; None is left out."""
    return [jnp.sum(x, axis=0) for x in jax.tree.leaves(sums)]


# --- the parts of a hub -------------------------------------------------------------------------------------


def _merge(kernel, results: _Results, tiles: Tiles, sizes: _Sizes) -> tuple[Array, ...]:
    """The results of rows, into which those of the chunks of hubs are merged, in place."""
    if results.chunks is None:
        return results.rows
    return launch(
        partial(kernel, sizes=sizes),
        (sizes.chunks, sizes.head_programs),
        (results, _flat(tiles)),
        jax.tree.map(lambda x: _float32(*x.shape), results.rows),
        num_warps=1,
        aliases={i: i for i in range(len(results.rows))},
    )


def _parts(tiles: Any, sizes: _Sizes) -> tuple[Axis, Array, Array]:
    """The hub of this program's chunk, and its chunks: none unless this is the first of them."""
    chunk = program(0)
    row, begin, whole, end = _hub(tiles, chunk, sizes)
    mine = (begin == whole) & (begin < end)
    return _one(row, mine), chunk, jnp.where(mine, (end - 1) // sizes.steps_of_chunk, chunk)


def _merge_softmax(results: _Results, tiles, out, *, sizes: _Sizes) -> None:
    heads = _heads(sizes)
    row, first, last = _parts(tiles, sizes)

    def part(refs, rows):
        weighted, logsumexp = (_load(ref, rows, heads)[0] for ref in refs)
        return jnp.where(logsumexp == jnp.inf, -jnp.inf, logsumexp), weighted

    def add(chunk, carry):
        top, total, weighted = carry
        logsumexp, more = part(results.chunks, _one(chunk))
        new_top = jnp.maximum(top, logsumexp)
        finite_top = jnp.where(new_top == -jnp.inf, 0.0, new_top)
        shrink, p = jnp.exp(top - finite_top), jnp.exp(logsumexp - finite_top)
        return new_top, total * shrink + p, weighted * shrink[:, None] + more * p[:, None]

    top, weighted = part(out, row)
    total = jnp.where(top == -jnp.inf, 0.0, 1.0)
    merged = jax.lax.fori_loop(first, last, add, (top, total, weighted))
    for ref, block in zip(out, _softmax(*merged)):
        _store(ref, block[None], row, heads)


def _merge_sum(results: _Results, tiles, out, *, sizes: _Sizes) -> None:
    heads = _heads(sizes)
    row, first, last = _parts(tiles, sizes)
    for ref, chunks in zip(out, results.chunks):
        total = jax.lax.fori_loop(
            first,
            last,
            lambda chunk, x, chunks=chunks: x + _load(chunks, _one(chunk), heads),
            _load(ref, row, heads),
        )
        _store(ref, total, row, heads)


def _float32(*shape: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, jnp.float32)


class _Arrays(NamedTuple):
    """What the kernels read of `Fixed` beside the tiles: the mask as bytes, the words of the dropout key."""

    where: Array | None
    words: Array | None


def _arrays(fixed: Fixed) -> _Arrays:
    mask = fixed.edges.mask
    return _Arrays(None if mask is None else jnp.asarray(mask).astype(jnp.int8), fixed.words)


def _flat(tiles: Tiles) -> Tiles:
    """With the slots in one row."""
    return tiles._replace(neighbor=tiles.neighbor.reshape(-1), edge=tiles.edge.reshape(-1))
