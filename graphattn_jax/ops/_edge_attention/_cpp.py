"""Sparse attention by C++ kernels on the CPU: one pass forward, two backward, `[E, 2 H]` numbers between them.

The kernels (`ops/_native/edge_attention.cc`) are XLA custom calls. They exist once `ops.build_cpp` made them.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from graphattn_jax.ops import _native
from graphattn_jax.ops._edge_attention import _adjoint
from graphattn_jax.ops._edge_attention._adjoint import Edges, tiled_edges
from graphattn_jax.ops._edge_attention._fused import (
    Arguments,
    Fixed,
    Kernels,
    Operands,
    Spec,
    composed_scores,
    fused_attention,
)
from graphattn_jax.ops._edge_attention._scores import DotScore, OneWayScore
from graphattn_jax.ops._layout import Tiles, check_layout
from graphattn_jax.typing import Array

_SCORES = ("dot", "additive", "gatv2")  # in the order of the enumeration in C++


def scores(
    query: Array, key: Array, senders: Array, receivers: Array, score: OneWayScore, layout
) -> Array:
    """`[E, H]` logits; 0 for edges that the layout leaves out."""
    _native.check_built()
    if not isinstance(score, DotScore) or score.edge is not None:
        return composed_scores(query, key, senders, receivers, score, layout)
    edges = tiled_edges("cpp", senders, receivers, layout)
    return _adjoint.edge_dot(_PAIR, query * jnp.asarray(score.scale, query.dtype), key, edges)


def aggregate(
    weights: Array, value: Array, senders: Array, receivers: Array, num_nodes: int, layout
) -> Array:
    """Σ_j w_ij v_j, `[N, H, C]`."""
    _native.check_built()
    edges = tiled_edges("cpp", senders, receivers, layout)
    return _adjoint.aggregate(_PAIR, weights, value, edges, num_nodes)


def attention(arguments: Arguments) -> tuple[Array, Array]:
    """`(out, logsumexp)` of softmax attention."""
    _native.check_built()
    check_layout("cpp", arguments.layout, arguments.senders)
    return fused_attention(_KERNELS, arguments)


def _indices(tiles: Tiles) -> tuple[Array, ...]:
    return tuple(jnp.asarray(x) for x in (tiles.neighbor, tiles.edge, tiles.start))


def _padded(x: Array) -> Array:
    """With zeros up to a multiple of four channels: one at a time, a kernel takes twice as long."""
    extra = -x.shape[-1] % 4
    return jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, extra)]) if extra else x


# --- the pair -------------------------------------------------------------------------------------------------


def _edge_dot(x: Array, y: Array, edges: Edges) -> Array:
    out = jax.ShapeDtypeStruct((len(edges.rows), x.shape[1]), x.dtype)
    return _native.call("edge_dot", out, _padded(x), _padded(y), *_indices(edges.by_row))


def _aggregate(weights: Array, y: Array, edges: Edges, num_rows: int) -> Array:
    padded = _padded(y)
    out = jax.ShapeDtypeStruct((num_rows, *padded.shape[1:]), y.dtype)
    summed = _native.call("aggregate", out, weights, padded, *_indices(edges.by_row))
    return summed[..., : y.shape[-1]]


_PAIR = _adjoint.Pair(_edge_dot, _aggregate)


# --- the fused attention --------------------------------------------------------------------------------------


def _padded_operands(operands: Operands) -> Operands:
    # Channels are the last of three axes; of the vector, of two.
    padded: Any = {
        name: _padded(x)
        for name, x in operands._asdict().items()
        if x is not None and (x.ndim == 3 or name == "vector")
    }
    return operands._replace(**padded)


def _arguments(operands: Operands, fixed: Fixed, spec: Spec):
    """Operands and attributes that forward and backward share."""
    where = None if fixed.where is None else jnp.asarray(fixed.where)
    attributes = {
        "score": np.int32(_SCORES.index(spec.score)),
        "slope": np.float64(spec.negative_slope),
        "num_edges": np.int64(len(fixed.senders)),
        **_native.dropout_attributes(spec.dropout_rate),
    }
    return (*operands, where, fixed.words), attributes


def _forward(operands: Operands, fixed: Fixed, spec: Spec) -> tuple[Array, Array]:
    padded = _padded_operands(operands)
    arrays, attributes = _arguments(padded, fixed, spec)
    rows, heads, dtype = operands.query.shape[0], operands.value.shape[1], operands.query.dtype
    shapes = [(rows, *padded.value.shape[1:]), (rows, heads)]
    results = [jax.ShapeDtypeStruct(shape, dtype) for shape in shapes]
    out, logsumexp = _native.call(
        "edge_forward", results, *arrays, *_indices(fixed.layout.by_receiver), **attributes
    )
    return out[..., : operands.value.shape[-1]], logsumexp


def _backward(operands: Operands, fixed: Fixed, spec: Spec, logsumexp, g, d) -> Operands:
    padded = _padded_operands(operands)
    arrays, attributes = _arguments(padded, fixed, spec)
    layout = fixed.layout
    tiles = (*_indices(layout.by_receiver), *_indices(layout.by_sender))
    empty = jax.ShapeDtypeStruct((0,), operands.query.dtype)
    results = [empty if x is None else jax.ShapeDtypeStruct(x.shape, x.dtype) for x in padded]
    # A result only so that XLA finds the memory: slopes and applied weights, from the first pass to the second.
    numbers = (len(fixed.senders), 2 * operands.value.shape[1])
    results.append(jax.ShapeDtypeStruct(numbers, operands.query.dtype))
    *gradients, _ = _native.call(
        "edge_backward", results, *arrays, *tiles, logsumexp, _padded(g), d, **attributes
    )
    found: Any = (
        None if x is None else dx[..., : x.shape[-1]] for x, dx in zip(operands, gradients)
    )
    return Operands(*found)


_KERNELS = Kernels(_forward, _backward)
