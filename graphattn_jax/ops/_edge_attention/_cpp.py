"""Sparse attention by C++ kernels on the CPU: one pass forward, two backward, `[E, 2 H]` numbers between them.

The kernels (`ops/_native/edge_attention.cc`) are XLA custom calls. They exist once `ops.build_cpp` made them.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from graphattn_jax.ops import _native
from graphattn_jax.ops._edge_attention import _adjoint, _xla
from graphattn_jax.ops._edge_attention._call import Call, Fused
from graphattn_jax.ops._edge_attention._fused import (
    Fixed,
    Kernels,
    Operands,
    Spec,
    fused_attention,
)
from graphattn_jax.ops._edge_attention._scores import DotScore, OneWayScore
from graphattn_jax.ops._pattern import Edges, without_layout
from graphattn_jax.typing import Array

__all__ = ["CPP"]

_SCORES = ("dot", "additive", "gatv2")  # in the order of the enumeration in C++


class CPP:
    """Supports every call on edges with a layout, where the kernels are."""

    name, is_fused = "cpp", True

    def supports(self, call: Call) -> str | None:
        """With a layout, once built."""
        return without_layout(call.edges) or _native.missing(call.arrays)

    def scores(self, query: Array, key: Array, edges: Edges, score: OneWayScore) -> Array:
        """`[E, H]` logits; scores that are not dot products are XLA's."""
        if not isinstance(score, DotScore) or score.edge is not None:
            return _xla.scores(query, key, edges, score)
        query = query * jnp.asarray(score.scale, query.dtype)
        return _adjoint.edge_dot(_PAIR, query, key, edges)

    def aggregate(self, weights: Array, value: Array, edges: Edges) -> Array:
        """Σ_j w_ij v_j, `[N_r, H, C]`."""
        return _adjoint.aggregate(_PAIR, weights, value, edges)

    def attention(self, arguments: Fused) -> tuple[Array, Array]:
        """`(out, logsumexp)` of softmax attention."""
        return fused_attention(_KERNELS, arguments)


def _padded(x: Array) -> Array:
    """With zeros up to a multiple of four channels: one at a time, a kernel takes twice as long."""
    extra = -x.shape[-1] % 4
    return jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, extra)]) if extra else x


# --- the pair -------------------------------------------------------------------------------------------------


def _edge_dot(x: Array, y: Array, edges: Edges) -> Array:
    out = jax.ShapeDtypeStruct((edges.num_edges, x.shape[1]), x.dtype)
    arrays = (_padded(x), _padded(y), edges.mask)
    return _native.call("edge_dot", out, *arrays, *edges.tiles.walk)


def _aggregate(weights: Array, y: Array, edges: Edges) -> Array:
    padded = _padded(y)
    out = jax.ShapeDtypeStruct((edges.num_rows, *padded.shape[1:]), y.dtype)
    arrays = (weights, padded, edges.mask)
    summed = _native.call("aggregate", out, *arrays, *edges.tiles.walk)
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
    attributes = {
        "score": np.int32(_SCORES.index(spec.score)),
        "slope": np.float64(spec.negative_slope),
        "num_edges": np.int64(fixed.edges.num_edges),
        **_native.dropout_attributes(spec.dropout_rate),
    }
    return (*operands, fixed.edges.mask, fixed.words), attributes


def _forward(operands: Operands, fixed: Fixed, spec: Spec) -> tuple[Array, Array]:
    padded = _padded_operands(operands)
    arrays, attributes = _arguments(padded, fixed, spec)
    rows, heads, dtype = operands.query.shape[0], operands.value.shape[1], operands.query.dtype
    shapes = [(rows, *padded.value.shape[1:]), (rows, heads)]
    results = [jax.ShapeDtypeStruct(shape, dtype) for shape in shapes]
    out, logsumexp = _native.call(
        "edge_forward", results, *arrays, *fixed.edges.tiles.walk, **attributes
    )
    return out[..., : operands.value.shape[-1]], logsumexp


def _backward(operands: Operands, fixed: Fixed, spec: Spec, logsumexp, g, d) -> Operands:
    padded = _padded_operands(operands)
    arrays, attributes = _arguments(padded, fixed, spec)
    tiles = (*fixed.edges.tiles.walk, *fixed.edges.T.tiles.walk)
    empty = jax.ShapeDtypeStruct((0,), operands.query.dtype)
    results = [empty if x is None else jax.ShapeDtypeStruct(x.shape, x.dtype) for x in padded]
    # A result only so that XLA finds the memory: slopes and applied weights, from the first pass to the second.
    numbers = (fixed.edges.num_edges, 2 * operands.value.shape[1])
    results.append(jax.ShapeDtypeStruct(numbers, operands.query.dtype))
    *gradients, _ = _native.call(
        "edge_backward", results, *arrays, *tiles, logsumexp, _padded(g), d, **attributes
    )
    found: Any = (
        None if x is None else dx[..., : x.shape[-1]] for x, dx in zip(operands, gradients)
    )
    return Operands(*found)


_KERNELS = Kernels(_forward, _backward)
